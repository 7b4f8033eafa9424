"""Paint by numbers: a number in each area of a drawing, and a palette of few colours taken from the picture.

An area's number stands at its pole of inaccessibility, the middle of the largest circle within it, with
digits that fit this circle. Where they would be too small to read, the number stands in the nearest free
place beside the area, with a line to it. Areas that are too narrow to be coloured, and those for which there
is no free place, get no number and the colour of the neighbour with which they share the longest border.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from unprompt.colouring_pages.cielab import to_lab
from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.lettering import letter, measure
from unprompt.colouring_pages.paper import (
    GAP,
    RULE,
    Size,
    fit,
    frame_of,
    furnish,
    page_sizes,
    place_drawing,
    put_text,
)
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.colouring_pages.regions import spread_regions
from unprompt.colouring_pages.sheet import Box, Ink, Picture, Sheet
from unprompt.errors import ConfigError, InputError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]
    Colours = NDArray[np.uint8]  # (N, 3)
    Floats = NDArray[np.float64]

CLOSE = 0.03  # of a drawing's longest side, white that stays around it
SAME = 12.0  # CIELAB: a colour's name may be that much farther than the nearest
APART = 8.0  # CIELAB: colours nearer than this become one, as they are hard to tell apart in crayons
PAPER_LIGHT, PAPER_CHROMA = 95.0, 6.0  # CIELAB: lighter and less coloured than this is white as paper is
CLEAR = 0.25  # mm around a number that no line touches
CORNER = math.sqrt(0.5)  # pixels from a pixel's middle to its corner
CENTRAL = 0.95  # of the largest circle's radius: of so many places, the most central is taken
REACH = 15.0  # mm that a number may stand from its area
TRIES = 400  # places looked at for a number beside its area
DOT = 0.3  # mm, radius of the end of a line from a number into its area
LINE = 0.2  # mm, width of that line
SWATCH = Box(0, 0, 9.0, 6.0)  # mm, a colour of the legend
ROW = 8.5  # mm, height of an entry of the legend
WORDS = 4.0  # mm an em of the legend's texts

COLOUR_NAMES = (  # some names have two shades, as CIELAB bends hues of blue, and tomatoes are red
    ("black", (0, 0, 0)),
    ("dark grey", (75, 75, 75)),
    ("grey", (135, 135, 135)),
    ("light grey", (205, 205, 205)),
    ("white", (255, 255, 255)),
    ("dark red", (135, 20, 25)),
    ("red", (220, 35, 35)),
    ("red", (235, 90, 75)),
    ("bright pink", (235, 70, 155)),
    ("pink", (250, 170, 195)),
    ("dark orange", (215, 95, 15)),
    ("orange", (250, 150, 40)),
    ("yellow", (250, 220, 50)),
    ("light yellow", (253, 243, 170)),
    ("olive", (125, 125, 45)),
    ("dark green", (20, 85, 45)),
    ("green", (65, 155, 60)),
    ("green", (95, 160, 50)),
    ("light green", (170, 215, 115)),
    ("turquoise", (60, 190, 180)),
    ("light blue", (150, 210, 240)),
    ("blue", (45, 110, 210)),
    ("blue", (40, 60, 200)),
    ("dark blue", (25, 40, 110)),
    ("purple", (115, 50, 150)),
    ("purple", (90, 30, 190)),
    ("lilac", (195, 165, 225)),
    ("dark brown", (80, 50, 30)),
    ("brown", (140, 88, 50)),
    ("brown", (130, 95, 80)),
    ("light brown", (190, 145, 100)),
    ("beige", (235, 214, 180)),
)


class Spot(NamedTuple):
    """A number on the drawing. `x`, `y`: its middle in pixels; `height`: of its digits in mm.

    `tip`: a place in its region, where it stands outside, to be joined by a line.
    """

    region: int
    number: int
    x: float
    y: float
    height: float
    tip: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Numbering:
    """Which region gets which colour, and where that is written.

    `palette`: colours 1..N, those of most area first, paper-white last. `number`: (R + 1,) of each region,
    0 where there is no such region. `spots`: the numbers that are written. `white`: the palette's number
    that is not written as the paper has it already, or 0.
    """

    palette: Colours
    number: NDArray[np.int64]
    spots: tuple[Spot, ...]
    white: int


def number_regions(
    labels: Labels, picture: NDArray[np.uint8], scale: float, config: NumbersConfig, font: Path | None = None
) -> Numbering:
    """Choose the palette of a picture's regions and where each region's number stands.

    `labels`: (H, W), 0 on lines, 1..R in regions. `picture`: (H, W, 3). `scale`: mm a pixel when printed.
    The same input gives the same numbers. Raises InputError where shapes differ or there is no region.
    """
    with needed_for("painting by numbers", "pages", ConfigError):
        import scipy.ndimage  # noqa: F401

    _check(labels, picture)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    if not areas.any():
        raise InputError(
            "the drawing has no region to colour: all of it is lines; take one whose lines enclose areas"
        )
    colours = region_colours(labels, picture)  # (R + 1, 3)
    there = np.flatnonzero(areas).tolist()
    palette = choose_palette(colours[there], areas[there], config.colours)
    chosen = np.full(len(areas), -1)
    chosen[there] = _nearest(to_lab(colours[there]), to_lab(palette))
    blank = np.array([not config.number_white and is_white(colour) for colour in palette])

    placer = _Placer(labels, scale, config, font)
    own = {}  # the circle of each region that is wide enough to be coloured
    for region in sorted(there, key=lambda region: (-areas[region], region)):
        circle = placer.largest_circle(region)
        if 2 * circle.radius * scale >= config.narrowest:
            own[region] = circle
    numbered = {region for region in own if blank[chosen[region]]}
    # Which digits a colour gets is known only when it is known which areas get one; until then the widest.
    widest = "0" * len(str(len(palette)))
    small = []
    for region, circle in own.items():
        if region in numbered:
            continue
        if placer.place_within(region, circle, widest):
            numbered.add(region)
        else:
            small.append(region)
    for region in small:
        if placer.place_beside(region, own[region], widest):
            numbered.add(region)
    _take_over(chosen, numbered, labels, areas)

    painted = np.bincount(chosen[there], weights=areas[there], minlength=len(palette))
    used = [index for index in range(len(palette)) if painted[index]]
    used.sort(key=lambda index: (blank[index], -painted[index], index))
    new = np.zeros(len(palette) + 1, np.int64)  # its last is for regions that are not there
    new[used] = np.arange(1, len(used) + 1)
    number = new[chosen]
    spots = tuple(spot._replace(number=int(number[spot.region])) for spot in placer.spots)
    return Numbering(palette[used], number, spots, len(used) if blank[used[-1]] else 0)


def region_colours(labels: Labels, picture: NDArray[np.uint8]) -> Colours:
    """The median colour (R + 1, 3) of each region, 0 of those that are not there."""
    count = int(labels.max()) + 1
    sizes = np.bincount(labels.ravel(), minlength=count)
    found = np.zeros((count, 3), np.uint8)
    for channel in range(3):
        codes = labels.ravel() * np.int64(256) + picture[..., channel].ravel()
        so_far = np.bincount(codes, minlength=256 * count).reshape(count, 256).cumsum(1)
        # The one in the middle, or the mean of both.
        lower, upper = ((so_far < middle[:, None]).sum(1) for middle in ((sizes + 1) // 2, sizes // 2 + 1))
        found[:, channel] = np.where(sizes > 0, np.round((lower + upper) / 2), 0)
    found[0] = 0
    return found


def choose_palette(colours: Colours, weights: NDArray[Any], count: int) -> Colours:
    """At most `count` of the `colours` (M, 3), by weighted k-means in CIELAB.

    It begins with the heaviest colour and goes on with those that are far from all before, so that a small
    but bright area keeps its colour. Each mean is then replaced by the colour that is nearest to it.
    """
    lab, weights = to_lab(colours), weights.astype(np.float64)
    means = lab[[int(weights.argmax())]]
    while len(means) < count:
        far = _distances(lab, means).min(1)
        if far.max() < APART:
            break
        means = np.concatenate([means, lab[[int((far * np.where(far < APART, 0, weights**0.25)).argmax())]]])
    for _ in range(100):
        nearest = _nearest(lab, means)
        moved = np.array(
            [
                np.average(lab[nearest == index], axis=0, weights=weights[nearest == index])
                if (nearest == index).any()
                else mean
                for index, mean in enumerate(means)
            ]
        )
        if np.allclose(moved, means):
            break
        means = moved
    return np.unique(colours[_distances(lab, means).argmin(0)], axis=0)


def is_white(colour: Sequence[int] | Colours) -> bool:
    """Whether a colour (3,) is that of paper."""
    light, *chroma = to_lab(np.asarray(colour, np.uint8)[None])[0]
    return bool(light > PAPER_LIGHT and np.hypot(*chroma) < PAPER_CHROMA)


def name_colours(palette: Colours) -> list[str]:
    """What colours (N, 3) are called, by the nearest of COLOUR_NAMES.

    Of two with the same name the farther one takes another, if one is nearly as near.
    """
    far = _distances(to_lab(palette), to_lab(np.array([shade for _, shade in COLOUR_NAMES], np.uint8)))
    names = [""] * len(palette)
    for index in np.argsort(far.min(1), kind="stable").tolist():
        near = [
            COLOUR_NAMES[place][0]
            for place in np.argsort(far[index])
            if far[index, place] < far[index].min() + SAME
        ]
        names[index] = next((name for name in near if name not in names), near[0])
    return names


def make_number_sheets(
    drawing: LineDrawing,
    labels: Labels,
    picture: NDArray[np.uint8],
    paper: PaperConfig,
    config: NumbersConfig,
) -> tuple[Sheet, Sheet]:
    """The sheet to paint, and its solution in colour, both with the palette as a legend.

    `labels`: (H, W) regions over the whole of the drawing, 0 on lines. `picture`: (H, W, 3). There is one
    drawing to a sheet: `on_page` and `original` count for nothing. `trim` takes off white around the lines,
    never colours. Raises as `number_regions` and `furnish`.
    """
    _check(labels, picture)
    if paper.trim:
        drawing, labels, picture = _trim(drawing, labels, picture)
    frame = frame_of(drawing, trim=False)
    colours = np.unique(region_colours(labels, picture)[np.unique(labels[labels > 0])], axis=0)
    plan = _plan(frame, min(len(colours), config.colours), paper, config)
    lines, whole = place_drawing(drawing, frame, plan.drawing, paper.line_width)
    scale = whole.width / labels.shape[1]  # mm a pixel
    printed = drawing.render(labels.shape[1], paper.line_width / scale).resize(labels.shape[::-1])
    # Numbers keep off the lines as wide as they are printed.
    free = np.where(np.asarray(printed) > 127, labels, 0)
    if not free.any():
        raise InputError(
            f"lines of {paper.line_width:g} mm leave no region to colour; make line_width smaller"
        )
    found = number_regions(free, picture, scale, config, paper.font)

    across = np.array((whole.width / labels.shape[1], whole.height / labels.shape[0]))
    numbers = [ink for spot in found.spots for ink in _put_number(spot, whole, across, paper.font)]
    legend, swatches = _put_legend(found, plan.legend, paper.font, config)
    paint = np.concatenate([np.full((1, 3), 255, np.uint8), found.palette])[
        found.number[spread_regions(free)]
    ]
    solution = Picture(Image.fromarray(paint), whole)
    edge = np.concatenate([paint[0], paint[-1], paint[:, 0], paint[:, -1]])
    border = () if (edge == edge[0]).all() and is_white(edge[0]) else (Ink(whole.path(), RULE),)
    ink = (*plan.furniture, *border, lines, *legend)
    return Sheet(plan.size, (*ink, *numbers), swatches), Sheet(plan.size, ink, (solution, *swatches))


def _check(labels: Labels, picture: NDArray[np.uint8]) -> None:
    if labels.ndim != 2 or picture.shape != (*labels.shape, 3):
        raise InputError(
            f"regions have shape {labels.shape}, not (H, W), or their picture {picture.shape}, not (H, W, 3)"
        )


def _trim(
    drawing: LineDrawing, labels: Labels, picture: NDArray[np.uint8]
) -> tuple[LineDrawing, Labels, NDArray[np.uint8]]:
    """All three without what is beyond the lines and a border of CLOSE, if there is only white there."""
    tight, unit = frame_of(drawing, trim=True), drawing.size[0] / labels.shape[1]  # units a pixel
    height, width = labels.shape
    border = CLOSE * max(tight.width, tight.height)
    left, top = (max(0, math.floor((start - border) / unit)) for start in tight[:2])
    right = min(width, math.ceil((tight.right + border) / unit))
    bottom = min(height, math.ceil((tight.bottom + border) / unit))
    outside = np.ones(labels.shape, bool)
    outside[top:bottom, left:right] = False
    colours = region_colours(labels, picture)[np.unique(labels[outside & (labels > 0)])]
    if not all(map(is_white, colours)):
        return drawing, labels, picture
    shift = np.array((left, top)) * unit
    curves = tuple((curve - shift).astype(np.float32) for curve in drawing.curves)
    part = np.s_[top:bottom, left:right]
    return LineDrawing(((right - left) * unit, (bottom - top) * unit), curves), labels[part], picture[part]


class _Circle(NamedTuple):
    x: float  # of its middle, in pixels
    y: float
    radius: float  # in pixels


class _Placer:
    """Finds places for numbers, and remembers those that are taken."""

    def __init__(self, labels: Labels, scale: float, config: NumbersConfig, font: Path | None) -> None:
        from scipy import ndimage

        self.labels, self.scale, self.config, self.font = labels, scale, config, font
        self.parts = ndimage.find_objects(labels)
        self.spots: list[Spot] = []
        # How far each pixel (H, W) is from the next number or line to one; only exact where that is near.
        self._free = np.full(labels.shape, np.inf, np.float32)
        self._beside = (config.least_number * half_diagonal("00", font) + CLEAR) / scale
        self._room: Floats | None = None

    def largest_circle(self, region: int) -> _Circle:
        """The largest circle that lies within a region, or one nearly as large that is more central."""
        from scipy import ndimage

        rows, columns = self.parts[region - 1]
        mask = np.pad(self.labels[rows, columns] == region, 1)
        far = ndimage.distance_transform_edt(mask)  # to the middle of the nearest pixel outside
        radius = np.maximum(far - CORNER, 0)
        middle = np.argwhere(mask).mean(0)
        places = np.argwhere(radius >= CENTRAL * radius.max()) if radius.any() else np.argwhere(mask)
        row, column = places[((places - middle) ** 2).sum(1).argmin()]
        y, x = rows.start + row - 0.5, columns.start + column - 0.5  # the padding is off, half a pixel on
        return _Circle(float(x), float(y), float(radius[row, column]))

    def place_within(self, region: int, circle: _Circle, digits: str) -> bool:
        """Write a number in its region's circle if its digits are large enough there."""
        height = (circle.radius * self.scale - CLEAR) / half_diagonal(digits, self.font)
        if height < self.config.least_number:
            return False
        self._write(Spot(region, 0, circle.x, circle.y, min(height, self.config.most_number)), digits)
        return True

    def place_beside(self, region: int, circle: _Circle, digits: str) -> bool:
        """Write a number in the nearest free place, off all lines and numbers, with a line to its region."""
        height = self.config.least_number
        radius = (height * half_diagonal(digits, self.font) + CLEAR) / self.scale
        for x, y in self._free_places(circle, radius):
            line = _between((circle.x, circle.y), (x, y))
            columns, rows = line.astype(np.int64).T
            if (self._free[rows, columns] > CORNER).all():
                self._write(Spot(region, 0, x, y, height, (circle.x, circle.y)), digits)
                self._take(line, DOT / self.scale)
                return True
        return False

    def _free_places(self, circle: _Circle, radius: float) -> Iterator[tuple[float, float]]:
        """Middles of circles of this radius within one region each, nearest to another circle first."""
        reach = math.ceil(REACH / self.scale)
        top, left = max(0, int(circle.y) - reach), max(0, int(circle.x) - reach)
        window = self._clear()[top : int(circle.y) + reach + 1, left : int(circle.x) + reach + 1]
        step = max(1, round(0.4 / self.scale))  # mm
        free = self._free[top : top + len(window), left : left + window.shape[1]]
        room = np.minimum(window - CORNER, free)[::step, ::step]
        rows, columns = np.nonzero(room >= radius)
        x, y = left + columns * step + 0.5, top + rows * step + 0.5
        far = np.hypot(x - circle.x, y - circle.y)
        order = np.argsort(far, kind="stable")
        for index in order[far[order] <= reach][:TRIES]:
            yield float(x[index]), float(y[index])

    def _clear(self) -> Floats:
        """How far each pixel (H, W) is from the next that is a line's, at a border or outside."""
        from scipy import ndimage

        if self._room is None:
            padded = np.pad(self.labels, 1)
            inner = padded[1:-1, 1:-1]
            same = inner > 0
            for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
                same &= neighbour == inner
            self._room = ndimage.distance_transform_edt(np.pad(same, 1))[1:-1, 1:-1]
        return self._room

    def _write(self, spot: Spot, digits: str) -> None:
        radius = (spot.height * half_diagonal(digits, self.font) + CLEAR) / self.scale
        self.spots.append(spot)
        self._take(np.array([(spot.x, spot.y)]), radius)

    def _take(self, points: Floats, radius: float) -> None:
        """Keep other numbers off what is at most `radius` from points (P, 2) that lie close together."""
        from scipy import ndimage

        reach = math.ceil(radius + self._beside) + 1
        (left, top), (right, bottom) = points.min(0).astype(int) - reach, points.max(0).astype(int) + reach
        rows, columns = slice(max(0, top), bottom + 1), slice(max(0, left), right + 1)
        free = self._free[rows, columns]
        away = np.ones(free.shape, bool)
        x, y = points.astype(np.int64).T
        away[y - rows.start, x - columns.start] = False
        np.minimum(free, ndimage.distance_transform_edt(away) - radius, out=free)


def _between(start: tuple[float, float], end: tuple[float, float]) -> Floats:
    """Points (P, 2) on the straight way between two places, at most one pixel apart."""
    way = np.subtract(end, start)
    return np.add(start, way * np.linspace(0, 1, max(2, math.ceil(math.hypot(*way)) + 1))[:, None])


def number_box(number: int | str, font: Path | None = None) -> Size:
    """Width and height of a number whose digits are 1 high."""
    left, _, right, _ = letter(str(number), font).box
    return (right - left) / _digit_height(font), 1.0


@cache
def half_diagonal(digits: str, font: Path | None) -> float:
    """From the middle to the corner of a number with so many digits, 1 high, whichever they are."""
    width = max(number_box(digit * len(digits), font)[0] for digit in "0123456789")
    return math.hypot(width, 1) / 2


@cache
def _digit_height(font: Path | None) -> float:
    _, top, _, bottom = letter("0123456789", font).box
    return bottom - top


def _take_over(
    chosen: NDArray[np.int64], numbered: set[int], labels: Labels, areas: NDArray[np.int64]
) -> None:
    """Give each region without a number the colour of the one beyond its longest border, in place.

    Of neighbours only those count that have a number or took one over; regions that no such one can be
    reached from keep their own colour.
    """
    waiting = [int(region) for region in np.argsort(areas, kind="stable") if areas[region]]
    waiting = [region for region in waiting if region not in numbered]
    if not waiting:
        return
    borders = _borders(spread_regions(labels))
    settled = set(numbered)
    while True:
        done = []
        for region in waiting:
            beyond = {other: length for other, length in borders.get(region, {}).items() if other in settled}
            if beyond:
                chosen[region] = chosen[max(beyond, key=lambda other: (beyond[other], -other))]
                done.append(region)
        if not done:
            return
        settled.update(done)
        waiting = [region for region in waiting if region not in settled]


def _borders(labels: Labels) -> dict[int, dict[int, int]]:
    """For each region its neighbours, and in pixels how long the border to each is."""
    sides = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
    pairs = np.concatenate([np.stack([a[a != b], b[a != b]], 1) for a, b in sides]).astype(np.int64)
    count = int(labels.max()) + 1
    codes, lengths = np.unique(np.sort(pairs, 1) @ np.array([count, 1]), return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for code, length in zip(codes.tolist(), lengths.tolist(), strict=True):
        one, other = divmod(code, count)
        found.setdefault(one, {})[other] = length
        found.setdefault(other, {})[one] = length
    return found


class _Plan(NamedTuple):
    size: Size
    furniture: tuple[Ink, ...]
    drawing: Box
    legend: Box


def _plan(frame: Box, count: int, paper: PaperConfig, config: NumbersConfig) -> _Plan:
    """Where drawing and legend lie: the legend below or at the right, so that the drawing is largest."""
    plans = []
    wide = _entry_width(config, paper.font)
    for size in page_sizes(paper):
        furniture, box = furnish(size, paper)
        below = ROW * math.ceil(count / max(1, int(box.width / wide)))
        beside = wide * math.ceil(count / max(1, int(box.height / ROW)))
        cells = [
            (box._replace(height=box.height - below - GAP), Box(box.x, box.bottom - below, box.width, below)),
            (
                box._replace(width=box.width - beside - GAP),
                Box(box.right - beside, box.y, beside, box.height),
            ),
        ]
        plans += [
            _Plan(size, furniture, fit((frame.width, frame.height), cell, paper.line_width / 2), legend)
            for cell, legend in cells
            if min(cell.width, cell.height) > 0
        ]
    if not plans:
        raise ConfigError(
            f"a palette of {count} colours leaves no room on {paper.paper} for the drawing; take fewer "
            "--colours, or a larger --paper"
        )
    return max(plans, key=lambda plan: round(plan.drawing.area, 3))


def _entry_width(config: NumbersConfig, font: Path | None) -> float:
    names = max(measure(name, font) for name, _ in COLOUR_NAMES) * WORDS if config.colour_names else 0.0
    return 2 * WORDS + SWATCH.width + names + GAP


def _put_legend(
    found: Numbering, box: Box, font: Path | None, config: NumbersConfig
) -> tuple[list[Ink], tuple[Picture, ...]]:
    """Numbers, patches and names of colours, row by row; the white that is not written has no number here."""
    ink, swatches = [], []
    wide = _entry_width(config, font)
    columns = max(1, int(box.width / wide + 1e-6))
    for index, (colour, name) in enumerate(zip(found.palette, name_colours(found.palette), strict=True)):
        x, y = box.x + index % columns * wide, box.y + index // columns * ROW
        swatch = SWATCH._replace(x=x + 1.5 * WORDS, y=y + (ROW - SWATCH.height) / 2)
        swatches.append(Picture(Image.new("RGB", (1, 1), tuple(map(int, colour))), swatch))
        line = swatch.y + (SWATCH.height + _digit_height(font) * WORDS) / 2
        ink.append(Ink(swatch.path(), RULE))
        if index + 1 != found.white:
            ink.append(put_text(str(index + 1), swatch.x - WORDS / 4, line, WORDS, font, align=1))
        if config.colour_names:
            ink.append(put_text(name, swatch.right + WORDS / 3, line, WORDS, font))
    return ink, tuple(swatches)


def _put_number(spot: Spot, whole: Box, across: Floats, font: Path | None) -> Iterator[Ink]:
    """A number in the middle of its spot, and the line to its region if it is not in it."""
    middle = (whole.x, whole.y) + across * (spot.x, spot.y)
    text = str(spot.number)
    size = spot.height / _digit_height(font)
    lettering = letter(text, font)
    left, top, right, bottom = lettering.box
    x, y = middle - (size * (left + right) / 2, size * (top + bottom) / 2)
    yield Ink(lettering.path(float(x), float(y), size))
    if spot.tip is not None:
        tip = (whole.x, whole.y) + across * spot.tip
        way = tip - middle
        start = middle + way * (spot.height * half_diagonal(text, font) / np.hypot(*way))
        yield Ink(f"M{start[0]:.3f} {start[1]:.3f}L{tip[0]:.3f} {tip[1]:.3f}", LINE)
        yield Ink(f"M{tip[0]:.3f} {tip[1]:.3f}h0", 2 * DOT)  # a line without length is a dot with round ends


def _distances(one: Floats, other: Floats) -> Floats:
    distances: Floats = np.linalg.norm(one[:, None] - other[None], axis=2)  # (M, N)
    return distances


def _nearest(lab: Floats, palette: Floats) -> NDArray[np.int64]:
    nearest: NDArray[np.int64] = _distances(lab, palette).argmin(1)
    return nearest
