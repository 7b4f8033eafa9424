"""Drawings on sheets of paper: one or several on each, as large as fits, with a title and a name line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.lettering import letter
from unprompt.colouring_pages.paper_config import PAPERS, PaperConfig
from unprompt.colouring_pages.sheet import INCH, Box, Ink, Picture, Sheet
from unprompt.errors import ConfigError, InputError
from unprompt.text.english import counted

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Size = tuple[float, float]

GAP = 6.0  # mm between what stands side by side
TITLE, NAME, PAGE_NUMBER = 9.0, 5.5, 4.0  # mm an em of such texts
RULE = 0.3  # mm, lines that are none of the drawing's
NAME_LENGTH = 90.0  # mm of the line for a name, at most
COVER_TITLE = 18.0  # mm an em
COVER_DRAWINGS = 12  # on a title page, at most
COVER_LINES = 0.4  # mm: small drawings need thin lines
LEAST_PAPER = 20.0  # mm that margins and texts must leave for drawings, in both directions
AS_LARGE = 1.001  # a layout later in the row must be better by more than this


def lay_out(
    drawings: Sequence[LineDrawing],
    config: PaperConfig,
    originals: Sequence[Image.Image] | None = None,
) -> Iterator[Sheet]:
    """Sheets with `config.on_page` drawings on each, in order; the last has what is left.

    `originals`: for each drawing the picture it was made of, for `config.original`. Raises InputError where
    there is none then, and ConfigError where margins and texts leave no room.
    """
    if config.original == "none":
        pictures: list[Image.Image | None] = [None] * len(drawings)
    else:
        if originals is None or len(originals) != len(drawings):
            count = 0 if originals is None else len(originals)
            raise InputError(
                f"got {counted(len(drawings), 'drawing')} and {counted(count, 'original picture')} "
                "to print beside them; every drawing needs one"
            )
        pictures = [print_small(picture, config) for picture in originals]
    pairs = list(zip(drawings, pictures, strict=True))
    for number, first in enumerate(range(0, len(pairs), config.on_page), 1):
        text = str(number) if config.page_numbers else ""
        yield _sheet(pairs[first : first + config.on_page], config, text)


def make_booklet(
    drawings: Sequence[LineDrawing],
    config: PaperConfig,
    originals: Sequence[Image.Image] | None = None,
) -> Iterator[Sheet]:
    """A title page with `config.title`, small drawings and the name line, then numbered sheets without these.

    Raises as `lay_out`.
    """
    inner = replace(config, title="", name_line=False, page_numbers=True)
    sheets = list(lay_out(drawings, inner, originals))
    upright = Counter(sheet.size for sheet in sheets).most_common(1)
    size = upright[0][0] if upright else next(page_sizes(config))
    return chain([_cover(drawings, config, size)], sheets)


def print_small(picture: Image.Image, config: PaperConfig) -> Image.Image:
    """An original, on white, in as many pixels as it is printed with."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    small = picture.convert("L" if config.original == "grey" else "RGB")
    side = round(config.original_size / INCH * config.dpi)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def page_sizes(config: PaperConfig) -> Iterator[Size]:
    """Width and height in mm of the sheets that `config` allows, upright first."""
    width, height = PAPERS[config.paper]
    if config.orientation != "landscape":
        yield width, height
    if config.orientation != "portrait":
        yield height, width


def frame_of(drawing: LineDrawing, trim: bool) -> Box:
    """The part of a drawing, in its units, that is to be seen: its lines if `trim`, else all of it.

    Lines beyond a drawing's size are always within. `trim` does nothing where lines have no extent.
    """
    whole = np.array([(0.0, 0.0), drawing.size])
    bounds = _bounds(drawing)
    if bounds is None:
        corners = whole
    elif trim and (bounds[1] > bounds[0]).any():
        corners = bounds
    else:
        corners = np.stack([np.minimum(whole[0], bounds[0]), np.maximum(whole[1], bounds[1])])
    (x, y), (width, height) = corners[0], corners[1] - corners[0]
    least = 1e-3 * max(width, height)  # a straight line has no height, but some proportion
    grown = np.maximum((width, height), least)
    x, y = (x, y) - (grown - (width, height)) / 2
    return Box(float(x), float(y), float(grown[0]), float(grown[1]))


def _bounds(drawing: LineDrawing) -> NDArray[np.float64] | None:
    """Least and largest x and y (2, 2) of all lines, exactly; None where there are none."""
    if not drawing.curves:
        return None
    segments = np.concatenate(
        [np.stack([curve[k : len(curve) - 3 + k : 3] for k in range(4)], 1) for curve in drawing.curves]
    ).astype(np.float64)  # (S, 4, 2)
    p0, p1, p2, p3 = np.moveaxis(segments, 1, 0)
    # A coordinate turns where the derivative is 0: a t^2 + b t + c.
    a, b, c = p3 - 3 * p2 + 3 * p1 - p0, 2 * (p2 - 2 * p1 + p0), p1 - p0
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - 4 * a * c)
        # The second form stays exact where a is small or 0.
        far = -(b + np.where(b < 0, -1, 1) * root) / 2
        turns = [far / a, c / far]
    found = [p0, p3]
    for turn in turns:
        t = np.clip(np.nan_to_num(turn, nan=0, posinf=1, neginf=0), 0, 1)
        s = 1 - t
        found.append(s**3 * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t**3 * p3)
    points = np.concatenate(found)
    return np.stack([points.min(0), points.max(0)])


def fit(size: Size, box: Box, rim: float = 0.0) -> Box:
    """The largest part of `box`, in its middle, with the proportion of `size` inside a rim of so many mm."""
    inner = box.inset(rim)
    scale = min(inner.width / size[0], inner.height / size[1])
    width, height = size[0] * scale + 2 * rim, size[1] * scale + 2 * rim
    return Box(box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height)


def place_drawing(drawing: LineDrawing, frame: Box, box: Box, line_width: float) -> tuple[Ink, Box]:
    """A drawing's lines with its `frame` filling `box`, and where its whole size comes to lie.

    The lines are `line_width` mm wide wherever the drawing is, and within the box with their whole width.
    """
    inner = fit((frame.width, frame.height), box.inset(line_width / 2))
    scale = inner.width / frame.width
    shift = np.array((inner.x - frame.x * scale, inner.y - frame.y * scale))
    width, height = drawing.size[0] * scale, drawing.size[1] * scale
    curves = tuple((curve * scale + shift).astype(np.float32) for curve in drawing.curves)
    placed = LineDrawing((width, height), curves)
    return Ink(placed.path(), line_width), Box(float(shift[0]), float(shift[1]), width, height)


def put_text(text: str, x: float, y: float, size: float, font: Path | None, align: float = 0.0) -> Ink:
    """A line of text that stands on height `y`. `align` of its width lies left of `x`: 0, 0.5, 1."""
    lettering = letter(text, font)
    return Ink(lettering.path(x - align * lettering.advance * size, y, size))


def furnish(
    size: Size, config: PaperConfig, number: str = "", taken: float = 0.0
) -> tuple[tuple[Ink, ...], Box]:
    """Title, name line and page number of a sheet, and the box in mm that they and the margins leave.

    `taken`: mm at the right of title and name line that something else needs. Raises ConfigError where less
    than 2 cm are left.
    """
    page = Box(0, 0, *size).inset(config.margin)
    ink, top, bottom = [], page.y, page.bottom
    if config.title:
        ink.append(_put_title(config.title, Box(page.x, top, page.width - taken, TITLE), TITLE, config.font))
        top += TITLE + GAP / 2
    if config.name_line:
        ink += _put_name_line(Box(page.x, top, page.width - taken, 2 * NAME), config)
        top += 2 * NAME + GAP / 2
    if number:
        ink.append(put_text(number, page.x + page.width / 2, bottom, PAGE_NUMBER, config.font, align=0.5))
        bottom -= PAGE_NUMBER + GAP / 2
    box = Box(page.x, top, page.width, bottom - top)
    if min(box.width, box.height) < LEAST_PAPER:
        raise ConfigError(
            f"margins of {config.margin:g} mm and texts leave {max(0.0, box.width):.0f} x "
            f"{max(0.0, box.height):.0f} mm of {config.paper} for drawings; make margin smaller"
        )
    return tuple(ink), box


def _put_title(text: str, box: Box, size: float, font: Path | None) -> Ink:
    """A text in the middle of a box, smaller where it is too long for it."""
    lettering = letter(text, font)
    left, top, right, bottom = lettering.box
    size = min(size, box.width / max(right - left, 1e-6), box.height / max(bottom - top, 1e-6))
    x = box.x + box.width / 2 - (left + right) / 2 * size
    y = box.y + box.height / 2 - (top + bottom) / 2 * size
    return Ink(lettering.path(x, y, size))


def _put_name_line(box: Box, config: PaperConfig) -> list[Ink]:
    """The word and a line to write on, left in a box."""
    word = letter(config.name_word, config.font)
    size = min(NAME, box.width / 2 / max(word.advance, 1e-6))
    y = box.bottom - size * max(0.0, word.box[3]) - RULE
    start = box.x + word.advance * size + size / 2
    end = min(box.right - RULE, start + NAME_LENGTH)
    return [Ink(word.path(box.x, y, size)), Ink(f"M{start:.3f} {y:.3f}H{end:.3f}", RULE)]


@dataclass(frozen=True)
class _Plan:
    """Where things lie on a sheet of some size: boxes of drawings and of their originals, in order."""

    size: Size
    boxes: tuple[tuple[Box, Box | None], ...]
    taken: float  # mm that an original takes of the width of title and name line

    @property
    def area(self) -> float:
        return sum(drawing.area for drawing, _ in self.boxes)


def _sheet(
    pairs: Sequence[tuple[LineDrawing, Image.Image | None]], config: PaperConfig, number: str
) -> Sheet:
    frames = [frame_of(drawing, config.trim) for drawing, _ in pairs]
    plan = _best(_plans(frames, [picture.size if picture else None for _, picture in pairs], config, number))
    ink = list(furnish(plan.size, config, number, plan.taken)[0])
    pictures = []
    for (drawing, original), frame, (box, corner) in zip(pairs, frames, plan.boxes, strict=True):
        ink.append(place_drawing(drawing, frame, box, config.line_width)[0])
        if original is not None and corner is not None:
            pictures.append(Picture(original, corner))
    return Sheet(plan.size, tuple(ink), tuple(pictures))


def _plans(
    frames: Sequence[Box], originals: Sequence[Size | None], config: PaperConfig, number: str
) -> Iterator[_Plan]:
    """Every way to hold the sheet and to cut it into as many equal cells as there are drawings, or more."""
    for size in page_sizes(config):
        _, box = furnish(size, config, number)
        above = box.y - config.margin if len(frames) == 1 else 0.0
        for cells in _grids(box, len(frames)):
            boxes = tuple(
                _fit_cell(frame, original, cell, above, config)
                for frame, original, cell in zip(frames, originals, cells, strict=False)
            )
            corner = boxes[0][1]
            yield _Plan(size, boxes, corner.width + GAP if above and corner else 0.0)


def _grids(box: Box, count: int) -> Iterator[list[Box]]:
    """Cells row by row for each number of columns."""
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        width = (box.width - (columns - 1) * GAP) / columns
        height = (box.height - (rows - 1) * GAP) / rows
        if width > 0 and height > 0:
            yield [
                Box(box.x + column * (width + GAP), box.y + row * (height + GAP), width, height)
                for row in range(rows)
                for column in range(columns)
            ]


def _fit_cell(
    frame: Box, original: Size | None, cell: Box, above: float, config: PaperConfig
) -> tuple[Box, Box | None]:
    """A drawing in a cell, and its original in the upper right corner, which may reach `above` it by mm.

    The drawing is in the cell's middle if it leaves that corner free, else below the original or left of it,
    where it is larger.
    """
    place = partial(fit, (frame.width, frame.height), rim=config.line_width / 2)
    if original is None:
        return place(cell), None
    side = min(config.original_size, max(cell.width, cell.height) / 3)
    width, height = fit(original, Box(0, 0, side, side))[2:]
    corner = Box(cell.right - width, cell.y - above, width, height)
    apart = Box(corner.x - GAP / 2, corner.y, width + GAP, height + GAP / 2)
    middle = place(cell)
    if not middle.touches(apart):
        return middle, corner
    lost = max(0.0, apart.bottom - cell.y)
    below = place(Box(cell.x, cell.y + lost, cell.width, max(0.0, cell.height - lost)))
    beside = place(Box(cell.x, cell.y, max(0.0, apart.x - cell.x), cell.height))
    return max((below, beside), key=lambda box: box.area), corner


def _best(plans: Iterator[_Plan]) -> _Plan:
    """The plan whose drawings are largest together, the first of equal ones."""
    best = next(plans)
    for plan in plans:
        if plan.area > AS_LARGE * best.area:
            best = plan
    return best


def _cover(drawings: Sequence[LineDrawing], config: PaperConfig, size: Size) -> Sheet:
    page = furnish(size, replace(config, title="", name_line=False))[1]
    ink, box = [], page.inset(GAP)
    if config.title:
        ink.append(_put_title(config.title, box._replace(height=2 * COVER_TITLE), COVER_TITLE, config.font))
        used = 2 * COVER_TITLE + GAP
        box = Box(box.x, box.y + used, box.width, box.height - used)
    if config.name_line:
        line = Box(box.x, box.bottom - 2 * NAME, box.width, 2 * NAME)
        ink += _put_name_line(line, config)
        box = box._replace(height=line.y - 2 * GAP - box.y)
    count = min(len(drawings), COVER_DRAWINGS)
    some = [drawings[round(place)] for place in np.linspace(0, len(drawings) - 1, count)]
    frames = [frame_of(drawing, trim=True) for drawing in some]
    sizes = [(frame.width, frame.height) for frame in frames]
    width = min(COVER_LINES, config.line_width)
    layouts = [
        [fit(size, cell, width / 2) for size, cell in zip(sizes, cells, strict=False)]
        for cells in _grids(box, count)
    ]
    boxes = max(layouts, key=lambda boxes: sum(found.area for found in boxes), default=[])
    for drawing, frame, found in zip(some, frames, boxes, strict=True):
        ink.append(place_drawing(drawing, frame, found, width)[0])
    return Sheet(size, tuple(ink))
