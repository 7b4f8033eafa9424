"""Styles: the phrases that say how a picture is made, and what really makes it so.

A style takes the finished picture (RGB), the mask of its subjects and a seed, and gives the picture anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from unprompt.pocket.dice import Dice
from unprompt.pocket.textures import (
    Bytes,
    Short,
    cell_borders,
    cell_means,
    cells,
    clipped,
    clouds,
    grain,
    grey,
    ramp,
    ramp_of,
    rgb,
    rows_and_columns,
    vignette,
)


@dataclass(frozen=True)
class Canvas:
    """A finished picture (RGB) and where its subjects are (L)."""

    image: Image.Image
    figure: Image.Image

    @property
    def side(self) -> int:
        return self.image.width

    @property
    def pixels(self) -> Bytes:
        """(side, side, 3) uint8."""
        return np.asarray(self.image)


Painter = Callable[[Canvas, Dice], "Image.Image | Bytes"]


@dataclass(frozen=True)
class Style:
    """`lines`: drawings come from their line layer. `colour`: hues can be told apart.

    `framed`: it has a border or parts that belong to the whole picture, so that nothing of it may be cut off.
    """

    paint: Painter
    lines: bool = False
    colour: bool = True
    framed: bool = False


def _edges(canvas: Canvas, strength: int = 2) -> Short:
    """How much brightness changes at each pixel, 0 ... 255 and more: (side, side) int16."""
    value = grey(canvas.pixels).astype(np.int16)
    change = np.zeros_like(value)
    change[:, :-1] += abs(value[:, 1:] - value[:, :-1])
    change[:-1] += abs(value[1:] - value[:-1])
    return change * strength


def _mapped(*colours: str) -> Painter:
    """Brightness to a ramp of colours."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (1, 1)))
        return np.take(ramp_of(colours), value, axis=0)

    return paint


def _smoothed(canvas: Canvas) -> Image.Image:
    """The picture without its grain."""
    return canvas.image.filter(ImageFilter.BoxBlur(max(1, canvas.side // 200)))


def _posterised(levels: int) -> list[int]:
    return [(value * levels // 256) * 255 // (levels - 1) for value in range(256)] * 3


def _thickened(canvas: Canvas) -> Image.Image:
    """A grey picture of dark lines on white: edges, as wide as they should be at this size."""
    lines = Image.fromarray(255 - clipped(_edges(canvas, 3) - 30))
    return lines.filter(ImageFilter.MinFilter(3)) if canvas.side >= 256 else lines


def _pencil(canvas: Canvas, dice: Dice) -> Bytes:
    """Colour dodge of the grey picture by its blurred negative, with hatching in the dark, on paper."""
    side = canvas.side
    value = canvas.image.convert("L")
    soft = ImageFilter.BoxBlur(max(1, side // 60))
    veil = np.asarray(value.filter(soft).filter(soft), np.int32)
    bright = np.asarray(value, np.int32)
    drawn = np.minimum(255, bright * 256 // np.maximum(veil, 24))
    row, column = rows_and_columns(side, side)
    hatch = ((row + column) * 128 // side % 4 < 2) * np.maximum(0, 150 - bright) // 2
    page = clipped(drawn * 245 // 255 - hatch + grain(side, side, dice) // 14)
    return np.repeat(page[..., None], 3, axis=2)


def _charcoal(canvas: Canvas, dice: Dice) -> Bytes:
    """Soft black strokes: broad edges, dark surfaces rubbed in with the paper's grain showing."""
    side = canvas.side
    value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (2, 2))).astype(np.int32)
    tooth = grain(side, side, dice) * np.maximum(0, 230 - value) // 330
    page = 110 + value * 130 // 256 + tooth - clipped(_edges(canvas, 3) - 30)
    smooth = Image.fromarray(clipped(page)).filter(ImageFilter.BoxBlur(max(1, side // 200)))
    return np.repeat(np.asarray(smooth)[..., None], 3, axis=2)


def _ink(canvas: Canvas, dice: Dice) -> Image.Image:
    """Black lines, flat white; what is left of shades goes."""
    page = canvas.image.convert("L").point([0 if value < 90 else 255 for value in range(256)])
    return ImageChops.darker(
        page, _thickened(canvas).point([0 if v < 170 else 255 for v in range(256)])
    ).convert("RGB")


def _line_art(canvas: Canvas, dice: Dice) -> Image.Image:
    """The line layer as it is, over a backdrop of which only outlines remain."""
    lines = canvas.image.convert("L").point([0 if value < 70 else 255 for value in range(256)])
    around = _thickened(canvas).point([90 if v < 120 else 255 for v in range(256)])
    page = Image.composite(lines, around, canvas.figure)
    return page.convert("RGB")


def _watercolour(canvas: Canvas, dice: Dice) -> Bytes:
    """Washes: colours run, pale towards the paper, darker at their rims, and pigment settles."""
    side = canvas.side
    smooth = canvas.image.filter(ImageFilter.MedianFilter(3))
    if side >= 256:
        smooth = smooth.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(5))
    row, column = rows_and_columns(side, side)
    run = clouds(side, side, max(3, side // 24), dice) * side // 9000
    wet = np.asarray(smooth)[np.clip(row + run, 0, side - 1), np.clip(column + run, 0, side - 1)].astype(
        np.int16
    )
    pigment = clouds(side, side, max(3, side // 10), dice) // 4 + grain(side, side, dice) // 16
    rim = clipped(_edges(Canvas(smooth, canvas.figure), 1)) // 5
    wash = 255 - (255 - wet) * 3 // 4 + pigment[..., None] - rim[..., None]
    margin = np.minimum(np.minimum(row, side - 1 - row), np.minimum(column, side - 1 - column))
    bare = (margin + clouds(side, side, max(3, side // 12), dice) * side // 3000 < side // 20)[..., None]
    return clipped(np.where(bare, 250, wash))


def _oil(canvas: Canvas, dice: Dice) -> Bytes:
    """Thick strokes: every stroke takes one colour and has a light and a dark side."""
    side = canvas.side
    row, column = rows_and_columns(side, side)
    length = max(3, side // 34)
    drift = clouds(side, side, max(4, side // 6), dice)
    turn = drift > 0
    along = np.where(turn, row + column, row - column) // 2
    across = np.where(turn, row - column, row + column) // max(2, length // 3)
    jitter = (across * 37 + along // length * 11) % length
    y = np.clip(row - (along + jitter) % length // 2 + length // 4, 0, side - 1)
    x = np.clip(column - np.where(turn, 1, -1) * ((along + jitter) % length // 2) + length // 4, 0, side - 1)
    ridge = ((along + jitter) % length * 30 // length - 15) + grain(side, side, dice) // 20
    rich = np.asarray(
        canvas.image.point(
            [
                value + (value - 128) // 5
                if 0 <= value + (value - 128) // 5 <= 255
                else (0 if value < 128 else 255)
                for value in range(256)
            ]
            * 3
        )
    )
    return clipped(rich[y, x].astype(np.int16) + ridge[..., None])


def _blocks(count: int, colours: int) -> Painter:
    """`count` blocks a side, `colours` colours."""

    def paint(canvas: Canvas, dice: Dice) -> Image.Image:
        small = canvas.image.resize((count, count), Image.Resampling.BOX)
        return small.quantize(colours).convert("RGB").resize(canvas.image.size, Image.Resampling.NEAREST)

    return paint


def _handheld(canvas: Canvas, dice: Dice) -> Image.Image:
    """Four greens, as the first pocket consoles had."""
    small = ImageOps.autocontrast(canvas.image.convert("L").resize((40, 40), Image.Resampling.BOX), (2, 2))
    greens = np.array([rgb(c) for c in ("#0f380f", "#306230", "#8bac0f", "#9bbc0f")], np.uint8)
    image = Image.fromarray(greens[np.asarray(small) // 64])
    return image.resize(canvas.image.size, Image.Resampling.NEAREST)


def _tiles(canvas: Canvas, dice: Dice) -> Bytes:
    """Square stones with grout, each a little off in colour."""
    side = canvas.side
    count = 24
    small = canvas.image.resize((count, count), Image.Resampling.BOX)
    stones = np.asarray(small).astype(np.int16) + (grain(count, count, dice) // 6)[..., None]
    index = np.arange(side) * count // side
    picture = clipped(stones)[index[:, None], index[None, :]]
    seam = np.zeros(side, bool)
    seam[1:] = index[1:] != index[:-1]
    grout = np.array((96, 88, 80), np.uint8)
    picture[seam] = picture[seam] // 2 + grout // 2
    picture[:, seam] = picture[:, seam] // 2 + grout // 2
    return picture


def _stained_glass(canvas: Canvas, dice: Dice) -> Bytes:
    """Panes of one bright colour each, set in lead."""
    side = canvas.side
    middle = grey(canvas.pixels)[..., None].astype(np.int16)
    rich = clipped(middle + (canvas.pixels.astype(np.int16) - middle) * 7 // 4 + 16)
    labels, borders = cells(side, 15), cell_borders(side, 15)
    if dice.chance(50):
        labels, borders = labels[:, ::-1], borders[:, ::-1]
    glass = clipped(
        cell_means(rich, labels).astype(np.int16) * vignette(side, side) // 240
        + clouds(side, side, side // 6, dice)[..., None] // 8
    )
    lead = borders | (clipped(_edges(canvas, 1)) > 105)
    wide = (
        np.asarray(Image.fromarray(lead.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(3))) > 0
        if side >= 256
        else lead
    )
    glass[wide] = (14, 14, 18)
    return glass


def _hatched(angle: tuple[int, int], ink: str, paper: str, levels: int = 1) -> Painter:
    """Lines whose width follows the darkness: woodcuts, engravings."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (2, 2))).astype(np.int16)
        row, column = rows_and_columns(side, side)
        wobble = clouds(side, side, max(4, side // 8), dice) * side // 6000
        period = 256 * side // 30
        lines = (
            abs(((row * angle[0] + column * angle[1] + wobble * 3) * 256 // 3) % period - period // 2)
            * 510
            // period
        )
        dark = value < lines
        if levels > 1:
            other = (
                abs(((row * angle[1] - column * angle[0] + wobble * 3) * 256 // 3) % period - period // 2)
                * 510
                // period
            )
            dark &= (value < other) | (value < 120)
        dark |= (clipped(_edges(canvas, 2)) > 130) | (value < 40)
        page = np.empty((side, side, 3), np.uint8)
        page[:] = rgb(paper)
        page[dark] = rgb(ink)
        return page

    return paint


def _blueprint(canvas: Canvas, dice: Dice) -> Bytes:
    """White outlines on blue paper with a grid."""
    side = canvas.side
    row, column = rows_and_columns(side, side)
    unit = max(4, side // 16)
    page = np.empty((side, side, 3), np.int16)
    page[:] = rgb("#1c4c9c")
    page += (clouds(side, side, side // 5, dice) // 12)[..., None]
    page[(row % unit == 0) | (column % unit == 0)] += 22
    bright = 255 - np.asarray(_thickened(canvas)).astype(np.int16)
    return clipped(page + bright[..., None] + (grain(side, side, dice) // 24)[..., None])


def _drawn_on(ground: str) -> Painter:
    """Coloured chalk lines on a dark ground."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        lines = np.asarray(canvas.image.filter(ImageFilter.MaxFilter(3))).astype(np.int16)
        strength = (
            clipped(_edges(canvas, 2)).astype(np.int16) + canvas.pixels.max(axis=2).astype(np.int16) // 7
        )
        dusty = strength + grain(side, side, dice) // 2 * (strength > 20)
        board = np.empty((side, side, 3), np.int32)
        board[:] = rgb(ground)
        board += (clouds(side, side, side // 4, dice) // 10)[..., None]
        pale = (lines + 255 * 2) // 3
        return clipped(board + (pale - board) * np.clip(dusty, 0, 255)[..., None] // 256)

    return paint


def _neon(canvas: Canvas, dice: Dice) -> Bytes:
    """Glowing tubes along the outlines, on black."""
    side = canvas.side
    colours = canvas.pixels.astype(np.int16)
    vivid = clipped((colours - colours.min(axis=2, keepdims=True)) * 3 + 60)
    tubes = clipped(_edges(canvas, 3) - 70)
    light = Image.fromarray((vivid.astype(np.uint16) * tubes[..., None] // 255).astype(np.uint8))
    soft = ImageFilter.BoxBlur(max(1, side // 42))
    halo = light.filter(soft).filter(soft).point([min(255, value * 3) for value in range(256)] * 3)
    return np.asarray(
        ImageChops.add(
            ImageChops.add(halo, light.filter(ImageFilter.MaxFilter(3))),
            Image.new("RGB", (side, side), (10, 4, 22)),
        )
    )


def _dots(count: int, colour: bool, paper: str = "#fbf7ea") -> Painter:
    """A raster of dots, larger where it is darker: newsprint in grey, comics in colour."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        row, column = rows_and_columns(side, side)
        unit = max(4, side // count)
        y, x = row % unit * 2 - unit + 1, (column + row // unit % 2 * (unit // 2)) % unit * 2 - unit + 1
        threshold = np.clip((y * y + x * x) * 200 // (unit * unit), 0, 255)
        page = np.empty((side, side, 3), np.uint8)
        page[:] = rgb(paper)
        if not colour:
            page[255 - grey(canvas.pixels).astype(np.int16) > threshold] = (26, 24, 26)
            return page
        flat = np.asarray(canvas.image.point(_posterised(4)))
        page = np.minimum(
            page, np.where((255 - flat.astype(np.int16)) * 13 // 10 > threshold[..., None], flat, 255)
        ).astype(np.uint8)
        page[clipped(_edges(canvas, 2)) > 120] = (14, 12, 18)
        return page

    return paint


def _pop_art(canvas: Canvas, dice: Dice) -> Bytes:
    """Four copies, each in loud colours of its own."""
    half = canvas.side // 2
    small = np.asarray(
        ImageOps.autocontrast(canvas.image.convert("L").resize((half, half), Image.Resampling.BOX), (2, 2))
    )
    levels = small // 52 * 52
    ramps = [
        ("#180830", "#e01880", "#f8e020", "#fff8d0"), ("#0c2048", "#1890d0", "#f87838", "#fff0b0"),
        ("#300c08", "#e82020", "#30d0c0", "#f0fff0"), ("#082818", "#20a040", "#f060c0", "#fff0f8"),
    ]  # fmt: skip
    start = dice.below(4)
    parts = [ramp_of(ramps[(start + number) % 4])[levels] for number in range(4)]
    page = np.concatenate([np.concatenate(parts[:2], axis=1), np.concatenate(parts[2:], axis=1)], axis=0)
    odd = canvas.side - 2 * half
    return np.pad(page, ((0, odd), (0, odd), (0, 0)), mode="edge")


def _night_vision(canvas: Canvas, dice: Dice) -> Bytes:
    side = canvas.side
    value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (1, 1))).astype(np.int16)
    value = (value + grain(side, side, dice) // 4) * vignette(side, side)[..., 0] // 256
    value[:: max(2, side // 64)] -= 26
    return ramp_of(("#000800", "#0c6018", "#40e848", "#e0ffd0"))[clipped(value)]


def _sepia(canvas: Canvas, dice: Dice) -> Bytes:
    """Brown tones, dust, scratches, and a faded rim."""
    side = canvas.side
    tone = _mapped("#20120a", "#7a5230", "#cfa878", "#f4e4c4")(canvas, dice)
    aged = (
        np.asarray(tone).astype(np.int16) * vignette(side, side) // 256
        + (grain(side, side, dice) // 10)[..., None]
    )
    for _ in range(3):
        aged[:, dice.below(side)] += 30
    return clipped(aged + (np.maximum(clouds(side, side, side // 4, dice) - 60, 0) // 2)[..., None])


def _photograph(canvas: Canvas, dice: Dice) -> Bytes:
    """Black and white film: contrast, grain, a darker rim."""
    side = canvas.side
    value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (2, 2))).astype(np.int16)
    value = value * vignette(side, side)[..., 0] // 250 + grain(side, side, dice) // 7
    return np.repeat(clipped(value)[..., None], 3, axis=2)


def _polaroid(canvas: Canvas, dice: Dice) -> Bytes:
    """Faded colours in a white frame, wider below."""
    side = canvas.side
    inner = canvas.image.resize((side * 84 // 100, side * 78 // 100), Image.Resampling.BOX)
    faded = np.asarray(inner).astype(np.int16) * 7 // 10 + np.array((62, 56, 40), np.int16)
    page = np.full((side, side, 3), 246, np.uint8)
    top = side * 7 // 100
    left = (side - inner.width) // 2
    page[top : top + inner.height, left : left + inner.width] = clipped(faded)
    return clipped(page.astype(np.int16) + (grain(side, side, dice) // 30)[..., None])


def _stitched(kind: str) -> Painter:
    """Threads: little crosses (cross-stitch), slanted stitches (embroidery) or V's (knitting)."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        unit = max(4, side // 32)
        count = -(-side // unit)
        small = canvas.image.resize((count, count), Image.Resampling.BOX)
        if kind != "embroidery":
            small = small.quantize(20).convert("RGB")
        index = np.arange(side) // unit
        threads = np.asarray(small)[index[:, None], index[None, :]].astype(np.int16)
        row, column = rows_and_columns(side, side)
        y, x = row % unit, column % unit
        if kind == "cross":
            shade = np.where((abs(y - x) <= unit // 4) | (abs(y + x - unit + 1) <= unit // 4), 12, -70)
        elif kind == "knit":
            shade = 26 - abs((y * 2 + abs(2 * x - unit) * 2) % (2 * unit) - unit) * 80 // unit
        else:
            threads = np.asarray(_smoothed(canvas)).astype(np.int16)
            shade = 24 - (
                (row + column * 2 + clouds(side, side, max(3, side // 10), dice) // 24)
                % max(3, unit * 3 // 4)
            ) * 60 // max(3, unit * 3 // 4)
            shade = np.where(np.asarray(canvas.figure) > 100, shade * 3 // 2, (row + column) % 2 * 12 - 6)
        return clipped(threads + shade[..., None] + (grain(side, side, dice) // 20)[..., None])

    return paint


def _poster(*palettes: tuple[str, ...]) -> Painter:
    """A few flat inks and a border."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        inks = np.array([rgb(ink) for ink in dice.pick(palettes)], np.uint8)
        value = np.asarray(ImageOps.autocontrast(_smoothed(canvas).convert("L"), (2, 2)))
        page = inks[value.astype(np.int32) * len(inks) // 256]
        rim = max(1, side // 18)
        border = np.ones((side, side), bool)
        border[rim:-rim, rim:-rim] = False
        page[border] = inks[-1]
        return clipped(page.astype(np.int16) + (grain(side, side, dice) // 16)[..., None])

    return paint


def _risograph(canvas: Canvas, dice: Dice) -> Bytes:
    """Two inks, printed a little apart, with grain."""
    side = canvas.side
    shift = max(1, side // 50)
    red = 255 - canvas.pixels[..., 1].astype(np.int16)
    blue = 255 - canvas.pixels[..., 0].astype(np.int16)
    rough = grain(side, side, dice)
    first, second = red + rough // 4 > 120, np.roll(blue, shift, (0, 1)) + rough[::-1] // 4 > 130
    page = np.empty((side, side, 3), np.int32)
    page[:] = rgb("#f6f0e0")
    page[first] = page[first] * np.array(rgb("#ff5060"), np.int32) // 256
    page[second] = page[second] * np.array(rgb("#30a0b8"), np.int32) // 256
    return clipped(page)


def _negative(canvas: Canvas, dice: Dice) -> Bytes:
    """Inverted, on orange film with holes at both sides."""
    side = canvas.side
    page = (255 - canvas.pixels.astype(np.int16)) * np.array((250, 190, 150), np.int32) // 256
    row, column = rows_and_columns(side, side)
    rail = side // 10
    edge = np.minimum(column, side - 1 - column)
    page[np.broadcast_to(edge < rail, (side, side))] = (40, 18, 8)
    unit = max(6, side // 10)
    page[(edge > rail // 4) & (edge < rail * 3 // 4) & (row % unit < unit // 2)] = (250, 240, 220)
    return clipped(page)


def _bricks(canvas: Canvas, dice: Dice) -> Bytes:
    """Toy bricks: square plates with a round stud."""
    side = canvas.side
    unit = max(6, side // 21)
    count = -(-side // unit)
    index = np.arange(side) // unit
    small = canvas.image.resize((count, count), Image.Resampling.BOX).quantize(18).convert("RGB")
    plates = np.asarray(small)[index[:, None], index[None, :]].astype(np.int16)
    row, column = rows_and_columns(side, side)
    y, x = row % unit * 2 - unit + 1, column % unit * 2 - unit + 1
    distance = (y * y + x * x) * 100 // (unit * unit)
    stud = np.where(distance < 34, 16 - (y + x) * 26 // unit, 0)
    stud = np.where((distance >= 34) & (distance < 50), -(y + x) * 30 // unit - 8, stud)
    stud = np.where((row % unit == 0) | (column % unit == 0), -44, stud)
    return clipped(plates + stud[..., None])


def _papercut(canvas: Canvas, dice: Dice) -> Bytes:
    """Layers of coloured paper, each with a soft shadow on the one below."""
    side = canvas.side
    flat = _smoothed(canvas).point(_posterised(5))
    value = np.asarray(flat.convert("L")).astype(np.int16)
    shift = max(1, side // 64)
    rise = value - np.roll(value, (shift, shift), (0, 1))
    return clipped(
        np.asarray(flat).astype(np.int16)
        + np.clip(rise, -60, 24)[..., None]
        + (grain(side, side, dice) // 16)[..., None]
    )


def _glitch(canvas: Canvas, dice: Dice) -> Bytes:
    """Bands slide sideways and the colours come apart."""
    side = canvas.side
    pixels = canvas.pixels.copy()
    for _ in range(9):
        top = dice.below(side)
        band = np.s_[top : top + max(2, side * dice.between(15, 90) // 1000)]
        pixels[band] = np.roll(pixels[band], side * dice.between(-200, 200) // 1000, axis=1)
    shift = max(2, side // 36)
    pixels[..., 0] = np.roll(pixels[..., 0], shift, axis=1)
    pixels[..., 2] = np.roll(pixels[..., 2], -shift, axis=1)
    return pixels


def _anaglyph(canvas: Canvas, dice: Dice) -> Bytes:
    """The red and the cyan picture apart, as for 3D glasses."""
    value = grey(canvas.pixels)
    shift = max(2, canvas.side // 32)
    return np.stack(
        [np.roll(value, shift, axis=1), np.roll(value, -shift, axis=1), np.roll(value, -shift, axis=1)],
        axis=2,
    )


def _screen(canvas: Canvas, dice: Dice) -> Bytes:
    """A tube's red, green and blue stripes, dark lines between the rows."""
    side = canvas.side
    column = np.arange(side) // max(1, side // 128) % 3
    bands = np.full((side, 3), 170, np.int32)
    bands[np.arange(side), column] = 320
    page = canvas.pixels * bands[None] // 256
    unit = max(3, side // 43)
    page[np.arange(side) % unit == 0] = page[np.arange(side) % unit == 0] // 2
    return clipped(page)


def _lamps(canvas: Canvas, dice: Dice) -> Bytes:
    """A board of round lamps on black."""
    side = canvas.side
    unit = max(4, side // 32)
    count = -(-side // unit)
    index = np.arange(side) // unit
    small = np.asarray(canvas.image.resize((count, count), Image.Resampling.BOX)).astype(np.int16)
    lamps = clipped(small * 5 // 4)[index[:, None], index[None, :]]
    row, column = rows_and_columns(side, side)
    y, x = row % unit * 2 - unit + 1, column % unit * 2 - unit + 1
    lamps[y * y + x * x > unit * unit * 3 // 4] = (8, 8, 12)
    return lamps


def _points(canvas: Canvas, dice: Dice) -> Bytes:
    """Dots of pure colour, each off its place's own."""
    side = canvas.side
    flipped = np.s_[:: dice.pick((-1, 1)), :: dice.pick((-1, 1))]
    labels = cells(side, 34)[flipped]
    means = cell_means(canvas.pixels, labels).astype(np.int16)
    shift = np.asarray(_hue_shifts())[labels % 16]
    page = means + shift
    page[cell_borders(side, 34)[flipped]] += 22
    return clipped(page)


@cache
def _hue_shifts() -> tuple[tuple[int, int, int], ...]:
    levels = (-38, 0, 40)
    return tuple((levels[n % 3], levels[n * 2 % 3], levels[(n // 3) % 3]) for n in range(16))


def _silhouette(canvas: Canvas, dice: Dice) -> Image.Image:
    """Black subjects before a warm glow, as in a shadow play."""
    side = canvas.side
    glow = ramp_of(("#381008", "#d87020", "#ffd878"))[
        clipped((vignette(side, side)[..., 0] - 150) * 256 // 100)
    ]
    screen = canvas.image.convert("L").filter(ImageFilter.BoxBlur(side // 100))
    page = ImageChops.multiply(
        Image.fromarray(glow), screen.point([120 + value * 135 // 255 for value in range(256)]).convert("RGB")
    )
    page.paste((12, 8, 8), (0, 0), canvas.figure)
    return page


def _sticker(canvas: Canvas, dice: Dice) -> Image.Image:
    """Subjects with a thick white rim, on a pale and soft ground."""
    side = canvas.side
    rim = canvas.figure.filter(ImageFilter.BoxBlur(max(2, side // 50))).point(
        [min(255, value * 12) for value in range(256)]
    )
    soft = canvas.image.filter(ImageFilter.BoxBlur(side // 80))
    page = Image.composite(
        Image.new("RGB", (side, side), dice.pick(((214, 234, 244), (250, 234, 206)))),
        soft,
        Image.new("L", (side, side), 150),
    )
    shadow = rim.filter(ImageFilter.BoxBlur(side // 64)).point([value * 100 // 255 for value in range(256)])
    page.paste((30, 30, 40), (side // 80, side // 60), shadow)
    page.paste((252, 252, 252), (0, 0), rim)
    page.paste(canvas.image, (0, 0), canvas.figure)
    return page


def _woven(canvas: Canvas, dice: Dice) -> Bytes:
    """Tapestry: muted wool, over and under."""
    side = canvas.side
    unit = max(3, side // 64)
    row, column = rows_and_columns(side, side)
    small = canvas.image.resize((side // unit, side // unit), Image.Resampling.BOX).resize(
        (side, side), Image.Resampling.NEAREST
    )
    wool = np.asarray(small).astype(np.int16)
    middle = grey(np.asarray(small))[..., None].astype(np.int16)
    muted = (wool * 2 + middle) // 3 * np.array((250, 226, 190), np.int32) // 256
    over = (row // unit + column // unit) % 2 == 0
    fibre = np.where(over, row % unit, column % unit) * 44 // unit - 22
    return clipped(muted + fibre[..., None] + (grain(side, side, dice) // 14)[..., None])


def _fresco(canvas: Canvas, dice: Dice) -> Bytes:
    """Pale plaster with cracks and places where it has come off."""
    side = canvas.side
    pale = canvas.pixels.astype(np.int16) * 6 // 10 + np.array((82, 74, 60), np.int16)
    field = clouds(side, side, side // 6, dice)
    pale[abs(field) < 4] -= 70
    lost = clouds(side, side, side // 9, dice) > 62
    pale[lost] = (206, 192, 168)
    return clipped(pale + (grain(side, side, dice) // 8)[..., None])


def _infrared(canvas: Canvas, dice: Dice) -> Bytes:
    """Greens turn to pink, blues go dark."""
    red, green, blue = (canvas.pixels[..., band].astype(np.int16) for band in range(3))
    return clipped(np.stack([green * 3 // 2, red * 2 // 3 + 10, blue // 2 + red // 3], axis=2))


def _vaporwave(canvas: Canvas, dice: Dice) -> Bytes:
    """Magenta and cyan tones and a sun grid below."""
    side = canvas.side
    tone = np.asarray(_mapped("#200848", "#8020a8", "#ff60c8", "#70f0ff", "#f8ffff")(canvas, dice)).copy()
    ground = np.asarray(canvas.figure) < 60
    row, column = rows_and_columns(side, side)
    depth = np.maximum(1, row - side * 6 // 10)
    lines = ((column - side // 2) * side // depth % (side // 3) < side // 24) | (
        side * side // depth % (side // 2) < side // 14
    )
    tone[lines & ground & (row > side * 6 // 10 + side // 30)] = (255, 90, 230)
    return tone


def _low_poly(canvas: Canvas, dice: Dice) -> Bytes:
    """Triangles of one colour each."""
    side = canvas.side
    unit = max(6, side // 14)
    row, column = rows_and_columns(side, side)
    shift = row // unit % 2 * (unit // 2)
    square = row // unit * 64 + (column + shift) // unit
    upper = (row % unit + (column + shift) % unit) < unit
    labels = (square * 2 + upper).astype(np.int32)
    means = cell_means(canvas.pixels, labels).astype(np.int16)
    return clipped(means + np.where(upper, 12, -10)[..., None])


def _relief(*colours: str) -> Painter:
    """Cut in stone or stamped in metal: lit edges."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        soft = canvas.image.convert("L").filter(ImageFilter.BoxBlur(max(1, side // 128)))
        value = np.asarray(soft).astype(np.int16)
        step = max(1, side // 100)
        height = np.asarray(canvas.figure.filter(ImageFilter.BoxBlur(max(1, side // 50)))).astype(np.int16)
        slope = (value - np.roll(value, (step, step), (0, 1))) + (
            height - np.roll(height, (step, step), (0, 1))
        )
        level = (
            120
            + slope
            + height // 10
            + clouds(side, side, max(3, side // 8), dice) // 9
            + grain(side, side, dice) // 20
        )
        return ramp_of(colours)[clipped(level)]

    return paint


def _hologram(canvas: Canvas, dice: Dice) -> Bytes:
    """A cyan apparition of scan lines in the dark."""
    side = canvas.side
    value = (
        np.where(np.asarray(canvas.figure) > 60, grey(canvas.pixels).astype(np.int16) + 40, 0)
        + clipped(_edges(canvas, 1)) // 2
    )
    unit = max(2, side // 48)
    value[np.arange(side) // max(1, unit // 2) % 2 == 0] //= 3
    halo = np.asarray(canvas.figure.filter(ImageFilter.BoxBlur(side // 16))).astype(np.int16) // 5
    return ramp_of(("#00040c", "#0858a0", "#30d8f8", "#e8ffff"))[
        clipped(value + halo + grain(side, side, dice) // 24)
    ]


def _ukiyo_e(canvas: Canvas, dice: Dice) -> Bytes:
    """Flat muted inks on fibrous paper, dark outlines, a graded top."""
    side = canvas.side
    flat = np.asarray(_smoothed(canvas).point(_posterised(4))).astype(np.int16)
    middle = grey(flat.astype(np.uint8))[..., None].astype(np.int16)
    ink = (flat + middle) // 2 * np.array((246, 230, 196), np.int32) // 256 + 14
    shade = ramp("#284878", "#f0e0bc", side // 3)[:, None].astype(np.int16)
    ink[: side // 3] = (ink[: side // 3] * 3 + shade) // 4
    ink[clipped(_edges(canvas, 2)) > 100] = (30, 34, 52)
    return clipped(ink + (clouds(side, side, max(3, side // 30), dice) // 14)[..., None])


def _comic(canvas: Canvas, dice: Dice) -> Bytes:
    """Flat bright colours, thick black outlines, and a white gutter."""
    side = canvas.side
    flat = np.asarray(_smoothed(canvas).point(_posterised(5))).astype(np.int16)
    middle = grey(flat.astype(np.uint8))[..., None].astype(np.int16)
    page = clipped(middle + (flat - middle) * 8 // 5)
    page[np.asarray(_thickened(canvas)) < 60] = (8, 8, 12)
    rim, line = max(2, side // 20), max(1, side // 64)
    border = np.ones((side, side), bool)
    border[rim:-rim, rim:-rim] = False
    inner = border.copy()
    border[rim - line : side - rim + line, rim - line : side - rim + line] = False
    page[inner] = (8, 8, 12)
    page[border] = (250, 250, 246)
    return page


def _ascii(canvas: Canvas, dice: Dice) -> Bytes:
    """Signs on a dark screen: a denser sign for a brighter cell."""
    side = canvas.side
    unit = max(5, side // 42)
    count = -(-side // unit)
    value = np.asarray(
        ImageOps.autocontrast(canvas.image.convert("L"), (2, 2)).resize((count, count), Image.Resampling.BOX)
    )
    index = np.arange(side) // unit
    level = (value // 43)[index[:, None], index[None, :]]
    row, column = rows_and_columns(side, side)
    y, x = row % unit * 5 // unit, column % unit * 5 // unit
    signs = np.array([[int(bit) for bit in sign] for sign in _SIGNS], np.uint8)
    lit = signs[level, y * 5 + x] > 0
    page = np.zeros((side, side, 3), np.uint8)
    page[:] = rgb("#041008")
    page[lit] = rgb("#60f080")
    return page


_SIGNS = (
    "0000000000000000000000000",
    "0000000000001000000000000",
    "0000000000011100000000000",
    "0000000100011100010000000",
    "0101011111010101111101010",
    "1111110101101111000101110",
)


def _aged(colours: tuple[str, ...], rough: int) -> Painter:
    """A ramp with blotches, for plates and prints of one tone."""

    def paint(canvas: Canvas, dice: Dice) -> Bytes:
        side = canvas.side
        value = np.asarray(ImageOps.autocontrast(canvas.image.convert("L"), (1, 1))).astype(np.int16)
        value = (
            value * vignette(side, side)[..., 0] // 256 + clouds(side, side, max(3, side // 7), dice) // rough
        )
        return ramp_of(colours)[clipped(value + grain(side, side, dice) // 16)]

    return paint


def _crayon(canvas: Canvas, dice: Dice) -> Bytes:
    """Slanted wax strokes in full colours with white paper between."""
    side = canvas.side
    row, column = rows_and_columns(side, side)
    unit = max(3, side // 40)
    stroke = (row * 2 + column + clouds(side, side, max(3, side // 12), dice) // 10) % unit * 4 < unit
    rough = (clouds(side, side, max(2, side // 60), dice) > 30) | stroke
    flat = _smoothed(canvas)
    colours = np.asarray(flat).astype(np.int16)
    middle = grey(np.asarray(flat))[..., None].astype(np.int16)
    wax = middle + (colours - middle) * 3 // 2 + 12
    paper = np.where(rough[..., None], (wax + 255) // 2, wax)
    paper[clipped(_edges(canvas, 1)) > 110] -= 50
    return clipped(paper)


def _graffiti(canvas: Canvas, dice: Dice) -> Bytes:
    """Sprayed on bricks: loud colours, drips, the wall shows through."""
    side = canvas.side
    row, column = rows_and_columns(side, side)
    unit = max(6, side // 12)
    colours = canvas.pixels.astype(np.int16)
    middle = grey(canvas.pixels)[..., None].astype(np.int16)
    spray = middle + (colours - middle) * 2 + 10
    run = (
        (clouds(1, side, max(2, side // 40), dice) > 50)
        * clouds(1, side, max(2, side // 20), dice)
        * side
        // 1500
    )
    source = np.clip(row - np.maximum(0, run), 0, side - 1)
    spray = np.where(
        (np.asarray(canvas.figure) < 60)[..., None],
        spray,
        spray[source, np.broadcast_to(column, source.shape)],
    )
    half = unit // 2
    joint = (row % half == 0) | ((column + row // half % 2 * half) % unit == 0)
    spray[joint] = spray[joint] // 2 + 50
    return clipped(spray + (grain(side, side, dice) // 6)[..., None])


def _bokeh(canvas: Canvas, dice: Dice) -> Image.Image:
    """A photograph with a shallow depth: subjects sharp, the backdrop soft with discs of light."""
    side = canvas.side
    soft = ImageFilter.BoxBlur(max(2, side // 20))
    back = canvas.image.filter(soft)
    row, column = (axis.astype(np.int64) for axis in rows_and_columns(side, side))
    light = np.zeros((side, side), np.int16)
    for _ in range(9):
        y, x, radius = dice.below(side), dice.below(side), side * dice.between(40, 90) // 1000
        light[(row - y) ** 2 + (column - x) ** 2 < radius * radius] += 34
    back = Image.fromarray(
        clipped(np.asarray(back).astype(np.int16) + light[..., None] * np.array((8, 7, 5), np.int16) // 8)
    )
    back.paste(canvas.image, (0, 0), canvas.figure)
    return back


def _styles() -> dict[str, Style]:
    table: dict[str, Style] = {}

    def add(
        words: str, paint: Painter, lines: bool = False, colour: bool = True, framed: bool = False
    ) -> None:
        table.update(dict.fromkeys(words.split("|"), Style(paint, lines, colour, framed)))

    add("a pencil sketch of|pencil sketch|graphite drawing", _pencil, colour=False)
    add("a charcoal drawing of|charcoal drawing", _charcoal, colour=False)
    add("an ink drawing of|pen and ink", _ink, colour=False)
    add("line art of|line art|coloring book page", _line_art, lines=True, colour=False)
    add("a watercolor of|watercolor|loose watercolor wash", _watercolour, framed=True)
    add("an oil painting of|oil on canvas|impressionist painting", _oil)
    add("pixel art of|pixel art|16-bit sprite", _blocks(32, 24))
    add("Game Boy screenshot|retro handheld game", _handheld, colour=False)
    add("a roman mosaic of|mosaic|made of ceramic tiles", _tiles)
    add("a stained glass window of|stained glass|cathedral window", _stained_glass)
    add("a woodcut of|woodcut|linocut print", _hatched((3, 0), "#141210", "#f4ecd8"), colour=False)
    add(
        "an engraving of|copperplate engraving|banknote engraving",
        _hatched((2, 2), "#1c2c24", "#e8ecd8", 2),
        colour=False,
    )
    add("a blueprint of|blueprint|technical schematic", _blueprint, colour=False)
    add("a chalk drawing of|chalk on a blackboard", _drawn_on("#1f3a2f"))
    add("a neon sign of|neon sign|glowing neon tubes", _neon)
    add("newspaper print|halftone print", _dots(34, False), colour=False)
    add("a comic strip of|comic book panel", _comic, framed=True)
    add("Lichtenstein dots|ben-day dots", _dots(26, True))
    add("pop art|in the style of Andy Warhol", _pop_art, colour=False, framed=True)
    add("night vision footage of|night vision", _night_vision, colour=False)
    add(
        "thermal camera image of|thermal imaging|heat map",
        _mapped("#000020", "#5000a0", "#e02040", "#ffb000", "#ffffc0"),
        colour=False,
    )
    add(
        "an x-ray of|x-ray scan|radiograph", _mapped("#f0faff", "#88b0c8", "#1c3448", "#020810"), colour=False
    )
    add("a sepia photograph of|sepia photograph|victorian photograph", _sepia, colour=False)
    add("a black and white photo of|black and white|monochrome film", _photograph, colour=False)
    add("a polaroid of|polaroid|faded snapshot", _polaroid, framed=True)
    add("an embroidery of|embroidery|embroidered patch", _stitched("embroidery"))
    add("cross-stitch|needlepoint", _stitched("cross"))
    add("a knitted sweater with a pattern of|knitted|knitwear", _stitched("knit"))
    add(
        "a propaganda poster of|soviet propaganda poster|vintage travel poster",
        _poster(
            ("#28180c", "#c02818", "#f0e0b8"),
            ("#102840", "#d87838", "#f4e8c8"),
            ("#301020", "#c83848", "#f0b048", "#f8ecd0"),
        ),
        colour=False,
        framed=True,
    )
    add("risograph print|screen print", _risograph)
    add("film negative|photo negative", _negative, framed=True)
    add("made of lego|lego bricks|toy brick diorama", _bricks)
    add("paper cutout|layered papercraft", _papercut)
    add("glitch art|datamosh|corrupted video", _glitch)
    add("anaglyph 3D|red and cyan 3D", _anaglyph, colour=False)
    add("CRT television screen|VHS screenshot", _screen)
    add("LED billboard|dot matrix display", _lamps)
    add("pointillism|in the style of Seurat", _points)
    add("a silhouette of|silhouette|shadow puppet theater", _silhouette, colour=False)
    add("a sticker of|die-cut sticker", _sticker)
    add("a tapestry of|medieval tapestry|woven wool", _woven)
    add("a fresco of|crumbling fresco|renaissance mural", _fresco)
    add("infrared photography|aerochrome film", _infrared)
    add("vaporwave|synthwave album cover", _vaporwave, colour=False)
    add("low poly|3D polygon render", _low_poly)
    add(
        "a marble relief of|bas-relief|carved in stone",
        _relief("#28241c", "#b0a898", "#f4f0e8"),
        colour=False,
    )
    add("gold coin design|embossed gold", _relief("#281400", "#b07810", "#f8d048", "#fffce0"), colour=False)
    add("a hologram of|hologram|sci-fi projection", _hologram, colour=False)
    add("ukiyo-e|japanese woodblock print|in the style of Hokusai", _ukiyo_e)
    add("ASCII art|green terminal text", _ascii, colour=False)
    add("cyanotype|sun print", _aged(("#04183c", "#205898", "#a8c8e0", "#f4faff"), 8), colour=False)
    add("daguerreotype|tintype", _aged(("#08080c", "#585c60", "#b8b8b0", "#d8d4c8"), 3), colour=False)
    add(
        "duotone|purple and orange duotone", _mapped("#38106c", "#c83878", "#ff9838", "#fff0c0"), colour=False
    )
    add("a child's crayon drawing of|crayon drawing|colored pencils", _crayon)
    add("graffiti of|graffiti|spray paint street art", _graffiti)
    add("a bokeh photograph of|bokeh|shallow depth of field", _bokeh)
    return table


STYLES: Mapping[str, Style] = _styles()


def styled(style: Style, canvas: Canvas, dice: Dice) -> Image.Image:
    """The picture in a style: RGB of the same size."""
    made = style.paint(canvas, dice)
    return made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))
