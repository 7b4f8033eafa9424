"""Two groups of strokes that may be one thing: what is known of them where strokes alone do not say it.

A namer is surer of a pot with its lid than without, and less of a house and a tree together than of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing, take
from unprompt.doodles.group_network import JOIN, LEAST
from unprompt.doodles.strokes import lengths_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.doodles.name import Names

    Reals = NDArray[np.float32]

CLEAR = 2.0  # mean score of two groups' strokes, either way, from which nothing more is asked
SMALL = 1e-2  # of the sheet's longer side


class Join(NamedTuple):
    """Two groups of the `sheet`-th drawing by the numbers of their strokes, and what the network says.

    `scores` (A, B): how much each of the one and each of the other are of one thing, above 0 for it; strokes
    that were taken together beforehand have one of them.
    """

    sheet: int
    drawing: Drawing
    one: tuple[int, ...]
    other: tuple[int, ...]
    scores: Reals


Judge = Callable[[Sequence[Join]], Sequence[bool]]


def see_joins(joins: Sequence[Join], namer: Names) -> Reals:
    """What a network is told of N joins (N, JOIN): the namer names either group, and the two as one."""
    parts = [
        take(join.drawing, strokes)
        for join in joins
        for strokes in (join.one, join.other, join.one + join.other)
    ]
    said = namer.probabilities(parts).reshape(len(joins), 3, -1)
    rows = [
        _tell(join, parts[3 * n : 3 * n + 2], answers)
        for n, (join, answers) in enumerate(zip(joins, said, strict=True))
    ]
    return np.array(rows, np.float32).reshape(-1, JOIN)


def _tell(join: Join, parts: Sequence[Drawing], said: Reals) -> list[float]:
    """The numbers of one join, which do not depend on which group is the one and which the other."""
    low, high = join.drawing.bounds
    whole = max(float((high - low).max()), 1e-9)
    counts = sorted(np.log([len(join.one), len(join.other)]))
    ink = sorted(float(lengths_of(part).sum()) for part in parts)
    sizes = sorted(float(np.subtract(*part.bounds[::-1]).max()) / whole for part in parts)
    *each, both = (said + LEAST).astype(float)
    each.sort(key=lambda answers: float(answers.max()))
    alike = sorted(float((answers * both).sum()) for answers in each)
    return [
        float(join.scores.mean()),
        float(join.scores.min()),
        float(join.scores.max()),
        *counts,
        np.log((ink[0] + SMALL * whole) / (ink[1] + SMALL * whole)),
        *np.log(np.array(sizes) + SMALL),
        *(number for answers in (*each, both) for number in (np.log(answers.max()), _entropy(answers))),
        *np.log(np.array([float((each[0] * each[1]).sum()), *alike]) + LEAST),
    ]


def _entropy(probabilities: NDArray[np.float64]) -> float:
    return float(-(probabilities * np.log(probabilities)).sum())
