"""What a network is told of the strokes of a sheet, and sheets as a trace of a picture would give them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import segments_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Random = np.random.Generator

POINTS = 10  # of each stroke, evenly along it
STROKE = 2 * POINTS + 8  # numbers about a stroke
PAIR = 9  # numbers about two strokes
MOST = 128  # strokes that a network looks at; with more of them the nearest are taken together first
ROUGHLY = 1500  # strokes up to which nearness is measured
NEAR = 1e-3  # of the sheet's side: nearer than this is touching


class Strokes(NamedTuple):
    """Strokes as a network sees them: `each` (S, STROKE), `pairs` (S, S, PAIR)."""

    each: Reals
    pairs: Reals


def along(stroke: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Points (count, 2) evenly along a stroke (K, 2)."""
    if len(stroke) == 1:
        return np.repeat(stroke, count, 0)
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.linspace(0, steps[-1], count)
    return np.stack([np.interp(at, steps, stroke[:, 0]), np.interp(at, steps, stroke[:, 1])], 1)


def lengths_of(drawing: Drawing) -> NDArray[np.float64]:
    """Of each stroke (S,), in the drawing's units; a dot is hardly anything."""
    return np.array([max(1e-6, float(np.hypot(*np.diff(one, axis=0).T).sum())) for one in drawing.strokes])


def see_strokes(drawing: Drawing) -> Strokes:
    """All strokes of a drawing, on a sheet whose longer side is 2 and whose middle is 0."""
    low, high = drawing.bounds
    side = max(float((high - low).max()), 1e-9)
    scale = 2 / side
    points = np.stack([along(stroke, POINTS) for stroke in drawing.strokes])
    points = ((points - (low + high) / 2) * scale).astype(np.float32)  # (S, P, 2)
    count = len(points)
    lows, highs = points.min(1), points.max(1)
    sizes = np.hypot(*(highs - lows).T) + NEAR
    lengths = np.hypot(*np.diff(points, axis=1).transpose(2, 0, 1)).sum(1) + NEAR
    closing = np.hypot(*(points[:, 0] - points[:, -1]).T)
    order = np.arange(count, dtype=np.float32)
    middles = (lows + highs) / 2
    each = np.concatenate(
        [
            points.reshape(count, -1),
            middles,
            highs - lows,
            np.log(sizes)[:, None],
            np.log(lengths)[:, None],
            (closing / lengths)[:, None],
            (order / max(1, count - 1))[:, None],
        ],
        1,
    )
    flat = points.reshape(-1, 2)
    squares = (flat * flat).sum(1)
    distances = squares[:, None] + squares - 2 * (flat @ flat.T)
    distances = distances.reshape(count, POINTS, count, POINTS)
    ends = np.sqrt(np.maximum(distances[:, :: POINTS - 1, :, :: POINTS - 1].min((1, 3)), 0))
    nearest = np.sqrt(np.maximum(distances.min(3).min(1), 0))
    apart = np.maximum(lows[:, None] - highs[None], lows[None] - highs[:, None])  # (S, S, 2)
    common = np.prod(np.maximum(-apart, 0), 2)
    areas = np.prod(highs - lows, 1) + NEAR
    smaller, larger = np.minimum(sizes[:, None], sizes), np.maximum(sizes[:, None], sizes)
    after = order[:, None] - order
    pairs = np.stack(
        [
            np.log(nearest + NEAR),
            np.log((nearest + NEAR) / larger),
            np.log((nearest + NEAR) / smaller),
            np.log(ends + NEAR),
            apart.max(2),
            common / np.minimum(areas[:, None], areas),
            np.log(smaller / larger),
            np.exp(-(np.abs(after) - 1) / 2),
            np.exp(-np.abs(after) / 10),
        ],
        2,
    )
    return Strokes(each.astype(np.float32), pairs.astype(np.float32))


def take_together(drawing: Drawing, most: int = MOST) -> list[list[int]]:
    """The strokes by number, in at most `most` bunches: each alone, or the nearest together."""
    bunches = [[number] for number in range(len(drawing.strokes))]
    if len(bunches) <= most:
        return bunches
    step = -(-len(bunches) // ROUGHLY)
    numbers = range(len(bunches))
    bunches = [list(numbers[at : at + step]) for at in range(0, len(bunches), step)]
    points = np.stack(
        [along(np.concatenate([drawing.strokes[n] for n in bunch]), 4) for bunch in bunches]
    ).astype(np.float32)
    far = _distances(points)
    first, second = np.triu_indices(len(bunches), 1)
    owner = list(range(len(bunches)))

    def root(n: int) -> int:
        while owner[n] != n:
            owner[n] = owner[owner[n]]
            n = owner[n]
        return n

    left = len(bunches)
    for pair in np.argsort(far[first, second], kind="stable"):
        one, other = root(int(first[pair])), root(int(second[pair]))
        if one != other:
            owner[max(one, other)] = min(one, other)
            left -= 1
            if left <= most:
                break
    found: dict[int, list[int]] = {}
    for n, bunch in enumerate(bunches):
        found.setdefault(root(n), []).extend(bunch)
    return list(found.values())


def _distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of N bunches with P points each, (N, P, 2), from each to each: between their nearest points, (N, N)."""
    count, each, _ = points.shape
    squares = np.full((count, count), np.inf, np.float32)
    for one, other in product(range(each), repeat=2):
        x, y = (points[:, None, one, axis] - points[None, :, other, axis] for axis in (0, 1))
        np.minimum(squares, x * x + y * y, out=squares)
    return np.sqrt(squares)


def clusters_of(scores: NDArray[np.floating]) -> list[list[int]]:
    """Which of N belong together, by scores (N, N) of each two: above 0 for it, below it against.

    The two clusters with the highest mean score of their members are joined, as long as it is above 0.
    """
    try:
        next(join_clusters(scores))
    except StopIteration as done:
        found: list[list[int]] = done.value
        return found
    raise AssertionError("nothing is asked where all is clear")


def join_clusters(
    scores: NDArray[np.floating], clear: float = 0.0
) -> Generator[tuple[list[int], list[int]], bool | None, list[list[int]]]:
    """The same, which yields the members of two clusters whose mean score is within `clear` of 0.

    They are joined where the answer is True; else no two clusters that have them will be.
    """
    clusters = [[n] for n in range(len(scores))]
    sums = ((scores + scores.T) / 2).astype(float)
    np.fill_diagonal(sums, -np.inf)
    sizes = np.ones(len(scores))
    while len(clusters) > 1:
        means = sums / sizes[:, None] / sizes
        one, other = sorted(divmod(int(means.argmax()), len(clusters)))
        mean = means[one, other]
        if mean <= -clear:
            break
        if mean <= clear and not (yield clusters[one].copy(), clusters[other].copy()):
            sums[one, other] = sums[other, one] = -np.inf
            continue
        sums[one] += sums[other]
        sums[:, one] = sums[one]
        sums[one, one] = -np.inf
        sums = np.delete(np.delete(sums, other, 0), other, 1)
        sizes[one] += sizes[other]
        sizes = np.delete(sizes, other)
        clusters[one] += clusters.pop(other)
    return [sorted(cluster) for cluster in clusters]


# --- what tracing a picture does to strokes


def as_traced(drawing: Drawing, owners: Sequence[int], random: Random) -> tuple[Drawing, tuple[int, ...]]:
    """Strokes cut where lines cross, in no order and direction, each with the owner that it had."""
    pieces, whose = [], []
    for stroke, owner, cuts in zip(drawing.strokes, owners, _crossings(drawing), strict=True):
        last = 0.0
        for cut in [*sorted(cuts), float(len(stroke) - 1)]:
            piece = _between(stroke, last, cut)
            if len(piece) > 1 or len(stroke) == 1:
                pieces.append(piece if random.random() < 0.5 else piece[::-1])
                whose.append(owner)
            last = cut
    order = random.permutation(len(pieces)).tolist()
    if random.random() < 0.5:  # tracers go from top to bottom
        order.sort(key=lambda n: float(pieces[n][:, 1].min()))
    return Drawing(tuple(pieces[n] for n in order)), tuple(whose[n] for n in order)


def _between(stroke: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """A part of a stroke, from and to places counted in its points."""
    if len(stroke) == 1:
        return stroke
    inner = np.arange(int(np.floor(start)) + 1, int(np.ceil(end)))
    at = np.concatenate([[start], inner, [end]]) if end - start > 1e-6 else np.array([start])
    places = np.arange(len(stroke))
    return np.stack([np.interp(at, places, stroke[:, 0]), np.interp(at, places, stroke[:, 1])], 1)


def _crossings(drawing: Drawing) -> list[list[float]]:
    """Of each stroke the places, counted in its points, where it crosses another line or itself."""
    starts, ends = segments_of(drawing)
    owner = np.concatenate(
        [np.full(max(1, len(stroke) - 1), n) for n, stroke in enumerate(drawing.strokes)]
    ).astype(int)
    place = np.concatenate([np.arange(max(1, len(stroke) - 1)) for stroke in drawing.strokes])
    found: list[list[float]] = [[] for _ in drawing.strokes]
    ways = ends - starts
    first, second = np.triu_indices(len(starts), 1)
    cross = ways[first, 0] * ways[second, 1] - ways[first, 1] * ways[second, 0]
    between = starts[second] - starts[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (between[:, 0] * ways[second, 1] - between[:, 1] * ways[second, 0]) / cross
        other = (between[:, 0] * ways[first, 1] - between[:, 1] * ways[first, 0]) / cross
    hits = np.flatnonzero((one > 0) & (one < 1) & (other > 0) & (other < 1))
    for hit in hits:
        a, b = int(first[hit]), int(second[hit])
        found[owner[a]].append(float(place[a] + one[hit]))
        found[owner[b]].append(float(place[b] + other[hit]))
    return found
