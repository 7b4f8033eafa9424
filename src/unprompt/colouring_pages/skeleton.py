"""The skeleton of black lines: their middle, one pixel wide, as nodes and the paths between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import InputError
from unprompt.pocket.closing import thinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Points = NDArray[np.float64]
    Numbers = NDArray[np.int64]

NEIGHBOURS = np.ones((3, 3), bool)  # lines hang together over corners too, paper does not


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Nodes (ends, junctions, dots, one point of each ring) and the paths between them, in pixels, x and y.

    `nodes` (N, 2); `ends` (E, 2): the nodes that each path begins and ends at; `paths`: E arrays (P, 2) that
    begin and end with their nodes' places. A pixel's middle is at .5. A node without a path is a dot.
    """

    nodes: Points
    ends: Numbers
    paths: tuple[Points, ...]

    def degrees(self) -> Numbers:
        """How many ends of paths lie at each node (N)."""
        return np.bincount(self.ends.ravel(), minlength=len(self.nodes))

    def lengths(self) -> Points:
        """How long each path is (E)."""
        if not self.paths:
            return np.zeros(0)
        first = np.cumsum([0, *(len(path) for path in self.paths[:-1])])
        steps = np.hypot(*np.diff(np.concatenate(self.paths), axis=0, append=0).T)
        steps[first[1:] - 1] = steps[-1] = 0  # from one path to the next
        lengths: Points = np.add.reduceat(steps, first)
        return lengths


def check_lines(lines: Mask) -> Mask:
    """The lines as a plain bool array (H, W); InputError where they are not one."""
    lines = np.asarray(lines)
    if lines.ndim != 2 or lines.dtype != bool or 0 in lines.shape:
        raise InputError(f"lines are a bool array (H, W), true where black, got {lines.dtype} {lines.shape}")
    return true_as_one(lines)


def true_as_one(mask: NDArray[np.generic]) -> Mask:
    """A copy of a bool array in which true is the byte 1.

    Pillow's arrays of bilevel images have 255 there, at which scikit-image reads beyond its tables, and are
    read-only, at which it fails.
    """
    plain: Mask = np.not_equal(mask.view(np.uint8), 0)
    return plain


def dilate(mask: Mask, radius: float) -> Mask:
    """All pixels within `radius` of the mask; costs about 4 x `radius` passes over the page."""
    height, width = mask.shape
    reach = int(radius)
    half_widths = {dy: int(np.sqrt(radius**2 - dy**2)) for dy in range(min(reach, height - 1) + 1)}
    wide, found = mask.copy(), np.zeros_like(mask)
    done = 0
    for dy, half_width in sorted(half_widths.items(), key=lambda item: item[1]):
        for dx in range(done + 1, min(half_width, width - 1) + 1):
            wide[:, dx:] |= mask[:, : width - dx]
            wide[:, : width - dx] |= mask[:, dx:]
        done = max(done, half_width)
        found[dy:] |= wide[: height - dy]
        found[: height - dy] |= wide[dy:]
    return found


def erode(mask: Mask, radius: float) -> Mask:
    """All pixels of the mask with no other pixel of the page within `radius`."""
    return ~dilate(~mask, radius)


def thin(lines: Mask) -> Mask:
    """The middle of the lines, one pixel wide (Zhang and Suen 1984)."""
    return thinned(true_as_one(lines))


class Rim:
    """The paper right beside lines (H, W), kept in a tree, to ask how wide the lines are at many places."""

    def __init__(self, lines: Mask) -> None:
        from scipy.spatial import cKDTree

        places = np.flatnonzero(dilate(lines, 1) & ~lines)
        row, column = np.divmod(places, lines.shape[1])
        self._tree = cKDTree(np.stack([column, row], 1) + 0.5) if len(places) else None
        self._farthest = float(max(lines.shape))

    def measure_radii(self, points: Points) -> Points:
        """How far it is from each of the points (N, 2) on lines to the lines' rim, in pixels (N).

        A line of one pixel has .5. Lines without any paper beside them have the page's size.
        """
        if self._tree is None:
            return np.full(len(points), self._farthest)
        distance, _ = self._tree.query(points)
        return np.maximum(np.asarray(distance, np.float64) - 0.5, 0.5)

    def measure_stroke(self, thinned: Mask, most: int = 4000) -> float:
        """How wide the lines are in pixels: the median along their middle, measured at `most` places; 0:
        none."""
        places = np.flatnonzero(thinned)
        if not len(places):
            return 0.0
        some = places[np.linspace(0, len(places) - 1, min(most, len(places))).astype(int)]
        row, column = np.divmod(some, thinned.shape[1])
        return float(2 * np.median(self.measure_radii(np.stack([column, row], 1) + 0.5)))


def trace_skeleton(thinned: Mask) -> Skeleton:
    """Take lines of one pixel apart into nodes and paths, every pixel in one of them.

    Pixels with three neighbours or more are junctions, those beside each other one node in their middle. Two
    pixels that meet at a corner are neighbours unless a third joins them already.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    width = thinned.shape[1] + 2
    flat = np.pad(thinned, 1).ravel()
    pixels = np.flatnonzero(flat)
    count = len(pixels)
    if not count:
        return Skeleton(np.zeros((0, 2)), np.zeros((0, 2), np.int64), ())
    places = np.stack([pixels % width, pixels // width], 1) - 0.5  # padded by one: a pixel's middle is at .5
    number = np.full(len(flat), -1)
    number[pixels] = np.arange(count)

    links = []
    for step, corners in ((1, ()), (width, ()), (width + 1, (1, width)), (width - 1, (-1, width))):
        met = flat[pixels + step]
        for corner in corners:
            met = met & ~flat[pixels + corner]
        links.append(np.stack([np.flatnonzero(met), number[pixels[met] + step]], 1))
    link = np.concatenate(links)  # (L, 2)
    joint = np.bincount(link.ravel(), minlength=count) >= 3

    def components(kept: Numbers) -> Numbers:
        graph = coo_array((np.ones(len(kept), np.int8), (kept[:, 0], kept[:, 1])), (count, count))
        return np.asarray(connected_components(graph, directed=False)[1], np.int64)

    joints_met = joint[link].sum(1)
    inner, clustered, fixed = (link[joints_met == met] for met in (0, 2, 1))
    # One node a cluster of junction pixels.
    of_cluster = np.full(count, -1)
    _, of_cluster[joint] = np.unique(components(clustered)[joint], return_inverse=True)
    clusters = of_cluster.max() + 1
    sizes = np.bincount(of_cluster[joint], minlength=clusters)
    middles = (
        np.stack([np.bincount(of_cluster[joint], places[joint, axis], clusters) for axis in (0, 1)], 1)
        / np.maximum(sizes, 1)[:, None]
    )

    # Chains of the other pixels: the first and last pixel of each, rings cut at their first.
    free = np.flatnonzero(~joint)
    if not len(free):
        return Skeleton(middles, np.zeros((0, 2), np.int64), ())
    chain = np.full(count, -1)
    _, chain[free] = np.unique(components(inner)[free], return_inverse=True)
    chains = chain.max() + 1
    first, last = np.full(chains, count), np.full(chains, -1)
    inner_degree = np.bincount(inner.ravel(), minlength=count)
    tips = free[inner_degree[free] < 2]
    np.minimum.at(first, chain[tips], tips)
    np.maximum.at(last, chain[tips], tips)
    ring = last < 0
    np.minimum.at(first, chain[free], np.where(ring[chain[free]], free, count))
    cuts = np.flatnonzero((inner == first[chain[inner[:, 0]]][:, None]).any(1) & ring[chain[inner[:, 0]]])
    _, one = np.unique(chain[inner[cuts, 0]], return_index=True)
    cut = inner[cuts[one]]
    last[chain[cut[:, 0]]] = cut.sum(1) - first[chain[cut[:, 0]]]
    inner = np.delete(inner, cuts[one], axis=0)
    # All chains behind each other are one path: walking it once brings every chain's pixels in order.
    walk = np.concatenate([inner, np.stack([last[:-1], first[1:]], 1)])
    both = np.concatenate([walk, walk[:, ::-1]])
    graph = coo_array((np.ones(len(both), np.int8), (both[:, 0], both[:, 1])), (count, count)).tocsr()
    order = breadth_first_order(graph, int(first[0]), directed=True, return_predecessors=False)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(chain[free], minlength=chains))])

    # What each chain begins and ends at: a cluster that its tip touches, or a node of its own.
    held, by = np.where(joint[fixed[:, :1]], fixed[:, ::-1], fixed).T
    by = of_cluster[by]
    touched = np.full((count, 2), -1)
    sequence = np.argsort(held, kind="stable")
    held, by = held[sequence], by[sequence]
    again = np.diff(held, prepend=-1) == 0
    touched[held[~again], 0], touched[held[again], 1] = by[~again], by[again]
    starts = touched[first, 0]
    stops = np.where(last == first, touched[first, 1], touched[last, 0])

    nodes, ends, paths = list(middles), [], []
    for index in range(chains):
        path = places[order[bounds[index] : bounds[index + 1]]]
        start, stop = int(starts[index]), int(stops[index])
        if len(path) == 1 and start < 0:
            nodes.append(path[0])  # a dot
            continue
        parts = [path]
        if start < 0:
            start = len(nodes)
            nodes.append(path[0])
        else:
            parts.insert(0, middles[start : start + 1])
        if ring[index]:
            stop = start
            parts.append(path[:1])
        elif stop < 0:
            stop = len(nodes)
            nodes.append(path[-1])
        else:
            parts.append(middles[stop : stop + 1])
        ends.append((start, stop))
        paths.append(np.concatenate(parts))
    return Skeleton(np.array(nodes).reshape(-1, 2), np.array(ends, np.int64).reshape(-1, 2), tuple(paths))


def link_paths(ends: Numbers, pairs: Iterable[tuple[int, int]]) -> list[tuple[list[int], bool]]:
    """Paths that go on in each other, as chains.

    `ends` (E, 2) tells how many paths there are; of path e the half 2 e is its beginning and 2 e + 1 its end,
    and `pairs` are halves that go on in each other. A chain is the halves at which its paths are entered, in
    order, and whether it comes back to its beginning.
    """
    other: dict[int, int] = {}
    for one, two in pairs:
        other[one], other[two] = two, one
    count = len(ends)
    seen = [False] * count
    chains: list[tuple[list[int], bool]] = []
    # Chains with an end first; what is left then are rings.
    halves = [half for half in range(2 * count) if half not in other] + list(range(0, 2 * count, 2))
    for half in halves:
        if seen[half // 2]:
            continue
        entered, at = [], half
        while True:
            entered.append(at)
            seen[at // 2] = True
            following = other.get(at ^ 1)
            if following is None or seen[following // 2]:
                break
            at = following
        chains.append((entered, other.get(at ^ 1) == half))
    return chains


def walk_chain(paths: Sequence[Points], entered: Sequence[int]) -> Points:
    """The points of a chain of paths, a place where two paths meet once."""
    parts = [paths[half // 2][::-1] if half % 2 else paths[half // 2] for half in entered]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def dissolve(skeleton: Skeleton) -> Skeleton:
    """The same lines without nodes at which only two paths meet; nodes that have nothing any more stay."""
    halves = skeleton.ends.ravel()
    at_two = np.flatnonzero(skeleton.degrees()[halves] == 2)
    at_two = at_two[np.argsort(halves[at_two], kind="stable")]
    meeting = zip(at_two[::2].tolist(), at_two[1::2].tolist(), strict=True)
    pairs = [(one, two) for one, two in meeting if one // 2 != two // 2]
    chains = link_paths(skeleton.ends, pairs)
    paths = tuple(walk_chain(skeleton.paths, entered) for entered, _ in chains)
    ends = np.array([(halves[entered[0]], halves[entered[-1] ^ 1]) for entered, _ in chains], np.int64)
    kept = np.ones(len(skeleton.nodes), bool)
    kept[halves[at_two]] = False
    kept[ends.ravel()] = True
    renumbered = np.cumsum(kept) - 1
    return Skeleton(skeleton.nodes[kept], renumbered[ends].reshape(-1, 2), paths)


def prune(skeleton: Skeleton, rim: Rim, least: float) -> Skeleton:
    """The skeleton without spurs: side branches of which less than `least` pixels show beside their line.

    `rim`: that of the lines whose skeleton it is. What shows is a branch's length less the half width of the
    line that it stands on, and with its own. A star of nothing but spurs becomes a dot. Two rounds, as spurs
    fork. The same object where nothing goes.
    """
    for _ in range(2):
        if not len(skeleton.ends):
            return skeleton
        degrees = skeleton.degrees()[skeleton.ends]
        radii = rim.measure_radii(skeleton.nodes)[skeleton.ends]
        tip = degrees.argmin(1)[:, None]
        shown = (
            skeleton.lengths()
            + np.take_along_axis(radii, tip, 1)[:, 0]
            - np.take_along_axis(radii, 1 - tip, 1)[:, 0]
        )
        spur = (degrees.min(1) == 1) & (degrees.max(1) >= 3) & (shown < least)
        if not spur.any():
            return skeleton
        gone = np.zeros(len(skeleton.nodes), bool)
        gone[np.take_along_axis(skeleton.ends, tip, 1)[spur, 0]] = True
        renumbered = np.cumsum(~gone) - 1
        paths = tuple(path for path, drop in zip(skeleton.paths, spur, strict=True) if not drop)
        skeleton = dissolve(Skeleton(skeleton.nodes[~gone], renumbered[skeleton.ends[~spur]], paths))
    return skeleton
