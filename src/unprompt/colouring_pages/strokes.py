"""Black lines become curves: their middle is traced, smoothed, and fitted with few cubic Bézier segments.

A line drawn through a junction stays one line, and the lines that end there end on it. All are fitted at
once, as arrays: a segment that misses its points by more than the tolerance is divided, and fitted again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.skeleton import (
    NEIGHBOURS,
    Rim,
    Skeleton,
    check_lines,
    dissolve,
    link_paths,
    prune,
    thin,
    trace_skeleton,
    walk_chain,
)
from unprompt.settings import check_settings, setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Points = NDArray[np.float64]
    Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class StrokeSettings:
    """How lines are traced into curves. A stroke is the drawing's own line width, as measured."""

    spur: float = setting(
        1.0, "side branches that show less than this many strokes (of at least 3 pixels) are dropped", least=0
    )
    smoothing: float = setting(
        0.25, "standard deviation of the smoothing along lines, in strokes (at least 1.2 pixels)", least=0
    )
    corner: float = setting(
        55.0, "lines that turn by more degrees than this keep a corner", above=0, most=180
    )
    straight: float = setting(
        40.0, "lines that meet at a junction within this many degrees go on in each other", least=0, most=90
    )
    tolerance: float = setting(0.5, "how far curves may be from the smoothed lines, in pixels", above=0)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, eq=False)
class _Samples:
    """Points along all lines behind each other, evenly spaced.

    `places` (P, 2); `first` and `last` (S): the samples at which each line begins and ends, `closed` (S)
    whether these are one place; `before` and `after` (P): the samples beside each, itself at an open end;
    `node` (P): the node of the skeleton that a sample is, or -1.
    """

    places: Points
    first: Numbers
    last: Numbers
    closed: NDArray[np.bool_]
    before: Numbers
    after: Numbers
    node: Numbers

    def ends(self) -> NDArray[np.bool_]:
        """Whether each sample is the end of an open line (P)."""
        found = np.zeros(len(self.places), bool)
        found[self.first[~self.closed]] = found[self.last[~self.closed]] = True
        return found

    def beside(self, steps: int) -> tuple[Numbers, Numbers]:
        """The samples so many steps before and after each, at most a line's end (P each)."""
        before = after = np.arange(len(self.places))
        for _ in range(steps):
            before, after = self.before[before], self.after[after]
        return before, after


def strokes(lines: Mask, settings: StrokeSettings | None = None) -> LineDrawing:
    """Trace black lines (H, W) into a drawing of W x H units, one unit a pixel.

    Every line of any width becomes its middle; dots wider than a line are drawn around their rim, so that
    they are as large when drawn with lines as wide as they were. InputError where `lines` are no bool array.
    """
    settings = settings or StrokeSettings()
    size = (float(lines.shape[1]), float(lines.shape[0]))
    dots, samples, corners = _trace(lines, settings)
    curves = tuple(np.repeat(dot[None], 4, 0).astype(np.float32) for dot in dots)
    return LineDrawing(
        size, curves if samples is None else curves + _fit(samples, corners, settings.tolerance)
    )


def middles(lines: Mask, settings: StrokeSettings | None = None) -> tuple[Points, ...]:
    """The middle of each black line (H, W) as points (K, 2) close to each other, in pixels; a dot is one.

    What `strokes` fits its curves to. InputError where `lines` are no bool array.
    """
    dots, samples, _ = _trace(lines, settings or StrokeSettings())
    found = [dot[None] for dot in dots]
    if samples is not None:
        ways = zip(samples.first.tolist(), samples.last.tolist(), strict=True)
        found += [samples.places[first : last + 1] for first, last in ways]
    return tuple(found)


def _trace(lines: Mask, settings: StrokeSettings) -> tuple[Points, _Samples | None, NDArray[np.bool_]]:
    """The dots (D, 2) of black lines, points along all others, None without any, and which are corners."""
    lines = check_lines(lines)
    nothing = np.zeros(0, bool)
    thinned = thin(lines)
    rim = Rim(lines)
    stroke = rim.measure_stroke(thinned)
    if not stroke:
        return np.zeros((0, 2)), None, nothing
    thinned, rims = _outline_dots(lines, thinned, stroke)
    skeleton = prune(dissolve(trace_skeleton(thinned)), rim, settings.spur * max(stroke, 3.0))
    skeleton = _trim(_join_crossings(skeleton, rim), rim)
    dots = skeleton.nodes[skeleton.degrees() == 0]
    skeleton = _add_rings(skeleton, rims)
    if not skeleton.paths:
        return dots, None, nothing
    step = max(1.25, stroke / 5)
    chains = _go_on(skeleton, settings.straight, max(5.0, 1.5 * stroke))
    samples = _sample(_straighten(skeleton, chains), chains, step)
    samples = _smooth(samples, np.zeros(len(samples.places), bool), 2)
    arm = round(max(5.0, stroke) / step)
    corners = _find_corners(samples, settings.corner, arm)
    samples = _sharpen(samples, corners, arm, stroke)
    spread = max(1.2, settings.smoothing * stroke) / step  # a round of smoothing has a variance of one half
    return dots, _smooth(samples, corners, int(np.ceil(2 * spread**2))), corners


def _outline_dots(lines: Mask, thinned: Mask, stroke: float) -> tuple[Mask, list[Points]]:
    """The skeleton without short solid pieces wider than 1.5 strokes; and their rims, half a stroke inside.

    A dot that its rim does not cover keeps its middle too.
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    labels, _ = ndimage.label(lines, NEIGHBOURS)
    thinned, rims = thinned.copy(), []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if not 1.5 * stroke < max(rows.stop - rows.start, columns.stop - columns.start) <= 6 * stroke:
            continue
        piece = np.pad(labels[rows, columns] == number, 1)
        depth = np.maximum(ndimage.distance_transform_edt(piece) - 0.5, 0)
        if depth.max() <= max(0.75 * stroke, stroke / 2 + 1):
            continue
        if (ndimage.binary_fill_holes(piece) != piece).any():
            continue
        if depth.max() <= stroke:
            thinned[rows, columns] &= ~piece[1:-1, 1:-1]
        for contour in find_contours(depth, stroke / 2):
            contour[-1] = contour[0]
            rims.append(contour[:, ::-1] - 0.5 + (columns.start, rows.start))
    return thinned, rims


def _add_rings(skeleton: Skeleton, rings: list[Points]) -> Skeleton:
    """The skeleton with more rings, each a node and a path back to it."""
    if not rings:
        return skeleton
    first = len(skeleton.nodes)
    numbers = np.arange(first, first + len(rings))
    return Skeleton(
        np.concatenate([skeleton.nodes, [ring[0] for ring in rings]]),
        np.concatenate([skeleton.ends, np.stack([numbers, numbers], 1)]),
        (*skeleton.paths, *rings),
    )


def _join_crossings(skeleton: Skeleton, rim: Rim) -> Skeleton:
    """Make two junctions one where the way between them is no longer than the lines are wide there.

    The skeleton of two wide lines that cross has two junctions with a short way between. No region is lost:
    only ways from one node to another go.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(skeleton.nodes)
    if not len(skeleton.ends):
        return skeleton
    one, two = skeleton.ends.T
    radii = rim.measure_radii(skeleton.nodes)
    near = skeleton.lengths() <= 1.2 * np.maximum(radii[one], radii[two])
    short = (skeleton.degrees()[skeleton.ends] >= 3).all(1) & (one != two) & near
    if not short.any():
        return skeleton
    # Of several short ways between the same two nodes one goes, the others are rings then.
    joined = np.flatnonzero(short)
    graph = coo_array((np.ones(len(joined)), (one[joined], two[joined])), (count, count))
    clusters, of_node = connected_components(graph, directed=False)
    tree = _spanning(skeleton.ends[joined], count)
    short[:] = False
    short[joined[tree]] = True
    sizes = np.bincount(of_node)
    nodes = np.stack([np.bincount(of_node, skeleton.nodes[:, axis]) / sizes for axis in (0, 1)], 1)
    assert len(nodes) == clusters
    ends, paths = of_node[skeleton.ends[~short]], []
    for path, (start, stop) in zip(
        (path for path, drop in zip(skeleton.paths, short, strict=True) if not drop), ends, strict=True
    ):
        moved = path.copy()
        moved[0], moved[-1] = nodes[start], nodes[stop]
        paths.append(moved)
    return Skeleton(nodes, ends, tuple(paths))


def _spanning(links: Numbers, count: int) -> Numbers:
    """Which of the links (L, 2) between `count` nodes hold all together without a ring."""
    leader = list(range(count))

    def find(node: int) -> int:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    kept = []
    for number, (one, two) in enumerate(links.tolist()):
        if (one := find(one)) != (two := find(two)):
            leader[one] = two
            kept.append(number)
    return np.array(kept, np.int64)


def _trim(skeleton: Skeleton, rim: Rim) -> Skeleton:
    """Let paths go straight to their junction from 1.5 times the lines' half width before it.

    The skeleton bends there. At most a third of a path goes at each end.
    """
    radii = np.where(skeleton.degrees() >= 3, rim.measure_radii(skeleton.nodes), 0)
    paths = []
    for path, (start, stop) in zip(skeleton.paths, skeleton.ends.tolist(), strict=True):
        head, tail = (
            min(int(1.5 * radii[node]), (len(path) - 2) // 3) if radii[node] > 1 else 0
            for node in (start, stop)
        )
        paths.append(np.concatenate([path[:1], path[1 + head : len(path) - 1 - tail], path[-1:]]))
    return replace(skeleton, paths=tuple(paths))


def _go_on(skeleton: Skeleton, straight: float, reach: float) -> list[tuple[list[int], bool]]:
    """Which paths go on in each other at their nodes (`link_paths`): the straightest first, each once."""
    halves = skeleton.ends.ravel()
    toward = np.empty((len(halves), 2))
    for number, path in enumerate(skeleton.paths):
        far = min(len(path) - 1, round(reach))
        toward[2 * number], toward[2 * number + 1] = path[far] - path[0], path[-1 - far] - path[-1]
    toward /= np.maximum(np.hypot(*toward.T), 1e-9)[:, None]
    order = np.argsort(halves, kind="stable")
    bounds = np.searchsorted(halves[order], np.arange(len(skeleton.nodes) + 1))
    pairs = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        at = order[start:stop]
        if len(at) == 2:
            pairs.append((int(at[0]), int(at[1])))
        elif len(at) > 2:
            bend = toward[at] @ toward[at].T
            bend[np.tril_indices(len(at))] = 1
            limit = -np.cos(np.deg2rad(straight))
            while bend.min() <= limit:
                one, two = divmod(int(bend.argmin()), len(at))
                pairs.append((int(at[one]), int(at[two])))
                bend[[one, two]] = 1
                bend[:, [one, two]] = 1
    return link_paths(skeleton.ends, pairs)


def _straighten(skeleton: Skeleton, chains: list[tuple[list[int], bool]]) -> Skeleton:
    """Put each junction that a chain goes through on the straight way past it, in the mean of several."""
    junction = skeleton.degrees() >= 3
    halves = skeleton.ends.ravel()
    moves = np.zeros((len(skeleton.nodes), 3))  # sums of places, and how many
    for entered, closed in chains:
        for half, following in zip(entered, [*entered[1:], *entered[: int(closed)]], strict=False):
            node = halves[following]
            if junction[node]:
                one, two = (skeleton.paths[at // 2][-2 if at % 2 else 1] for at in (half ^ 1, following))
                way = two - one
                share = (skeleton.nodes[node] - one) @ way / max(float(way @ way), 1e-9)
                moves[node] += (*(one + np.clip(share, 0, 1) * way), 1)
    moved = moves[:, 2] > 0
    nodes = skeleton.nodes.copy()
    nodes[moved] = moves[moved, :2] / moves[moved, 2:]
    return replace(skeleton, nodes=nodes)


def _sample(skeleton: Skeleton, chains: list[tuple[list[int], bool]], step: float) -> _Samples:
    """Points along the chains, about `step` apart, with every node a point."""
    counts = np.array([len(path) for path in skeleton.paths])
    points = np.concatenate(skeleton.paths)
    start = np.concatenate([[0], np.cumsum(counts)[:-1]])
    gap = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    gap[start] = 1  # between two paths
    along = np.cumsum(gap)
    lengths = along[start + counts - 1] - along[start]
    pieces = np.maximum(2, np.round(lengths / step).astype(int))
    bounds = np.concatenate([[0], np.cumsum(pieces + 1)])
    inside = np.arange(bounds[-1]) - np.repeat(bounds[:-1], pieces + 1)
    at = np.repeat(along[start], pieces + 1) + inside * np.repeat(lengths / pieces, pieces + 1)
    even = np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], 1)
    even[bounds[:-1]], even[bounds[1:] - 1] = skeleton.nodes[skeleton.ends].transpose(1, 0, 2)
    evened = [even[bounds[number] : bounds[number + 1]] for number in range(len(counts))]
    names = np.arange(len(skeleton.nodes))
    marks = np.full(len(even), -1)
    # A node of two paths, as rings have, is a point like others.
    marks[bounds[:-1]], marks[bounds[1:] - 1] = np.where(skeleton.degrees() == 2, -1, names)[skeleton.ends].T
    marked = [marks[bounds[number] : bounds[number + 1], None] for number in range(len(counts))]

    walked = [walk_chain(evened, entered) for entered, _ in chains]
    node = np.concatenate([walk_chain(marked, entered) for entered, _ in chains])[:, 0]
    sizes = np.array([len(points) for points in walked])
    last = np.cumsum(sizes) - 1
    first = last - sizes + 1
    closed = np.array([back for _, back in chains])
    numbers = np.arange(len(node))
    before, after = numbers - 1, numbers + 1
    before[first], after[last] = np.where(closed, last - 1, first), np.where(closed, first + 1, last)
    after[last[closed] - 1] = first[closed]  # whoever walks around passes one of the two
    return _Samples(np.concatenate(walked), first, last, closed, before, after, node)


def _smooth(samples: _Samples, corners: NDArray[np.bool_], rounds: int) -> _Samples:
    """Mean of each point and its neighbours (1, 2, 1), again and again; ends and corners stay.

    A node that a line goes through moves with it, and takes the lines that end there along.
    """
    places = samples.places
    still = (corners | samples.ends())[:, None]
    at = np.flatnonzero(samples.node >= 0)
    through = at[~still[at, 0]]
    count = samples.node.max(initial=-1) + 1
    weight = np.bincount(samples.node[through], minlength=count)
    at = at[weight[samples.node[at]] > 0]
    node, through_node = samples.node[at], samples.node[through]
    for _ in range(rounds):
        means = places / 2 + (places[samples.before] + places[samples.after]) / 4
        means[still[:, 0]] = places[still[:, 0]]
        for axis in (0, 1):
            sums = np.bincount(through_node, means[through, axis], count)
            means[at, axis] = sums[node] / weight[node]
        places = means
    return replace(samples, places=places)


def _find_corners(samples: _Samples, corner: float, arm: int) -> NDArray[np.bool_]:
    """At which samples a line turns at once (P): by more than `corner` degrees between arms of `arm` samples.

    In a bow the angle grows with the arms, at a corner it does not.
    """

    def measure_turns(steps: int) -> tuple[Points, Points]:
        before, after = samples.beside(steps)
        come, go = samples.places - samples.places[before], samples.places[after] - samples.places
        turn = np.arctan2(come[:, 0] * go[:, 1] - come[:, 1] * go[:, 0], (come * go).sum(1))
        return np.abs(turn), np.minimum(np.hypot(*come.T), np.hypot(*go.T))

    turn, reach = measure_turns(arm)
    longer, _ = measure_turns(2 * arm)
    spacing = np.median(np.hypot(*(samples.places[samples.after] - samples.places).T))
    sharp = (turn > np.deg2rad(corner)) & (turn > 0.6 * longer) & (reach > 0.4 * arm * spacing)
    before = after = np.arange(len(turn))
    for _ in range(arm):
        before, after = samples.before[before], samples.after[after]
        # At two equal turns the first is the corner; a closed line's first and last sample are one place.
        sharp &= (turn >= turn[after]) & ((turn > turn[before]) | (before >= np.arange(len(turn))))
    sharp[samples.last[samples.closed]] = sharp[samples.first[samples.closed]]
    found: NDArray[np.bool_] = sharp & ~samples.ends()
    return found


def _sharpen(samples: _Samples, corners: NDArray[np.bool_], arm: int, farthest: float) -> _Samples:
    """Put corners where their arms meet, at most `farthest` pixels away: thinning rounds them.

    Corners whose arms have a node or another corner on them stay.
    """
    at = np.flatnonzero(corners)
    taken = corners | (samples.node >= 0) | samples.ends()
    ways: list[list[Numbers]] = []
    for beside in (samples.before, samples.after):
        way = [at]
        for _ in range(2 * arm):
            way.append(beside[way[-1]])
        ways.append(way)
    free = ~np.any([taken[step] for way in ways for step in way[1:]], axis=0)
    free &= samples.node[at] < 0
    at, ways = at[free], [[step[free] for step in way] for way in ways]
    places = samples.places.copy()
    one, two = (places[way[arm]] for way in ways)
    along, toward = one - places[ways[0][2 * arm]], two - places[ways[1][2 * arm]]
    cross = along[:, 0] * toward[:, 1] - along[:, 1] * toward[:, 0]
    between = two - one
    share = (between[:, 0] * toward[:, 1] - between[:, 1] * toward[:, 0]) / np.where(cross == 0, 1, cross)
    met = one + share[:, None] * along
    good = (cross != 0) & (share > 0) & (np.hypot(*(met - places[at]).T) <= farthest)
    for way, end in zip(ways, (one, two), strict=True):
        for number_on, step in enumerate(way[:arm]):
            part = number_on / arm
            places[step[good]] = (met * (1 - part) + end * part)[good]
    places[samples.last[samples.closed]] = places[samples.first[samples.closed]]
    return replace(samples, places=places)


def _fit(samples: _Samples, corners: NDArray[np.bool_], tolerance: float) -> tuple[NDArray[np.float32], ...]:
    """One curve for each line of the samples, in segments from node or corner to the next, or shorter."""
    breaks = corners | (samples.node >= 0)
    breaks[samples.first] = breaks[samples.last] = True
    sizes = samples.last - samples.first
    known = np.add.reduceat(breaks.astype(int), samples.first)
    for part in (1, 2, 3):  # a bow without corners in one segment has no direction
        breaks[(samples.first + sizes * part // 4)[samples.closed & (known == 2)]] = True
    at = np.flatnonzero(breaks)
    line = np.repeat(np.arange(len(sizes)), sizes + 1)[at]
    whole = line[1:] == line[:-1]
    start, stop = at[:-1][whole], at[1:][whole]

    places = samples.places
    (before, after), (farther_before, farther_after) = samples.beside(1), samples.beside(2)
    before = np.where(corners[before], before, farther_before)
    after = np.where(corners[after], after, farther_after)
    leaving = places[after] - np.where(corners[:, None], places, places[before])
    coming = places[before] - np.where(corners[:, None], places, places[after])
    start, stop, controls = fit_segments(places, start, stop, leaving, coming, tolerance)

    order = np.argsort(start)
    points = np.concatenate([controls[order], places[stop[order], None]], 1).reshape(-1, 2).astype(np.float32)
    places = places.astype(np.float32)
    bounds = np.searchsorted(start[order], np.concatenate([samples.first, [len(places)]]))
    return tuple(
        np.concatenate([places[[first]], points[3 * low : 3 * high]])
        for first, low, high in zip(samples.first, bounds[:-1], bounds[1:], strict=True)
    )


def fit_segments(
    points: Points, start: Numbers, stop: Numbers, leaving: Points, coming: Points, tolerance: float
) -> tuple[Numbers, Numbers, Points]:
    """Fit cubic Bézier segments to runs of points, all at once (Schneider 1990, Graphics Gems).

    `points` (P, 2), of which run s has those from `start[s]` to `stop[s]`; `leaving` and `coming` (P, 2): the
    direction of a segment that begins at a point, and from its end back for one that ends there. Gives the
    starts and stops (S) of at least as many segments and their inner control points (S, 2, 2). Segments that
    miss a point by more than `tolerance` are divided there.
    """
    out = leaving / np.maximum(np.hypot(*leaving.T), 1e-9)[:, None]
    back = coming / np.maximum(np.hypot(*coming.T), 1e-9)[:, None]
    done: list[tuple[Numbers, Numbers, Points]] = []
    while len(start):
        controls, error, worst = _fit_round(points, start, stop, out[start], back[stop])
        good = (error <= tolerance) | (stop - start < 2)
        done.append((start[good], stop[good], controls[good]))
        middle = np.clip(worst, start + 1, stop - 1)[~good]
        start, stop = np.concatenate([start[~good], middle]), np.concatenate([middle, stop[~good]])
    first, second, third = zip(*done, strict=True)
    return np.concatenate(first), np.concatenate(second), np.concatenate(third)


def _fit_round(
    points: Points, start: Numbers, stop: Numbers, out: Points, back: Points, rounds: int = 4
) -> tuple[Points, Points, Numbers]:
    """The best cubic for each run, given its directions: controls, how far it misses, and at which point."""
    count = stop - start + 1
    bounds = np.concatenate([[0], np.cumsum(count)[:-1]])
    at = np.arange(count.sum()) - np.repeat(bounds - start, count)  # the points of all runs behind each other
    run = np.repeat(np.arange(len(count)), count)
    place = points[at]
    gap = np.hypot(*(place - points[np.maximum(at - 1, 0)]).T)
    gap[bounds] = 0
    along = np.cumsum(gap)
    along -= along[bounds][run]
    length = np.maximum(along[bounds + count - 1], 1e-9)
    u = along / length[run]
    p0, p3 = points[start], points[stop]
    best = np.full(len(count), np.inf)
    best_controls, worst = np.empty((len(count), 2, 2)), stop.copy()
    for number in range(rounds):
        b0, b1, b2, b3 = (1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3
        rest = place - p0[run] * (b0 + b1)[:, None] - p3[run] * (b2 + b3)[:, None]
        c11, c12, c22 = (np.add.reduceat(term, bounds) for term in (b1 * b1, b1 * b2, b2 * b2))
        c12 = c12 * (out * back).sum(1)
        x1 = np.add.reduceat(b1 * (rest * out[run]).sum(1), bounds)
        x2 = np.add.reduceat(b2 * (rest * back[run]).sum(1), bounds)
        determinant = c11 * c22 - c12 * c12
        safe = np.where(np.abs(determinant) > 1e-9, determinant, 1)
        alpha1, alpha2 = (x1 * c22 - x2 * c12) / safe, (c11 * x2 - c12 * x1) / safe
        # Beyond these a curve would turn back or make a loop: the thirds of a plain one then.
        wild = (np.abs(determinant) <= 1e-9) | ~(
            (np.minimum(alpha1, alpha2) > 0.01 * length) & (np.maximum(alpha1, alpha2) < length)
        )
        alpha1, alpha2 = np.where(wild, length / 3, alpha1), np.where(wild, length / 3, alpha2)
        p1, p2 = p0 + alpha1[:, None] * out, p3 + alpha2[:, None] * back
        curve = sum(b[:, None] * p[run] for b, p in zip((b0, b1, b2, b3), (p0, p1, p2, p3), strict=True))
        off = curve - place
        miss = (off * off).sum(1)
        most = np.maximum.reduceat(miss, bounds)
        better = most < best
        best = np.where(better, most, best)
        best_controls[better] = np.stack([p1, p2], 1)[better]
        farthest = np.full(len(count), -1)
        is_most = np.flatnonzero(miss >= most[run])
        farthest[run[is_most]] = at[is_most]
        worst = np.where(better, farthest, worst)
        if number + 1 == rounds:
            break
        # Newton's step to the nearest place on the curve.
        q1 = 3 * sum(
            b[:, None] * d[run]
            for b, d in zip(((1 - u) ** 2, 2 * u * (1 - u), u**2), (p1 - p0, p2 - p1, p3 - p2), strict=True)
        )
        q2 = 6 * sum(
            b[:, None] * d[run] for b, d in zip((1 - u, u), (p2 - 2 * p1 + p0, p3 - 2 * p2 + p1), strict=True)
        )
        slope = (q1 * q1).sum(1) + (off * q2).sum(1)
        moved = u - np.where(slope > 1e-9, (off * q1).sum(1) / np.where(slope > 1e-9, slope, 1), 0)
        inner = (u > 0) & (u < 1)
        u = np.where(inner, np.clip(moved, 0, 1), u)
    return best_controls, np.sqrt(best), worst
