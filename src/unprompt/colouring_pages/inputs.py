"""What a page is to be made of: a drawing with or without its outlines, on any ground, shaded and damaged."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from PIL import Image, ImageFilter

from unprompt.colouring_pages.textures import texture_like_a_photograph
from unprompt.pocket.closing import BLACK, NOTHING, drawn
from unprompt.pocket.dice import Dice
from unprompt.pocket.pairs import still_styles
from unprompt.pocket.places import ANYWHERE, PLACES, backdrop
from unprompt.pocket.styles import STYLES, Canvas, styled
from unprompt.pocket.window import Window

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from unprompt.colouring_pages.openmoji import FlatDrawing
    from unprompt.pocket.textures import Bytes, Mask

    Reals = NDArray[np.float32]

Kind = Literal["outlined", "coloured outline", "flat", "fills"]
Ground = Literal["white", "light", "style", "night", "inverted"]
Damage = Literal["noise and blur", "noise and dilation", "gradients", "paper", "jpeg"]

KINDS: tuple[Kind, ...] = get_args(Kind)
GROUNDS: tuple[Ground, ...] = get_args(Ground)
DAMAGES: tuple[Damage, ...] = get_args(Damage)

APART = 70.0  # how far, in RGB, a ground should be from the fills that touch it
GROUND_TRIES = 12
TOUCHING = 0.03  # the share of a figure's rim from which a fill counts as touching the ground
RECOLOURED = 0.6  # of the pictures have colours of their own


def draw_input(
    drawing: FlatDrawing,
    kind: Kind,
    ground: Ground,
    damages: tuple[Damage, ...],
    random: Generator,
    size: int,
) -> Image.Image:
    """A drawing as a picture to make a page of: RGB, `size` x `size`, in place with the drawing.

    `kind`: "outlined" as it was drawn; "coloured outline" with lines in darker tones of their fills; "flat":
    fills that touch where outlines were, and the lines within them; "fills" alone. `ground`: what is behind
    it; "style" is a place of the pocket world in one of its styles, "inverted" a negative. Where no outline
    tells figure and ground apart, the ground's colour does. The same `random` gives the same pixels.
    """
    bare = kind in ("flat", "fills")
    closed = drawing.closed
    fills = closed.regions if bare else np.where(drawing.lines, closed.regions, drawing.fills)
    colours, number = np.unique(fills, return_inverse=True)
    number = number.reshape(fills.shape)
    palette = _palette(colours, random)
    if ground == "night":
        palette *= np.float32(random.uniform(0.5, 0.9)) * np.array((0.85, 0.9, 1.0), np.float32)
    outer = palette[_touching(colours, number)]
    behind = _ground(ground, outer, fills.shape[0], random)
    shaded = "gradients" in damages
    pixels = _shade(palette, number, random) if shaded else palette[number]
    if shaded:
        behind = behind * _slope(fills.shape[0], 0.2, random)[..., None]
    figure = fills != NOTHING
    pixels = np.where(figure[..., None], pixels, behind)
    if kind != "fills":
        _ink(pixels, drawing, kind, ground, random)
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    if ground == "style" and random.random() < 0.7:
        names = still_styles()
        style = STYLES[names[int(random.integers(len(names)))]]
        mask = Image.fromarray(figure.astype(np.uint8) * 255)
        image = styled(style, Canvas(image, mask), Dice(int(random.integers(2**32))))
    if ground == "inverted":
        image = image.point([255 - value for value in range(256)] * 3)
    image = image.reduce(image.width // size)
    return damaged(image, damages, random)


def draw_photograph(drawing: FlatDrawing, random: Generator, size: int) -> Image.Image:
    """A drawing as a photograph of such a thing might look: RGB, `size` x `size`, in place with the drawing.

    Its fills touch where its outlines were, each of a material of its own; lines within them are left out.
    """
    step = drawing.closed.regions.shape[0] // size
    fills = drawing.closed.regions[::step, ::step]
    colours, number = np.unique(fills, return_inverse=True)
    palette = np.clip(np.rint(_palette(colours, random)), 0, 255).astype(np.uint8)
    pixels = texture_like_a_photograph(palette[number.reshape(fills.shape)], fills != NOTHING, random)
    return Image.fromarray(pixels)


def damaged(image: Image.Image, damages: tuple[Damage, ...], random: Generator) -> Image.Image:
    """An RGB picture with noise, blur and the like; "gradients" are painted before, and change nothing
    here."""
    for damage in DAMAGES:
        if damage in damages and damage in SPOILERS:
            image = SPOILERS[damage](image, random)
    return image


# --- colours


def _palette(colours: NDArray[np.int32], random: Generator) -> Reals:
    """Colours 0xRRGGBB -> (N, 3) in [0, 255]; often of other hues, all turned alike, so that they stay
    apart."""
    rgb = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.float32)
    if random.random() < RECOLOURED:
        angle = random.uniform(0, 2 * np.pi)
        # A turn around the grey axis (Rodrigues' formula).
        axis = np.full(3, 3**-0.5)
        cross = np.cross(np.eye(3), axis)
        turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
        gain, lift = random.uniform(0.75, 1.05), random.uniform(-15, 25)
        coloured = colours != BLACK
        rgb[coloured] = np.clip(rgb[coloured] @ turn.astype(np.float32) * gain + lift, 0, 255)
    return rgb


def _touching(colours: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of those colours that touch the ground."""
    ground = np.flatnonzero(colours == NOTHING)
    if not len(ground):
        return ground
    outside = number == ground[0]
    rim = np.zeros_like(outside)
    rim[:, 1:] |= outside[:, :-1]
    rim[:, :-1] |= outside[:, 1:]
    rim[1:] |= outside[:-1]
    rim[:-1] |= outside[1:]
    count = np.bincount(number[rim & ~outside], minlength=len(colours))
    return np.flatnonzero(count > max(1.0, TOUCHING * count.sum()))


def _ground(ground: Ground, outer: Reals, side: int, random: Generator) -> Reals:
    """What is behind the figure: (side, side, 3), apart in colour from the fills `outer` (N, 3) if it can
    be."""
    best: Reals = np.full((side, side, 3), 255, np.float32)
    farthest = -1.0
    for attempt in range(GROUND_TRIES):
        if ground == "style" and attempt < GROUND_TRIES // 2:
            found = _place(side, random)
        else:
            found = np.broadcast_to(_plain(ground, attempt, random), (side, side, 3))
        mean = found.reshape(-1, 3).mean(axis=0)
        apart = float(np.linalg.norm(outer - mean, axis=1).min()) if len(outer) else APART
        if apart > farthest:
            best, farthest = found, apart
        if farthest >= APART:
            break
    return best


def _plain(ground: Ground, attempt: int, random: Generator) -> Reals:
    """One colour (3,): the farther on, the freer."""
    if ground == "white" and not attempt:
        return np.full(3, random.uniform(244, 255), np.float32)
    if ground == "night":
        return random.uniform((0, 0, 15), 45 + 10 * attempt, 3).astype(np.float32)
    low = 170 - 12 * attempt if ground in ("white", "light") else 40
    return random.uniform(low, 250, 3).astype(np.float32)


def _place(side: int, random: Generator) -> Reals:
    """A backdrop of the pocket world without anything strewn in it."""
    places = [*ANYWHERE, *(place for place in PLACES.values() if not place.drawings)]
    place = places[int(random.integers(len(places)))]
    image = backdrop(place, Window(side, side), False, True, Dice(int(random.integers(2**32))))
    return np.asarray(image, np.float32)


def _slope(side: int, strength: float, random: Generator) -> Reals:
    """A light that falls off in some direction: (side, side), `strength` about 1."""
    angle = random.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    return 1 + np.float32(strength) * (
        np.float32(np.cos(angle)) * across[None] + np.float32(np.sin(angle)) * across[:, None]
    )


def _shade(palette: Reals, number: NDArray[np.int64], random: Generator) -> Reals:
    """Each fill with a gradient of its own: (side, side, 3)."""
    side = number.shape[0]
    angles = random.uniform(0, 2 * np.pi, len(palette))
    strengths = random.uniform(0.1, 0.5, len(palette))
    right = (strengths * np.cos(angles)).astype(np.float32)
    down = (strengths * np.sin(angles)).astype(np.float32)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    light = 1 + right[number] * across[None] + down[number] * across[:, None]
    shaded: Reals = palette[number] * light[..., None]
    return shaded


def _ink(pixels: Reals, drawing: FlatDrawing, kind: Kind, ground: Ground, random: Generator) -> None:
    """Draw the lines that a kind of picture has into it."""
    closed = drawing.closed
    lines = closed.marks if kind == "flat" else drawing.lines
    if kind != "flat" and not lines.any():  # a family that draws no outlines gets them
        lines = drawn(closed.middles, drawing.stroke, closed.blobs) < 128
    if kind == "coloured outline":
        pixels[lines] *= np.float32(random.uniform(0.3, 0.65))
        return
    light = ground == "night" and random.random() < 0.5
    level = random.uniform(200, 255) if light else random.uniform(0, 50)
    pixels[lines] = np.float32(level)


# --- damage


def _noisy(image: Image.Image, random: Generator) -> Bytes:
    strength = random.uniform(8, 40)
    noise = random.normal(0, strength, (image.height, image.width, 3 if random.random() < 0.5 else 1))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def _blur(image: Image.Image, random: Generator) -> Image.Image:
    noisy = Image.fromarray(_noisy(image, random))
    return noisy.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 1.6) * max(1, image.width / 192)))


def _dilate(image: Image.Image, random: Generator) -> Image.Image:
    """Noise, and then each pixel the lightest or the darkest of its neighbours."""
    noisy = Image.fromarray(_noisy(image, random))
    return noisy.filter(ImageFilter.MaxFilter(3) if random.random() < 0.5 else ImageFilter.MinFilter(3))


def _paper(image: Image.Image, random: Generator) -> Image.Image:
    """Fibres and stains of a warm sheet."""
    side = image.size
    coarse = random.normal(0, 1, (8, 8)).astype(np.float32)
    stains = np.asarray(Image.fromarray(coarse).resize(side, Image.Resampling.BICUBIC))
    grain = random.normal(0, 1, (side[1], side[0])).astype(np.float32)
    tooth = 1 + random.uniform(0.01, 0.05) * stains + random.uniform(0.01, 0.05) * grain
    warm = np.array((1.0, random.uniform(0.93, 1.0), random.uniform(0.8, 0.98)), np.float32)
    return Image.fromarray(np.clip(np.asarray(image) * tooth[..., None] * warm, 0, 255).astype(np.uint8))


def _compress(image: Image.Image, random: Generator) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(random.integers(8, 60)))
    with Image.open(stream, formats=("JPEG",)) as opened:
        return opened.convert("RGB")


SPOILERS: Mapping[Damage, Callable[[Image.Image, Generator], Image.Image]] = {
    "noise and blur": _blur,
    "noise and dilation": _dilate,
    "paper": _paper,
    "jpeg": _compress,
}


def add_pattern(image: Image.Image, random: Generator) -> Image.Image:
    """An RGB picture with a small pattern of dots, stripes or checks over a part of it, as cloth may have."""
    pixels = np.asarray(image).astype(np.float32)
    height, width = pixels.shape[:2]
    row, column = np.mgrid[:height, :width]
    unit = max(3, round(random.uniform(0.02, 0.05) * max(height, width)))
    kind = int(random.integers(3))
    if kind == 0:
        mask: Mask = (row % unit - unit // 2) ** 2 + (column % unit - unit // 2) ** 2 < (0.3 * unit) ** 2
    elif kind == 1:
        slope = int(random.integers(-1, 2))
        mask = (column + slope * row) % unit < max(1, unit // 3)
    else:
        mask = (row // unit + column // unit) % 2 == 0
    # Over the pixels that are about as bright as one of them: one thing's surface, more or less.
    grey = pixels.mean(axis=2)
    seed = grey[int(random.integers(height)), int(random.integers(width))]
    mask &= abs(grey - seed) < 40
    pixels[mask] += np.float32(random.choice((-1, 1)) * random.uniform(25, 70))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
