"""Raw drawings made simple, as Google made the simplified files of Quick, Draw!: few points, whole numbers.

Its four steps (README of the data set): to the top left; scaled so that the greatest coordinate is 255;
points at every pixel of each stroke; and of these what Ramer, Douglas and Peucker keep within 2 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.drawing import Drawing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

SIDE = 255.0  # the greatest coordinate of a simplified drawing
SPACING = 1.0  # between the points of a stroke before points are left out
EPSILON = 2.0  # how far a point may be from the line that stands for it


def simplified(drawing: Drawing, epsilon: float = EPSILON) -> Drawing:
    """The drawing in whole numbers from 0 to 255, of few points, as in Quick, Draw!'s simplified files.

    A drawing that has no extent, a dot, lies at 0. An empty drawing stays empty.
    """
    if not drawing.strokes:
        return drawing
    low, high = drawing.bounds
    side = float((high - low).max())
    scale = SIDE / side if side > 0 else 1.0
    return Drawing(
        tuple(
            np.rint(without_needless_points(resample((stroke - low) * scale), epsilon))
            for stroke in drawing.strokes
        )
    )


def resample(stroke: Points, spacing: float = SPACING) -> Points:
    """Points (P, 2) along a stroke (K, 2), `spacing` apart from its first on; its last comes at the end."""
    steps = np.hypot(*np.diff(stroke, axis=0).T)
    moved = np.concatenate([[True], steps > 0])  # a pen that stood still would divide by nothing
    stroke = stroke[moved]
    along = np.concatenate([[0.0], np.cumsum(steps[moved[1:]])])
    at = np.arange(0, along[-1], spacing)
    even = np.stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)], 1)
    return np.concatenate([even, stroke[-1:]])


def without_needless_points(stroke: Points, epsilon: float) -> Points:
    """The points (K, 2) of a stroke that are needed to come within `epsilon` of all others.

    Ramer (1972), Douglas and Peucker (1973): the point farthest from the straight line through both ends is
    kept if it is farther than `epsilon`, and then the same is done on both sides of it. First and last stay.
    """
    kept = np.zeros(len(stroke), bool)
    kept[[0, -1]] = True
    waiting = [(0, len(stroke) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        away = _measure_distances(stroke[first + 1 : last], stroke[first], stroke[last])
        farthest = int(away.argmax())
        if away[farthest] > epsilon:
            middle = first + 1 + farthest
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    found: Points = stroke[kept]
    return found


def _measure_distances(points: Points, start: Points, end: Points) -> Points:
    """How far points (P, 2) are from the line through two; where these are one, from it (P)."""
    way = end - start
    length = float(np.hypot(*way))
    x, y = (points - start).T
    away: Points = np.hypot(x, y) if length == 0 else np.abs(x * way[1] - y * way[0]) / length
    return away
