"""Drawings bent, turned and stretched as another hand might have drawn them.

Strokes are warped and not pixels, so that lines keep their width. After Simard, Steinkraus & Platt 2003,
"Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis", who bend pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

# Standard deviations at strength 1, of a drawing between -1 and 1.
TURN = 0.12  # radians
STRETCH = 0.1  # of the logarithm of width over height, each way
SHEAR = 0.1
BEND = 0.045
SHIFT = 0.025  # of each stroke
LONGEST = 0.3  # pieces are cut to this length, so that they can bend
FEWEST = 0.4  # share of the strokes that a partial drawing, and each part of a mixture, has at least
SMALLEST = 0.4  # of its size, which a part of a mixture may have
OFF = 0.5  # how far from the middle the second part of a mixture may lie, each way


class Strokes(NamedTuple):
    """All strokes of a drawing behind each other: `points` (N, 2), and which stroke each is of (N,).

    Every stroke has two points at least; a dot has the same one twice.
    """

    points: NDArray[np.float32]
    stroke: NDArray[np.int64]

    def segments(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where each straight piece begins and ends (S, 2)."""
        same = self.stroke[1:] == self.stroke[:-1]
        return self.points[:-1][same], self.points[1:][same]


def lay_out(drawing: Drawing) -> Strokes:
    """The drawing between -1 and 1, its long lines cut into pieces. InputError for an empty drawing."""
    strokes = [cut(stroke, LONGEST) for stroke in drawing.fitted(2).moved(1, (-1, -1)).strokes]
    counts = [len(stroke) for stroke in strokes]
    return Strokes(np.concatenate(strokes).astype(np.float32), np.repeat(np.arange(len(strokes)), counts))


def warp(strokes: Strokes, random: Generator, strength: float = 1.0, mirror: bool = True) -> Strokes:
    """The same by another hand, within -1 and 1 or a little beyond; `mirror`: half of all are mirrored."""
    turn, stretch, shear = random.normal(0, (TURN, STRETCH, SHEAR)) * strength
    side = random.choice((-1.0, 1.0)) if mirror else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ [[1, shear], [0, 1]]
    matrix = matrix @ np.diag([side * np.exp(stretch), np.exp(-stretch)])
    waves = random.normal(0, BEND * strength, (2, 2))  # how far x and y are moved, by waves of two lengths
    pace = random.uniform(0.5, 1.5, (2, 2)) * np.pi * np.array([[1, 2]])
    phase = random.uniform(0, 2 * np.pi, (2, 2))
    shifts = random.normal(0, SHIFT * strength, (strokes.stroke[-1] + 1, 2))
    across = strokes.points[:, ::-1, None]  # x is bent along y, and y along x
    bent = strokes.points + (waves * np.sin(across * pace + phase)).sum(2) + shifts[strokes.stroke]
    return Strokes((bent @ matrix.T).astype(np.float32), strokes.stroke)


def begin(strokes: Strokes, random: Generator) -> Strokes:
    """The first strokes: all but the last, or fewer; a single one stays."""
    count = int(strokes.stroke[-1]) + 1
    if count < 2:
        return strokes
    kept = random.integers(min(max(1, int(np.ceil(FEWEST * count))), count - 1), count)
    end = int(np.searchsorted(strokes.stroke, kept))
    return Strokes(strokes.points[:end], strokes.stroke[:end])


def some(strokes: Strokes, random: Generator) -> Strokes:
    """Any of the strokes, in their order: from FEWEST of them up to all."""
    count = int(strokes.stroke[-1]) + 1
    kept = np.sort(random.permutation(count)[: random.integers(int(np.ceil(FEWEST * count)), count + 1)])
    stays = np.isin(strokes.stroke, kept)
    return Strokes(strokes.points[stays], np.searchsorted(kept, strokes.stroke[stays]))


def mix(one: Strokes, other: Strokes, random: Generator, strength: float = 1.0) -> Strokes:
    """Some strokes of either drawing, each warped, the second ones moved and one of both perhaps smaller.

    No word says what that is, so it is for a teacher to name (as mixtures of pictures: Beyer et al. 2022).
    """
    first, second = (warp(some(drawing, random), random, strength) for drawing in (one, other))
    sizes = np.where(random.random(2) < 0.5, 1.0, random.uniform(SMALLEST, 1, 2))
    moved = second.points * sizes[1] + random.uniform(-OFF, OFF, 2)
    points = np.concatenate([first.points * sizes[0], moved]).astype(np.float32)
    return Strokes(points, np.concatenate([first.stroke, second.stroke + first.stroke[-1] + 1]))


def fit(strokes: Strokes, size: float, margin: float) -> Strokes:
    """What `Drawing.fitted` does."""
    low, high = strokes.points.min(0), strokes.points.max(0)
    side = float((high - low).max())
    scale = (size - 2 * margin) / side if side > 0 else 1.0
    middle = np.float32(size / 2)
    return Strokes((strokes.points - (low + high) / 2) * np.float32(scale) + middle, strokes.stroke)


def cut(stroke: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """The same line with more points, so that no straight piece is longer; a dot twice."""
    if len(stroke) < 2:
        return stroke.repeat(2, 0)
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    pieces = np.maximum(1, np.ceil(lengths / longest)).astype(int)
    at = np.concatenate([[0], np.cumsum(pieces)])
    steps = np.arange(at[-1] + 1)
    return np.stack([np.interp(steps, at, stroke[:, axis]) for axis in (0, 1)], 1)
