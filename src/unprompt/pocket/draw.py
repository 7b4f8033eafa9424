"""A scene and a seed -> a picture. What the prompt leaves open is decided by the seed, in whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np
from PIL import Image, ImageFilter

from unprompt.pocket.adjectives import ADJECTIVES
from unprompt.pocket.dice import Dice
from unprompt.pocket.drawings import drawing
from unprompt.pocket.layout import Block, Box, Piece, arranged, box, moved, scaled, single
from unprompt.pocket.lights import LIGHTS, Light
from unprompt.pocket.places import ANYWHERE, PLACES, backdrop
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.scene import AMOUNTS, Scene, Thing
from unprompt.pocket.styles import STYLES, Canvas, Style, styled
from unprompt.pocket.textures import clipped, faint, grain, on_circle, rows_and_columns, vignette
from unprompt.pocket.views import VIEWS, View
from unprompt.pocket.window import Window

ORDINARY = 560  # thousandths of the picture that an ordinary single thing's longer side takes
WIDEST, TALLEST = 920, 800  # thousandths of the picture that subjects may take
GROUND = 900  # thousandths from the top where subjects stand


class Surroundings(Protocol):
    """What is around subjects, of a scene or of something like one: phrases, or "" for none."""

    @property
    def place(self) -> str: ...

    @property
    def light(self) -> str: ...

    @property
    def view(self) -> str: ...

    @property
    def style(self) -> str: ...


@dataclass(frozen=True)
class Stage:
    """A scene before its subjects are painted: what is behind them, and where they will stand.

    `image`: RGB, which painting changes. `width`: the picture's; its window has half of it in a view that is
    mirrored. `pieces`: in the image's pixels. `dice`: as far as they were thrown.
    """

    image: Image.Image
    width: int
    window: Window
    pieces: Block
    style: Style | None
    light: Light
    view: View
    light_left: bool
    dice: Dice

    @property
    def lines(self) -> bool:
        """Whether drawings come from their line layer."""
        return self.style.lines if self.style else False


def draw_scene(scene: Scene, seed: int, size: int = 128, height: int | None = None) -> Image.Image:
    """Draw a scene: RGB, `size` x `size`, or `size` pixels wide and `height` high.

    The same scene, seed and size give the same pixels anywhere.
    """
    return paint_stage(set_stage(scene, seed, size, height))


def set_stage(scene: Scene, seed: int, size: int, height: int | None = None) -> Stage:
    """Draw what is behind a scene's subjects, and place them. Does not depend on how the scene is styled."""

    def placed(window: Window, scale: int, dice: Dice) -> Block:
        return placed_in(subjects(scene, dice), scale, window, dice)

    return open_stage(scene, placed, seed, size, height)


def open_stage(
    around: Surroundings,
    place_subjects: Callable[[Window, int, Dice], Block],
    seed: int,
    size: int,
    height: int | None = None,
) -> Stage:
    """Draw what is behind subjects that are placed by a function.

    `place_subjects`: of the window, the view's scale in thousandths and the dice; gives pieces in pixels of
    the square drawing that the window is a part of.
    """
    dice = Dice(seed)
    style = STYLES[around.style] if around.style else None
    light = LIGHTS[around.light] if around.light else Light()
    view = VIEWS[around.view] if around.view else View()
    window = Window((size + 1) // 2 if view.mirrored else size, height or size)
    lines = style.lines if style else False
    light_left = dice.chance(50)

    place = PLACES[around.place] if around.place else dice.pick(ANYWHERE)
    image = backdrop(place, window, lines, light_left, dice)
    if light.back:
        image = light.back(image, lines, window, dice)
    pieces = place_subjects(window, view.scale, dice)
    return Stage(image, size, window, pieces, style, light, view, light_left, dice)


def paint_stage(stage: Stage) -> Image.Image:
    """Paint the subjects into their stage, and finish the picture. A stage can be painted once."""
    image, window, dice, style, view = stage.image, stage.window, stage.dice, stage.style, stage.view
    figure = Image.new("L", image.size)
    _add_subjects(image, figure, stage)
    if stage.light.front:
        image = stage.light.front(image, stage.lines, window, dice)
    framed = view.framed or (style is not None and style.framed)
    if framed:
        image, figure = window.stretched(image), window.stretched(figure)
    image = styled(style, Canvas(image, figure), dice) if style else _finished(image, dice)
    if view.paint:
        image = view.paint(image, dice)
    picture = window.squeezed(image) if framed else window.cut(image)
    return _beside_itself(picture, stage.width) if view.mirrored else picture


def _beside_itself(picture: Image.Image, width: int) -> Image.Image:
    """A picture and its mirror image, which share the middle column where `width` is odd."""
    whole = Image.new("RGB", (width, picture.height))
    whole.paste(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (width - picture.width, 0))
    whole.paste(picture)
    return whole


def subjects(scene: Scene, dice: Dice) -> Block:
    """The scene's things as pieces in the plane, related from the left: (first, second), third."""
    blocks = [_drawn(thing, number, dice) for number, thing in enumerate(scene.things)]
    group = blocks[0]
    for relation, block in zip(scene.relations, blocks[1:], strict=True):
        group = RELATIONS[relation].layout(group, block, dice)
    return group


def _drawn(thing: Thing, number: int, dice: Dice) -> Block:
    amount = AMOUNTS[thing.amount]
    count = dice.between(amount.least, amount.most)
    return arranged(
        [single(thing.entry.drawing, thing.adjectives, number, dice) for _ in range(count)],
        amount.layout,
        dice,
    )


def placed_in(block: Block, scale: int, window: Window, dice: Dice) -> Block:
    """The block in pixels of a drawing: scaled to fit its window, on the ground, a little off the middle."""
    around = _grounded(block)
    unit = ORDINARY * scale * dice.between(93, 107) // 100_000
    wide, tall = (
        limit * max(scale, 1000) // 1000 * side // 1000
        for limit, side in (
            (WIDEST * 1000 // around.w, window.width),
            (TALLEST * 1000 // around.h, window.height),
        )
    )
    sized = scaled(block, min(unit * window.scale // 1000, wide, tall))
    around = _grounded(sized)
    free = max(0, window.width * WIDEST // 1000 - around.w)
    middle = window.width // 2 + dice.between(-free, free) * 3 // 8
    height = window.height
    bottom = height * (GROUND + dice.between(-40, 40)) // 1000
    bottom = max(bottom, around.h + height // 50) if around.h < height else height
    x, y = window.left + middle - around.middle, window.top + bottom - around.bottom
    return moved(sized, x, y)


def _grounded(block: Block) -> Box:
    """The block's box, down to the ground where all of it is in the air."""
    around = box(block)
    return replace(around, bottom=max(0, around.bottom))


def _add_subjects(image: Image.Image, figure: Image.Image, stage: Stage) -> None:
    """Paste the pieces with a soft shadow into the picture, and their masks into `figure`."""
    pieces, lines, light_left, dice = stage.pieces, stage.lines, stage.light_left, stage.dice
    layer = Image.new("RGBA", image.size)
    for piece in pieces:
        picture = sprite(piece, lines, light_left, dice)
        x, y = piece.x + (piece.w - picture.width) // 2, piece.y + (piece.h - picture.height) // 2
        lay(layer, picture, x, y)
    alpha = layer.getchannel("A")
    figure.paste(alpha)
    if not lines:
        _cast_shadow(image, alpha, pieces, light_left)
    if any("glowing" in piece.adjectives or "luminous" in piece.adjectives for piece in pieces):
        _cast_glow(image, alpha)
    image.paste(layer, (0, 0), alpha)


def lay(layer: Image.Image, picture: Image.Image, x: int, y: int) -> None:
    """Lay an RGBA picture over an RGBA layer at a place that may be partly outside."""
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(picture.width, layer.width - x), min(picture.height, layer.height - y)
    if left < right and top < bottom:
        layer.alpha_composite(picture, (x + left, y + top), (left, top, right, bottom))


def _cast_shadow(image: Image.Image, alpha: Image.Image, pieces: Block, light_left: bool) -> None:
    """A soft shadow away from the light, and a dark one right below what stands."""
    size = image.width
    soft = faint(alpha.filter(ImageFilter.BoxBlur(size // 40)), 90)
    shift = size // 36 if light_left else -(size // 36)
    image.paste((16, 18, 28), (shift, size // 50), soft)
    row, column = rows_and_columns(size, size)
    ground = max(piece.y + piece.h for piece in pieces)
    contact = np.zeros((size, size), np.uint8)
    for piece in pieces:
        if piece.thing < 0 or ground - piece.y - piece.h > size // 3:
            continue
        w, h = max(3, piece.w * 2 // 5), max(2, size // 40)
        y, x = min(size - 1, ground), piece.x + piece.w // 2
        part = np.s_[max(0, y - h) : y + h + 1, max(0, x - w) : max(0, x + w + 1)]
        oval = 256 - (row[part[0]] - y) ** 2 * 256 // (h * h) - (column[:, part[1]] - x) ** 2 * 256 // (w * w)
        contact[part] = np.maximum(contact[part], np.clip(oval, 0, 256) * 110 // 256)
    image.paste((12, 12, 18), (0, 0), Image.fromarray(contact))


def _cast_glow(image: Image.Image, alpha: Image.Image) -> None:
    soft = ImageFilter.BoxBlur(image.width // 12)
    image.paste(
        (255, 246, 160), (0, 0), alpha.filter(soft).point([min(255, value * 3) for value in range(256)])
    )


def sprite(piece: Piece, lines: bool, light_left: bool, dice: Dice) -> Image.Image:
    """One piece as it is pasted: RGBA in its box's size, larger where it is turned."""
    w, h = max(2, piece.w), max(2, piece.h)
    if piece.turn % 180 == 90:
        w, h = h, w
    picture = _sized(piece.drawing, w, h, lines, light_left != piece.flip)
    if piece.half_of:
        other = _sized(piece.half_of, w, h, lines, light_left != piece.flip)
        picture = picture.copy()
        picture.paste(other.crop((w // 2, 0, w, h)), (w // 2, 0))
    if piece.filled_with:
        picture = _textured(picture, piece.filled_with, lines, dice)
    if piece.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    painters = [entry.paint for word in piece.adjectives if (entry := ADJECTIVES[word]).paint]
    if painters:
        pixels = np.asarray(picture)
        for paint in painters:
            pixels = paint(pixels, dice)
        picture = Image.fromarray(np.ascontiguousarray(pixels))
    if piece.dark:
        shade = Image.new("RGBA", picture.size, (10, 10, 20, 0))
        shade.putalpha(picture.getchannel("A"))
        picture = shade
    if piece.alpha < 255:
        picture = picture.copy()
        picture.putalpha(faint(picture.getchannel("A"), piece.alpha))
    return turned(picture, piece.angle)


def _sized(name: str, w: int, h: int, lines: bool, light_left: bool) -> Image.Image:
    source = drawing(name, max(w, h), lines, light_left)
    filtered = Image.Resampling.BOX if w * 2 <= source.width else Image.Resampling.BILINEAR
    return source.resize((w, h), filtered)


def _textured(picture: Image.Image, name: str, lines: bool, dice: Dice) -> Image.Image:
    """The silhouette filled with small copies of another drawing, its dark lines kept."""
    unit = max(4, max(picture.size) // 4)
    tile = _sized(name, unit, unit, lines, True)
    cloth = Image.new("RGBA", picture.size, _commonest(name))
    for row in range(-1, picture.height // unit + 2):
        for column in range(-1, picture.width // unit + 2):
            lay(
                cloth,
                tile,
                column * unit + row % 2 * unit // 2 - dice.below(3),
                row * unit * 9 // 10 - dice.below(3),
            )
    cloth.putalpha(picture.getchannel("A"))
    inner = (
        picture.getchannel("A")
        .filter(ImageFilter.MinFilter(3))
        .point([0 if v > 200 else 255 for v in range(256)])
    )
    rim = Image.new("RGBA", picture.size, (24, 18, 14, 255))
    rim.putalpha(picture.getchannel("A"))
    return Image.composite(rim, cloth, inner)


@cache
def _commonest(name: str) -> tuple[int, int, int, int]:
    """A drawing's mean colour where it is opaque."""
    pixels = np.asarray(drawing(name, 128)).astype(np.int64)
    solid = pixels[pixels[..., 3] > 128]
    red, green, blue = (int(total) // max(1, len(solid)) for total in solid[:, :3].sum(axis=0))
    return red, green, blue, 255


def turned(picture: Image.Image, degrees: int) -> Image.Image:
    """An RGBA picture turned clockwise: exact for quarters, else by looking up whole-number coordinates."""
    degrees %= 360
    if degrees % 90 == 0:
        steps = {
            90: Image.Transpose.ROTATE_270,
            180: Image.Transpose.ROTATE_180,
            270: Image.Transpose.ROTATE_90,
        }
        return picture.transpose(steps[degrees]) if degrees else picture
    cosine, sine = on_circle(degrees, 360, 1000)
    width, height = picture.size
    wide = (abs(cosine) * width + abs(sine) * height) // 1000 + 2
    tall = (abs(sine) * width + abs(cosine) * height) // 1000 + 2
    # Twice as many samples as pixels each way, then halved: smooth edges.
    row = np.arange(2 * tall, dtype=np.int32)[:, None] - tall
    column = np.arange(2 * wide, dtype=np.int32)[None, :] - wide
    x = (column * cosine + row * sine) // 2000 + width // 2
    y = (row * cosine - column * sine) // 2000 + height // 2
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    pixels = np.asarray(picture)[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    pixels[outside] = 0
    return Image.fromarray(pixels).reduce(2)


def _finished(image: Image.Image, dice: Dice) -> Image.Image:
    """The look of a picture without a style: a little vignette and grain."""
    size = image.width
    pixels = np.asarray(image).astype(np.int32) * (vignette(size, size) + 8) >> 8
    return Image.fromarray(clipped(pixels + (grain(size, size, dice) // 40)[..., None]))
