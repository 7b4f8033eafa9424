"""Views: how near the subjects are, and through what the picture is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from unprompt.pocket.dice import Dice
from unprompt.pocket.textures import Mask, clipped, clouds, grain, on_circle, rgb, rows_and_columns

Painter = Callable[[Image.Image, Dice], Image.Image]


@dataclass(frozen=True)
class View:
    """The subjects' scale in thousandths, and what happens to the finished picture.

    `framed`: a border or an opening that nothing may be cut off from. `mirrored`: the scene is drawn into
    half of the picture, and stands beside its mirror image.
    """

    scale: int = 1000
    paint: Painter | None = None
    framed: bool = False
    mirrored: bool = False

    @property
    def moves(self) -> bool:
        """Whether subjects do not stay where a picture without this view has them in its size."""
        return self.paint is not None or self.mirrored


def masked(inside: Callable[[int], Mask], colour: str) -> Painter:
    """Everything outside a shape in one colour."""

    def paint(image: Image.Image, dice: Dice) -> Image.Image:
        pixels = np.asarray(image).copy()
        pixels[~inside(image.width)] = rgb(colour)
        return Image.fromarray(pixels)

    return paint


def _disc(side: int, x: int, y: int, radius: int) -> Mask:
    """The pixels of a disc; x, y and radius in thousandths of the side."""
    row, column = (axis.astype(np.int64) * 1000 for axis in rows_and_columns(side, side))
    return (row - y * side) ** 2 + (column - x * side) ** 2 < (radius * side) ** 2


def _keyhole(side: int) -> Mask:
    row, column = (axis.astype(np.int64) * 1000 // side for axis in rows_and_columns(side, side))
    return _disc(side, 500, 380, 270) | ((row > 500) & (row < 940) & (abs(column - 500) * 5 < row))


def _binoculars(side: int) -> Mask:
    return _disc(side, 300, 500, 290) | _disc(side, 700, 500, 290)


def _porthole(image: Image.Image, dice: Dice) -> Image.Image:
    side = image.width
    framed = masked(lambda side: _disc(side, 500, 500, 470), "#485058")(image, dice)
    pixels = np.asarray(framed).copy()
    pixels[_disc(side, 500, 500, 470) & ~_disc(side, 500, 500, 390)] = rgb("#c89848")
    for number in range(12):
        x, y = on_circle(number, 12, 430)
        pixels[_disc(side, 500 + x, 500 + y, 18)] = rgb("#684818")
    return Image.fromarray(pixels)


def _window(image: Image.Image, dice: Dice) -> Image.Image:
    """A window's white frame and cross."""
    side = image.width
    pixels = np.asarray(image).copy()
    edge, bar = side // 12, max(1, side // 28)
    middle = side // 2
    frame = np.ones((side, side), bool)
    frame[edge : middle - bar, edge : middle - bar] = frame[edge : middle - bar, middle + bar : -edge] = False
    frame[middle + bar : -edge, edge : middle - bar] = frame[middle + bar : -edge, middle + bar : -edge] = (
        False
    )
    pixels[frame] = rgb("#f0ece4")
    shade = np.zeros_like(frame)
    shade[1:, 1:] = frame[:-1, :-1] & ~frame[1:, 1:]
    pixels[shade] = rgb("#786c60")
    return Image.fromarray(pixels)


def _out_of_focus(image: Image.Image, dice: Dice) -> Image.Image:
    soft = ImageFilter.BoxBlur(max(1, image.width // 36))
    return image.filter(soft).filter(soft)


def _motion(image: Image.Image, dice: Dice) -> Image.Image:
    return image.filter(ImageFilter.BoxBlur((max(2, image.width // 16), 0)))


def _tilted(image: Image.Image, dice: Dice) -> Image.Image:
    """Turned by atan(7 / 24) about 16 degrees, whole-number arithmetic, enlarged to fill the frame."""
    side = image.width
    row, column = (axis.astype(np.int64) - side // 2 for axis in rows_and_columns(side, side))
    sign = dice.pick((-1, 1))
    y = np.clip((24 * row + sign * 7 * column) * 3 // 100 + side // 2, 0, side - 1)
    x = np.clip((24 * column - sign * 7 * row) * 3 // 100 + side // 2, 0, side - 1)
    return Image.fromarray(np.asarray(image)[y, x])


def _kaleidoscope(image: Image.Image, dice: Dice) -> Image.Image:
    """The whole picture at half its size, mirrored to the right, and both of them downwards."""
    side = image.width
    small = image.resize((side // 2, side // 2), Image.Resampling.BOX)
    quarter = np.asarray(small)
    half = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    whole = np.concatenate([half, half[::-1]], axis=0)
    odd = side - len(whole)
    return Image.fromarray(np.pad(whole, ((0, odd), (0, odd), (0, 0)), mode="edge"))


def _fisheye(image: Image.Image, dice: Dice) -> Image.Image:
    side = image.width
    row, column = (axis.astype(np.int64) * 2 - side for axis in rows_and_columns(side, side))
    squared = (row * row + column * column) * 1000 // (side * side)
    y = np.clip((row * (520 + squared * 48 // 100) // 1000 + side) // 2, 0, side - 1)
    x = np.clip((column * (520 + squared * 48 // 100) // 1000 + side) // 2, 0, side - 1)
    pixels = np.asarray(image)[y, x].copy()
    pixels[squared > 990] = 8
    return Image.fromarray(pixels)


def _rained_glass(image: Image.Image, dice: Dice) -> Image.Image:
    """Seen through wet or frosted glass: pixels from random neighbours."""
    side = image.width
    row, column = rows_and_columns(side, side)
    reach = max(2, side // 24)
    y = np.clip(row + clouds(side, side, max(2, side // 24), dice) * reach // 110, 0, side - 1)
    x = np.clip(column + clouds(side, side, max(2, side // 24), dice) * reach // 110, 0, side - 1)
    return Image.fromarray(clipped(np.asarray(image)[y, x].astype(np.int16) + 14))


def _letterbox(image: Image.Image, dice: Dice) -> Image.Image:
    pixels = np.asarray(image).copy()
    bar = image.width // 7
    pixels[:bar] = pixels[-bar:] = 0
    return Image.fromarray(pixels)


def _triptych(image: Image.Image, dice: Dice) -> Image.Image:
    """Cut into three panels on a white wall."""
    side = image.width
    pixels = np.asarray(image).copy()
    gap = max(2, side // 20)
    for x in (side // 3, side * 2 // 3):
        pixels[:, x - gap // 2 : x + gap // 2] = 244
    pixels[:gap] = pixels[-gap:] = 244
    pixels[:, :gap] = pixels[:, -gap:] = 244
    return Image.fromarray(pixels)


def _scratched(image: Image.Image, dice: Dice) -> Image.Image:
    """A crosshair as of a gun sight or a camera's finder."""
    side = image.width
    pixels = np.asarray(image).copy()
    ring = _disc(side, 500, 500, 380) & ~_disc(side, 500, 500, 360)
    ring[side // 2, side // 12 : -side // 12] = True
    ring[side // 12 : -side // 12, side // 2] = True
    pixels[ring] = (255, 32, 32)
    pixels[~_disc(side, 500, 500, 470)] //= 4
    return Image.fromarray(pixels)


def _cctv(image: Image.Image, dice: Dice) -> Image.Image:
    """Corner brackets, a red dot, scan lines, as in a camera's viewfinder."""
    side = image.width
    scanned = np.asarray(image).astype(np.int16)
    scanned[::3] -= 40
    pixels = clipped(scanned)
    arm, near, thick = side // 7, side // 14, max(1, side // 64)
    bright = np.zeros((side, side), bool)
    bright[near : near + thick, near : near + arm] = bright[near : near + arm, near : near + thick] = True
    bright |= bright[::-1]
    bright |= bright[:, ::-1]
    pixels[bright] = 255
    pixels[_disc(side, 150, 150, 30)] = (255, 20, 20)
    return Image.fromarray(pixels)


def _grainy(image: Image.Image, dice: Dice) -> Image.Image:
    noise = grain(image.height, image.width, dice)[..., None] // 2
    return Image.fromarray(clipped(np.asarray(image).astype(np.int16) + noise))


def _views() -> dict[str, View]:
    table: dict[str, View] = {}

    def add(
        words: str,
        scale: int = 1000,
        paint: Painter | None = None,
        framed: bool = False,
        mirrored: bool = False,
    ) -> None:
        table.update(dict.fromkeys(words.split("|"), View(scale, paint, framed, mirrored)))

    add("a close-up of|close-up|macro shot", 1750)
    add("a wide shot of|wide shot|seen from far away", 480)
    add("dutch angle|tilted camera", 1000, _tilted)
    add("a blurry picture of|out of focus", 1000, _out_of_focus)
    add("motion blur|long exposure", 1000, _motion)
    add("perfectly symmetrical|mirrored", mirrored=True)
    add("kaleidoscope", 1000, _kaleidoscope, framed=True)
    add("fisheye lens", 1000, _fisheye, framed=True)
    add("seen through a keyhole", 1000, masked(_keyhole, "#141010"), framed=True)
    add("seen through binoculars", 1000, masked(_binoculars, "#08080c"), framed=True)
    add("seen through a porthole", 1000, _porthole, framed=True)
    add("seen through a window|view from the window", 1000, _window, framed=True)
    add("seen through frosted glass", 1000, _rained_glass)
    add("cinematic widescreen|film still", 1000, _letterbox, framed=True)
    add("a triptych of|triptych", 1000, _triptych, framed=True)
    add("in the crosshairs|sniper scope", 1000, _scratched, framed=True)
    add("security camera footage of|camcorder footage", 1000, _cctv, framed=True)
    add("grainy|high film grain", 1000, _grainy)
    add("round vignette|tondo", 1000, masked(lambda side: _disc(side, 500, 500, 480), "#f0ece0"), framed=True)
    return table


VIEWS: Mapping[str, View] = _views()
