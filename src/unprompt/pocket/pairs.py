"""A pocket scene drawn twice from one seed: in its style, and as the line art that a colouring page wants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from unprompt.pocket.adjectives import ADJECTIVES
from unprompt.pocket.closing import NOTHING, close_lines, drawn, thinned
from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import lay, paint_stage, set_stage, turned
from unprompt.pocket.drawings import SMALLEST, rasterised, read_svg
from unprompt.pocket.flat import fills_and_lines
from unprompt.pocket.grammar import sample_scene
from unprompt.pocket.layout import Piece
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.scene import AMOUNTS, Scene
from unprompt.pocket.styles import STYLES
from unprompt.pocket.textures import Mask
from unprompt.pocket.views import VIEWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.pocket.textures import Bytes, Whole

FINER = 2  # pixels a side that become one: the scene is drawn larger and reduced
LINE = 56  # a page's side in widths of its lines
LEAST_LINE = 2.2  # pixels that lines have in a small piece, so that none breaks
VISIBLE = 100  # of 255, from which on a pale piece is drawn
MOST = 5  # of one thing: more are too small for lines
KEPT = 256  # closed drawings that a process keeps
TRIES = 2000

# Styles that do not leave their outlines where they were, or that show lines already.
UNLIKE = (
    "line art of", "pop art", "ASCII art", "a silhouette of", "pixel art of", "Game Boy screenshot",
    "low poly", "made of lego", "LED billboard", "glitch art", "a roman mosaic of", "a polaroid of",
    "a stained glass window of", "cross-stitch", "a knitted sweater with a pattern of", "anaglyph 3D",
)  # fmt: skip
NO_THING = 255  # stands for no thing in an image of things
UNFILLED = 0x010204  # stands for what is inside a drawing but has no fill; no drawing has it
# Adjectives that move a drawing's pixels, and lights that move the picture's.
MOVING = ("broken", "halved", "moth-eaten", "furry", "melting", "pixelated", "blurry")
MOVING_LIGHTS = ("in a heat wave", "reflected in water")


@dataclass(frozen=True, eq=False)
class FlatScene:
    """A scene in plain colours; all arrays (H, W).

    `page`: its closed line art, black on white. `fills`: 0xRRGGBB, NOTHING where paper shows; under lines it
    does not matter. `things`: which of the scene's things is seen, -1 for none.
    """

    page: Bytes
    fills: Whole
    things: NDArray[np.int16]


def draw_pair(scene: Scene, seed: int, size: int = 128) -> tuple[Image.Image, Image.Image]:
    """A scene's picture (RGB) and its line art (L, closed black lines on white), both `size` x `size`.

    Line art is of the subjects alone, without what is behind them, patterns and textures. It lies where they
    lie in the picture, if the scene keeps them there as `paired_scene` does. The same scene, seed and size
    give the same pixels.
    """
    stage = set_stage(scene, seed, size * FINER)
    lines = _lines(stage.pieces, size * FINER)
    return paint_stage(stage).reduce(FINER), lines.reduce(FINER)


def draw_flat(scene: Scene, seed: int, size: int = 256) -> FlatScene:
    """A scene as a page to colour, and what colours belong in it: see FlatScene.

    Raises LookupError for a scene whose things are not drawn plainly: halves, fillings and shadows.
    """
    stage = set_stage(scene, seed, size * FINER)
    pieces = [piece for piece in stage.pieces if piece.alpha >= VISIBLE]
    if any(piece.half_of or piece.filled_with or piece.dark for piece in pieces):
        raise LookupError("a scene of halves, fillings or shadows has no plain colours")
    side = size * FINER
    page, things = Image.new("RGBA", (side, side)), Image.new("L", (side, side), NO_THING)
    for piece in pieces:
        sprite = _flat_sprite(piece)
        x, y = piece.x + (piece.w - sprite.width) // 2, piece.y + (piece.h - sprite.height) // 2
        lay(page, sprite, x, y)
        number = NO_THING if piece.thing < 0 else piece.thing
        things.paste(number, (x, y), sprite.getchannel("A").point(lambda alpha: 255 * (alpha >= 128)))
    shown = np.asarray(page).astype(np.int32)[::FINER, ::FINER]
    fills = shown[..., 0] << 16 | shown[..., 1] << 8 | shown[..., 2]
    fills[(shown[..., 3] < 128) | (fills == UNFILLED)] = NOTHING
    lines = _lines(pieces, side).reduce(FINER)
    numbers = np.asarray(things)[::FINER, ::FINER].astype(np.int16)
    numbers[numbers == NO_THING] = -1
    return FlatScene(np.asarray(lines), fills, numbers)


def paired_scene(seed: int, drawings: Collection[str] | None = None, places: bool = True) -> Scene:
    """The scene of a seed of which a pair can be drawn: its subjects stay where they are.

    `drawings`: the only ones that its things may have, and if `places` says so, what is strewn around them;
    None: any. Raises LookupError where none is found, as with very few drawings.
    """
    dice = Dice(seed)
    for _ in range(TRIES):
        scene = sample_scene(dice.below(2**32))
        few = all(AMOUNTS[thing.amount].most <= MOST for thing in scene.things)
        if few and (drawings is None or _is_of(scene, drawings, places)):
            return _still(scene)
    raise LookupError(f"no scene of {len(drawings or ())} drawings in {TRIES}")


def _is_of(scene: Scene, drawings: Collection[str], places: bool) -> bool:
    strewn = PLACES[scene.place].drawings if scene.place and places else ()
    names = [thing.entry.drawing for thing in scene.things]
    return all(name in drawings for name in (*names, *strewn))


@cache
def still_styles() -> tuple[str, ...]:
    """The styles that leave what they show where it is, with outlines that can be seen."""
    unlike = [STYLES[name] for name in UNLIKE]
    return tuple(name for name, style in STYLES.items() if style not in unlike)


def _still(scene: Scene) -> Scene:
    """The scene without what moves its subjects in the picture."""
    moving = [ADJECTIVES[word] for word in MOVING]
    things = tuple(
        replace(thing, adjectives=tuple(w for w in thing.adjectives if ADJECTIVES[w] not in moving))
        for thing in scene.things
    )
    style = scene.style if scene.style in still_styles() else ""
    view = "" if scene.view and VIEWS[scene.view].moves else scene.view
    moved = scene.light and LIGHTS[scene.light] in [LIGHTS[name] for name in MOVING_LIGHTS]
    light = "" if moved else scene.light
    commas = scene.commas and bool(scene.place or light)
    return replace(scene, things=things, style=style, view=view, light=light, commas=commas)


def _flat_sprite(piece: Piece) -> Image.Image:
    """A piece's fills: RGBA, opaque on its silhouette."""
    w, h = max(2, piece.w), max(2, piece.h)
    if piece.turn % 180 == 90:
        w, h = h, w
    side = SMALLEST
    while side < max(w, h):
        side *= 2
    drawn_closed = _closed_drawing(piece.drawing, side, False)
    fills = np.where(drawn_closed.fills == NOTHING, UNFILLED, drawn_closed.fills)
    colours = np.stack([fills >> 16, fills >> 8 & 255, fills & 255], -1).astype(np.uint8)
    picture = Image.fromarray(colours).convert("RGBA")
    picture.putalpha(drawn_closed.silhouette.point(lambda alpha: 255 * (alpha >= 128)))
    picture = picture.resize((w, h), Image.Resampling.NEAREST)
    if piece.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return turned(picture, piece.angle)


def _lines(pieces: Iterable[Piece], side: int) -> Image.Image:
    """The pieces' closed lines, later pieces covering earlier ones: L."""
    page = Image.new("RGBA", (side, side))
    for piece in pieces:
        if piece.alpha >= VISIBLE:
            sprite = _sprite(piece)
            x, y = piece.x + (piece.w - sprite.width) // 2, piece.y + (piece.h - sprite.height) // 2
            lay(page, sprite, x, y)
    ink = np.asarray(page)
    middles = thinned((ink[..., 0] < 128) & (ink[..., 3] >= 128))
    return Image.fromarray(drawn(middles, side / LINE))


def _sprite(piece: Piece) -> Image.Image:
    """A piece as line art: RGBA, black lines on the white of its silhouette."""
    w, h = max(2, piece.w), max(2, piece.h)
    if piece.turn % 180 == 90:
        w, h = h, w
    # Where the inside is dark or has a pattern, only the rim can be seen.
    rim = piece.dark or bool(piece.filled_with)
    picture = _sized(piece.drawing, w, h, rim)
    if piece.half_of:
        other = _sized(piece.half_of, w, h, rim)
        picture.paste(other.crop((w // 2, 0, w, h)), (w // 2, 0))
    if piece.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return turned(picture, piece.angle)


def _sized(name: str, w: int, h: int, rim: bool) -> Image.Image:
    """A drawing as closed lines in a box: RGBA, lines wide enough that none breaks."""
    side = SMALLEST
    while side < max(w, h):
        side *= 2
    middles, silhouette, _ = _closed_drawing(name, side, rim)
    stroke = max(side / 36, LEAST_LINE * max(silhouette.width / w, silhouette.height / h))
    page = Image.fromarray(drawn(middles, stroke)).convert("RGBA")
    page.putalpha(silhouette)
    return page.resize((w, h), Image.Resampling.BOX)


class _Closed(NamedTuple):
    """A drawing cut to what is drawn: lines one pixel wide, silhouette (L), and fills under its lines."""

    middles: Mask
    silhouette: Image.Image
    fills: Whole


@lru_cache(KEPT)
def _closed_drawing(name: str, side: int, rim: bool) -> _Closed:
    """A drawing, or only its `rim`."""
    silhouette = rasterised(read_svg(name), side).getchannel("A")
    box = silhouette.getbbox()
    assert box is not None, name
    colours, lines = fills_and_lines(read_svg(name), side)
    if rim:
        # Its middle lies within what is drawn, as that of an outline does.
        inside = np.asarray(silhouette.filter(ImageFilter.MinFilter(2 * (side // 96) + 1))) >= 128
        colours, lines = np.where(inside, 1, NOTHING), np.zeros_like(lines)
    closed = close_lines(colours, lines, side / 36)
    left, top, right, bottom = box
    part = np.s_[top:bottom, left:right]
    return _Closed(closed.middles[part], silhouette.crop(box), closed.regions[part])
