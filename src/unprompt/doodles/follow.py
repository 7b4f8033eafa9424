"""Does a picture follow the drawing? The share of its lines that lie near an edge of the picture, and chance.

A picture that is full of edges has one near any line. So the same is measured with lines that have nothing to
do with the picture, and what counts is how far the drawing's own share is above theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from unprompt.colouring_pages.skeleton import dilate
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.sheet import lay_out
from unprompt.errors import InputError

if TYPE_CHECKING:
    from unprompt.colouring_pages.skeleton import Mask
    from unprompt.doodles.ink import Ink

TOLERANCE = 1.0  # per cent of the picture's diagonal
LOOKED_AT = 256  # pixels of the longer side at which edges are looked for
EDGES = 0.08  # of the pixels at most are edges: the steepest
KEPT = 1000  # drawings whose ink is kept while they are graded
STEEP = 0.06  # of the way from black to white, a pixel's least change at an edge
SHIFTS = ((0.25, 0.0), (-0.25, 0.0), (0.0, 0.25), (0.0, -0.25), (0.21, 0.21), (-0.21, -0.21), (0.5, 0.5))


@dataclass(frozen=True)
class Followed:
    """The share of a drawing's ink near an edge of a picture, and of ink that has nothing to do with it.

    `above_chance`: 0 for a picture that follows no better than any other, 1 for one that has an edge near
    all ink, however many edges there are.
    """

    share: float
    chance: float

    @property
    def above_chance(self) -> float:
        return (self.share - self.chance) / max(1 - self.chance, 1e-9)


class FollowGrade(NamedTuple):
    """Means over pictures, and the 95% bootstrap interval of `above_chance`."""

    pictures: int
    share: float
    chance: float
    above_chance: float
    low: float
    high: float


def edges_of(picture: Image.Image) -> Mask:
    """Where a picture changes most (H, W), of any size: by the steepest of its colours, blurred a little."""
    pixels = np.asarray(picture.convert("RGB").filter(ImageFilter.GaussianBlur(1)), np.float32) / 255
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    steep = np.hypot(across, down).max(2)
    found: Mask = steep >= max(STEEP, float(np.quantile(steep, 1 - EDGES)))
    return found


def follow(
    drawing: Drawing, picture: Image.Image, others: Sequence[Drawing] = (), tolerance: float = TOLERANCE
) -> Followed:
    """How a picture follows a drawing that was laid out on it (sheet.lay_out).

    `others`: drawings of other pictures, laid out alike, whose share is chance; without them it is that of
    the drawing's own ink, shifted. `tolerance`: how far from an edge ink may be, in per cent of the
    picture's diagonal. InputError for an empty drawing.
    """
    small = _small(picture)
    lines = _thin_ink(drawing, small.size)
    if others:
        strangers = [_thin_ink(other, small.size) for other in others]
    else:
        height, width = lines.shape
        moves = [(round(dy * height), round(dx * width)) for dx, dy in SHIFTS]
        strangers = [np.roll(lines, move, (0, 1)) for move in moves]
    return _followed(lines, small, strangers, tolerance)


def _followed(lines: Ink, small: Image.Image, strangers: Sequence[Ink], tolerance: float) -> Followed:
    """How a picture follows ink (H, W) of its own size, and how it follows that of strangers."""
    radius = max(1.0, tolerance / 100 * float(np.hypot(*small.size)))
    near = dilate(edges_of(small), radius)
    return Followed(_share(lines, near), float(np.mean([_share(other, near) for other in strangers])))


def grade_following(
    drawings: Sequence[Drawing],
    pictures: Sequence[Image.Image],
    tolerance: float = TOLERANCE,
    seed: int = 0,
    others: int = 20,
) -> FollowGrade:
    """How pictures follow their drawings; chance is up to `others` of the other drawings on each picture.

    Raises InputError for fewer than two, or not as many of the one as of the other.
    """
    if len(drawings) != len(pictures) or len(drawings) < 2:
        raise InputError(
            f"{len(drawings)} drawings and {len(pictures)} pictures: it takes two of each at least, in pairs"
        )
    random = np.random.default_rng(seed)

    @lru_cache(KEPT)
    def lines_of(number: int, size: tuple[int, int]) -> Ink:
        return _thin_ink(drawings[number], size)

    found = []
    for number, picture in enumerate(pictures):
        small = _small(picture)
        chosen = random.permutation(np.delete(np.arange(len(drawings)), number))[:others].tolist()
        strangers = [lines_of(at, small.size) for at in chosen]
        found.append(_followed(lines_of(number, small.size), small, strangers, tolerance))
    above = np.array([one.above_chance for one in found])
    means = above[random.integers(0, len(above), (2000, len(above)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return FollowGrade(
        len(found),
        float(np.mean([one.share for one in found])),
        float(np.mean([one.chance for one in found])),
        float(above.mean()),
        float(low),
        float(high),
    )


def _small(picture: Image.Image) -> Image.Image:
    factor = LOOKED_AT / max(picture.size)
    if factor >= 1:
        return picture
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def _thin_ink(drawing: Drawing, size: tuple[int, int]) -> Ink:
    """Lines one pixel wide, so that what counts is their length. InputError for an empty drawing."""
    if not drawing.strokes:
        raise InputError("an empty drawing has nothing to follow")
    return ink(lay_out(drawing, *size), *size, 1.0)


def _share(lines: Ink, near: Mask) -> float:
    return float(lines[near].sum() / max(float(lines.sum()), 1e-9))
