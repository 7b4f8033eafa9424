"""A drawing as the strokes of a pen: what everything here speaks in. Numpy and nothing heavier.

Strokes and not pixels: lines that are drawn anew at the size that a network reads have the width that it
knows, whatever pen they were drawn with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Points = NDArray[np.float64]

MOST_POINTS = 200_000  # of a drawing; the longest of Quick, Draw! have a few thousand
SMALLEST = 1e-300  # side of a drawing that is not taken for a dot


@dataclass(frozen=True, eq=False)
class Drawing:
    """Strokes in the order in which they were drawn.

    `strokes`: of each the points (K, 2) at which the pen was, x to the right and y down, in any unit. A
    stroke of one point is a dot. A drawing without strokes is an empty sheet.
    """

    strokes: tuple[Points, ...]

    def __post_init__(self) -> None:
        strokes = tuple(_points(stroke, number) for number, stroke in enumerate(self.strokes))
        count = sum(map(len, strokes))
        if count > MOST_POINTS:
            raise InputError(
                f"a drawing of {count:,} points is none that a hand drew, at most {MOST_POINTS:,} are read; "
                "simplify it first"
            )
        object.__setattr__(self, "strokes", strokes)

    @property
    def points(self) -> Points:
        """All points (N, 2), stroke by stroke."""
        return np.concatenate(self.strokes) if self.strokes else np.zeros((0, 2))

    @property
    def bounds(self) -> tuple[Points, Points]:
        """The top left and the bottom right corner (2,) of all points. InputError for an empty drawing."""
        if not self.strokes:
            raise InputError("the drawing is empty: draw something first")
        points = self.points
        return points.min(0), points.max(0)

    def moved(self, scale: float, by: ArrayLike = (0.0, 0.0)) -> Drawing:
        """Each point times `scale`, then moved by x and y."""
        return Drawing(tuple(stroke * scale + np.asarray(by, float) for stroke in self.strokes))

    def fitted(self, size: float, margin: float = 0.0) -> Drawing:
        """As large as a square of `size` units allows that leaves `margin` free all around, in its middle.

        A dot stays a dot. InputError for an empty drawing.
        """
        low, high = self.bounds
        middle, side = (low + high) / 2, float((high - low).max())
        scale = (size - 2 * margin) / side if side > SMALLEST else 1.0
        # To the middle first: far from it, what is large times a large scale leaves no digits for the rest.
        return Drawing(tuple((stroke - middle) * scale + size / 2 for stroke in self.strokes))


@dataclass(frozen=True, eq=False)
class Doodle:
    """A drawing of a set, with what is known of it.

    `key`: its name in the set. `word`: what it was to show, "" where that is not known. `recognised`: whether
    the game's network guessed it. `country`: two letters. `caption`: what somebody said of it, in words.
    """

    key: str
    drawing: Drawing
    word: str = ""
    country: str = ""
    recognised: bool | None = None
    caption: str = ""


def joined(drawings: Sequence[Drawing]) -> Drawing:
    """The strokes of several drawings on one sheet, one drawing after the other."""
    return Drawing(tuple(stroke for drawing in drawings for stroke in drawing.strokes))


def take(drawing: Drawing, strokes: Sequence[int]) -> Drawing:
    """Only these strokes."""
    return Drawing(tuple(drawing.strokes[number] for number in strokes))


def hash_drawings(drawings: Iterable[Drawing]) -> str:
    """A hash of all strokes, which tells whether drawings are what they were."""
    digest = hashlib.blake2b(digest_size=12)
    for drawing in drawings:
        digest.update(np.array([len(stroke) for stroke in drawing.strokes], np.int64).tobytes())
        digest.update(drawing.points.tobytes())
    return digest.hexdigest()


def _points(stroke: ArrayLike, number: int) -> Points:
    try:
        points = np.array(stroke, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"stroke {number} of a drawing is no list of points: {error}") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise InputError(f"stroke {number} of a drawing has shape {points.shape}, not (points, 2)")
    if not np.isfinite(points).all():
        raise InputError(f"stroke {number} of a drawing has a coordinate that is not a number")
    if np.abs(points).max() > 1e7:
        raise InputError(f"stroke {number} of a drawing has a coordinate beyond 10,000,000")
    return points
