"""Which strokes of a drawing are which of the things that its caption names, and where those lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing, joined
from unprompt.doodles.facts import SceneFacts, read_places, relate, same_facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.doodles.name import Names

    Floats = NDArray[np.float64]

MOST_STROKES = 400  # of a drawing that is taken apart
POINTS = 24  # of a stroke that are looked at
SPAN = 1000.0  # units that a drawing is wide or high where distances are measured
WITHIN = 0.9  # of a distance that does not count where one stroke's box lies in the other's
LEAST = 1e-6  # of a probability
TRIED = 12  # ways to name the parts that are compared with what the caption says
BEAM = 200  # ways that are kept while they are made


class Spot(NamedTuple):
    """A thing of a drawing: its word, its own strokes where they lie, and the number of its kind."""

    word: str
    drawing: Drawing
    kind: int = 0

    @property
    def box(self) -> Floats:
        """(4,): left, top, right, bottom."""
        low, high = self.drawing.bounds
        return np.concatenate([low, high])


def find_spots(drawing: Drawing, facts: SceneFacts, namer: Names | None = None) -> list[Spot]:
    """Where each thing of a caption's facts lies; [] where that cannot be told.

    Strokes are joined with the nearest ones until there are as many parts as the facts have things. Parts get
    the nouns that fit best: by the namer's probabilities and by the relations that the facts name. It cannot
    be told where there are fewer strokes than things, or several kinds of things and no namer.
    """
    kinds = facts.kinds
    things = sum(kind.count for kind in kinds)
    if not things or not things <= len(drawing.strokes) <= MOST_STROKES:
        return []
    parts = split_strokes(drawing, things)
    if len(kinds) == 1:
        return [Spot(kinds[0].noun, part) for part in parts]
    if namer is None:
        return []
    known = np.pad(namer.probabilities(parts), ((0, 0), (0, 1)))  # what it does not know is never probable
    columns = [namer.words.index(kind.noun) if kind.noun in namer.words else -1 for kind in kinds]
    cost = -np.log(np.maximum(known[:, columns], LEAST))  # (parts, kinds)
    named = [
        [Spot(kinds[at].noun, part, at) for at, part in zip(order, parts, strict=True)]
        for order in best_orders(cost, [kind.count for kind in kinds])
    ]
    return next((spots for spots in named if _agrees(spots, facts)), named[0])


def split_strokes(drawing: Drawing, count: int) -> list[Drawing]:
    """The strokes in so many groups, joined from the nearest on (single linkage), in the order of drawing.

    A stroke within the box of another counts as near it: an eye belongs to its face.
    """
    strokes = drawing.strokes
    apart = _distances(strokes)
    group = np.arange(len(strokes))
    first, second = np.triu_indices(len(strokes), 1)
    left = len(strokes)
    for pair in np.argsort(apart[first, second], kind="stable"):
        if left == count:
            break
        one, other = group[first[pair]], group[second[pair]]
        if one != other:
            group[group == max(one, other)] = min(one, other)
            left -= 1
    return [
        joined([Drawing((strokes[at],)) for at in np.flatnonzero(group == one)]) for one in np.unique(group)
    ]


def _distances(strokes: Sequence[Floats]) -> Floats:
    """How far apart strokes are (S, S): their nearest points, less where one lies within the other's box."""
    thin = np.stack([stroke[np.linspace(0, len(stroke) - 1, POINTS).astype(int)] for stroke in strokes])
    thin = thin * SPAN / max(float(np.ptp(thin, (0, 1)).max()), 1e-9)
    low, high = thin.min(1), thin.max(1)  # (S, 2)
    areas = np.prod(high - low + 1, 1)
    found = np.zeros((len(strokes), len(strokes)))
    for at, one in enumerate(thin):
        gaps = np.linalg.norm(thin[:, :, None] - one, axis=3)  # (S, POINTS, POINTS)
        common = np.minimum(high, high[at]) - np.maximum(low, low[at])
        inside = np.prod(np.maximum(common + 1, 0), 1) * (common >= 0).all(1)
        found[at] = gaps.min((1, 2)) * (1 - WITHIN * inside / np.minimum(areas, areas[at]))
    return found


def best_orders(cost: Floats, counts: Sequence[int]) -> list[tuple[int, ...]]:
    """Of each part the kind that it is, with so many parts of each kind: the cheapest ways, the best first.

    `cost`: (parts, kinds). A beam over the parts, the surest first.
    """
    ranked = np.sort(cost, 1)
    surest = np.argsort(ranked[:, 0] - ranked[:, 1], kind="stable")
    beam: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for part in surest:
        grown = [
            (total + float(cost[part, kind]), (*taken, kind))
            for total, taken in beam
            for kind, count in enumerate(counts)
            if taken.count(kind) < count
        ]
        beam = sorted(grown)[:BEAM]
    orders = []
    for _, taken in beam[:TRIED]:
        order = np.zeros(len(surest), int)
        order[surest] = taken
        orders.append(tuple(order.tolist()))
    return orders


def _agrees(spots: Sequence[Spot], facts: SceneFacts) -> bool:
    """Whether things that lie so are to each other what the facts say."""
    nouns = [kind.noun for kind in facts.kinds]
    boxes = [np.array([spot.box for spot in spots if spot.kind == number]) for number in range(len(nouns))]
    ground = [number for number, kind in enumerate(facts.kinds) if not kind.sky]
    for (one, other), relation in zip(pairwise(ground), facts.relations, strict=True):
        # Facts do not tell two kinds of one noun apart.
        if nouns[one] == nouns[other] and relate(boxes[one], boxes[other]) != relation:
            return False
    return same_facts(read_places(nouns, boxes), facts)
