"""Ink becomes clean lines: black or white, closed, without specks, small patterns and solid black."""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring_pages.methods import measure_diagonal
from unprompt.colouring_pages.skeleton import (
    NEIGHBOURS,
    Rim,
    Skeleton,
    dilate,
    dissolve,
    erode,
    prune,
    thin,
    trace_skeleton,
    true_as_one,
)
from unprompt.errors import ConfigError, InputError
from unprompt.settings import check_settings, setting
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Points = NDArray[np.float64]
    Numbers = NDArray[np.int64]

DETAILS = {"low": 2.0, "middle": 1.0, "high": 0.5}  # what the least sizes of things to keep are times


@dataclass(frozen=True)
class CleanSettings:
    """How ink becomes lines. Lengths are shares of the page's diagonal, or strokes: the ink's line width.

    The diagonal of a page more than four times as long as it is broad is that of a part of it.
    """

    detail: str = setting("middle", "how much of small things and patterns stays", choices=tuple(DETAILS))
    sure: float = setting(0.5, "ink from here on is line", above=0, most=1)
    likely: float = setting(
        0.35, "ink from here on is line where it hangs together with such", above=0, most=1
    )
    least_stroke: float = setting(
        0.004, "thinner lines count as this wide (share of the diagonal)", above=0, most=0.1
    )
    most_stroke: float = setting(
        0.03, "wider lines count as this wide (share of the diagonal)", above=0, most=0.1
    )
    double: float = setting(
        0.004,
        "paper narrower than this between lines is filled, so that double lines become one (share of the "
        "diagonal, by middle detail)",
        least=0,
        most=0.1,
    )
    speck: float = setting(
        0.015, "lines shorter than this go (share of the diagonal, by middle detail)", least=0, most=1
    )
    gap: float = setting(
        0.02, "line ends are joined to lines ahead within this (share of the diagonal)", least=0, most=1
    )
    facing: float = setting(
        0.04,
        "line ends that look at each other are joined within this (share of the diagonal)",
        least=0,
        most=1,
    )
    solid: float = setting(3.0, "black areas wider than this many strokes keep only their rim", above=1)
    crayon: float = setting(
        0.012,
        "parts narrower than this between thin lines are merged (share of the diagonal, by middle detail)",
        least=0,
        most=1,
    )
    area: float = setting(
        0.0,
        "parts smaller than a square of this side lose their faintest line; 0: none (share of the diagonal, "
        "by middle detail)",
        least=0,
        most=1,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.likely > self.sure:
            raise ConfigError(f"likely must be at most sure, got {self.likely:g} and {self.sure:g}")
        if self.least_stroke > self.most_stroke:
            raise ConfigError(
                "least_stroke must be at most most_stroke, got "
                f"{self.least_stroke:g} and {self.most_stroke:g}"
            )


def clean(ink: NDArray[np.float32], settings: CleanSettings | None = None) -> Mask:
    """Make lines (H, W), true where black, of ink (H, W) from 0 paper to 1 line.

    In this order: lines by two thresholds; double lines filled; specks away; solid black hollowed; line ends
    joined; small closed parts merged; parts smaller than `area` joined to a neighbour; thorns and what is a
    speck now away. A page without ink has no lines.
    InputError where `ink` is not such an array.
    """
    settings = settings or CleanSettings()
    given: NDArray[np.generic] = np.asarray(ink)
    if given.ndim != 2 or 0 in given.shape or given.dtype.kind not in "fb":
        raise InputError(f"ink is a float array (H, W) from 0 to 1, got {given.dtype} {given.shape}")
    ink = (true_as_one(given) if given.dtype == bool else given).astype(np.float32)
    if not (ink.min() >= 0 and ink.max() <= 1):  # not a number is neither
        raise InputError(f"ink is from 0 (paper) to 1 (line), got {ink.min():g} to {ink.max():g}")
    diagonal = measure_diagonal(ink.shape)
    kept = DETAILS[settings.detail]
    lines = find_lines(ink, settings.likely, settings.sure)
    coarse = max(1, int(settings.least_stroke * diagonal / 2))  # finer is no use, and thinning takes longest
    few = lines[::coarse, ::coarse]
    width = coarse * Rim(few).measure_stroke(thin(few))
    stroke = float(np.clip(width, settings.least_stroke * diagonal, settings.most_stroke * diagonal))
    speck = settings.speck * kept * diagonal

    lines = fill_doubles(lines, settings.double * kept * diagonal)
    lines = remove_specks(lines, speck / 2, stroke)
    lines = hollow(lines, settings.solid * stroke, stroke)
    lines = close_gaps(lines, settings.gap * diagonal, settings.facing * diagonal, width)
    # Curves are drawn with thinner lines than the ink's, which leave the more paper.
    room = stroke - settings.least_stroke * diagonal
    lines = merge_small_regions(lines, settings.crayon * kept * diagonal - room, stroke)
    lines = join_small_parts(lines, ink, (settings.area * kept * diagonal) ** 2, stroke)
    lines = remove_spurs(lines, speck / 2, stroke)
    return remove_specks(lines, speck, stroke)


def find_lines(ink: NDArray[np.float32], likely: float, sure: float) -> Mask:
    """Ink above `likely` that hangs together, not only over corners, with some above `sure`."""
    with needed_for("cleaning a page", "pages", ConfigError):
        from scipy import ndimage

    labels, count = ndimage.label(ink > likely)
    kept = np.zeros(count + 1, bool)
    kept[labels[ink > sure]] = True
    kept[0] = False
    lines: Mask = kept[labels]
    return lines


def fill_doubles(lines: Mask, narrow: float) -> Mask:
    """Fill paper that is narrower than so many pixels."""
    return erode(dilate(lines, narrow / 2), narrow / 2) | lines


def remove_specks(lines: Mask, least: float, stroke: float) -> Mask:
    """The lines without pieces shorter than `least` pixels.

    How long a piece is: its ink divided by the line width `stroke`, or its greatest side. So a small ring or
    a solid dot counts as more than a dash of its size.
    """
    from scipy import ndimage

    labels, count = ndimage.label(lines, NEIGHBOURS)
    if not count:
        return lines
    place = np.flatnonzero(lines)
    label = labels.ravel()[place] - 1
    ink = np.bincount(label) / stroke
    sides = np.zeros(count, np.int64)
    for along in np.divmod(place, lines.shape[1]):
        first, last = np.full(count, max(lines.shape)), np.zeros(count, np.int64)
        np.minimum.at(first, label, along)
        np.maximum.at(last, label, along)
        sides = np.maximum(sides, last + 1 - first)
    kept = np.concatenate([[False], np.maximum(ink, sides) >= least])
    found: Mask = kept[labels]
    return found


def hollow(lines: Mask, widest: float, rim: float) -> Mask:
    """Leave a rim so wide of black areas wider than `widest` pixels. The page's border is no rim."""
    from scipy import ndimage

    core = erode(lines, widest / 2)
    if not core.any():
        return lines
    inside, count = ndimage.label(erode(lines, rim), NEIGHBOURS)
    empty = np.zeros(count + 1, bool)
    empty[inside[core]] = True
    empty[0] = False
    rims: Mask = lines & ~empty[inside]
    return rims


def close_gaps(lines: Mask, ahead: float, facing: float, stroke: float) -> Mask:
    """Join line ends to the nearest line at most `ahead` pixels before them, by a line as wide as `stroke`.

    The nearer, the more a join may turn from the line's direction: up to 85 degrees at no distance, 40 at the
    greatest. The page's border counts as a line. Two ends that look at each other, within 30 degrees, are
    joined up to `facing` pixels, and preferred.
    """
    skeleton = prune(dissolve(trace_skeleton(thin(lines))), Rim(lines), stroke)
    halves = skeleton.ends.ravel()
    loose = np.flatnonzero(skeleton.degrees()[halves] == 1)  # halves of paths, as link_paths numbers them
    if not len(loose):
        return lines
    places = skeleton.nodes[halves[loose]]  # (E, 2)
    looks = np.empty_like(places)
    for number, half in enumerate(loose):
        path = skeleton.paths[half // 2]
        back = min(len(path) - 1, round(max(6.0, 2 * stroke)))
        looks[number] = path[-1] - path[-1 - back] if half % 2 else path[0] - path[back]
    looks /= np.maximum(np.hypot(*looks.T), 1e-9)[:, None]

    # What each end may be joined to: the end, the way, the other end there or -1.
    found = [
        _find_lines(skeleton, loose, places, ahead + stroke if ahead else 0),
        _find_border(places, lines.shape, ahead),
        _find_ends(skeleton, loose, places, facing + stroke if facing else 0),
    ]
    end, way, other = (np.concatenate(parts) for parts in zip(*found, strict=True))
    paired = np.arange(len(end)) >= len(end) - len(found[-1][0])
    distance = np.hypot(*way.T)
    unit = way / distance[:, None]
    straight = (unit * looks[end]).sum(1)
    looks_back = np.where(other >= 0, -(unit * looks[other]).sum(1), 0)
    widest = np.where(paired, 30, 85 - 45 * np.clip((distance - stroke) / max(ahead, 1e-9), 0, 1))
    cost = distance * (1 + 1.5 * (1 - straight)) * (1 - 0.4 * np.clip(looks_back, 0, 1))
    cost[np.where(paired, np.minimum(straight, looks_back), straight) < np.cos(np.deg2rad(widest))] = np.inf
    order = np.lexsort((cost, end))
    best = order[np.diff(end[order], prepend=-1) > 0]  # of each end
    best = best[np.isfinite(cost[best])]
    joined = np.zeros(len(loose), bool)
    drawn = []
    for number in best[np.argsort(cost[best])].tolist():
        if joined[end[number]]:
            continue
        joined[end[number]] = True
        if other[number] >= 0:
            joined[other[number]] = True
        drawn.append(number)
    return lines | _draw(places[end[drawn]], way[drawn], stroke, lines.shape)


def _find_lines(
    skeleton: Skeleton, loose: Numbers, places: Points, most: float
) -> tuple[Numbers, Points, Numbers]:
    """All points of paths near each of the loose ends: that end, the way there, the end that it is or -1."""
    from scipy.spatial import cKDTree

    counts = np.array([len(path) for path in skeleton.paths])
    starts = np.cumsum(counts) - counts
    points = np.concatenate(skeleton.paths)
    path_of = np.repeat(np.arange(len(counts)), counts)
    on_path = np.arange(len(points)) - starts[path_of]
    end_at = np.full(len(points), -1)
    end_at[starts[loose // 2] + np.where(loose % 2, counts[loose // 2] - 1, 0)] = np.arange(len(loose))
    found = cKDTree(points).query_ball_point(places, most)
    end = np.repeat(np.arange(len(loose)), [len(one) for one in found])
    target = np.concatenate([np.asarray(one, np.int64) for one in found])
    way = points[target] - places[end]
    distance = np.hypot(*way.T)
    from_tip = np.where(loose[end] % 2, counts[path_of[target]] - 1 - on_path[target], on_path[target])
    # A line's own last part lies behind its end: what is not much farther along the line than straight on.
    usable = (distance > 0) & ((path_of[target] != loose[end] // 2) | (from_tip > 3 * distance))
    return end[usable], way[usable], end_at[target[usable]]


def _find_border(places: Points, shape: tuple[int, ...], most: float) -> tuple[Numbers, Points, Numbers]:
    """The page's borders near each of the ends, as `_find_lines` gives lines."""
    height, width = shape
    feet = np.stack([places] * 4, 1)  # (E, 4, 2)
    feet[:, 0, 0], feet[:, 1, 0], feet[:, 2, 1], feet[:, 3, 1] = 0.5, width - 0.5, 0.5, height - 0.5
    ways = (feet - places[:, None]).reshape(-1, 2)
    distance = np.hypot(*ways.T)
    near = np.flatnonzero((distance > 0) & (distance <= most))
    return near // 4, ways[near], np.full(len(near), -1)


def _find_ends(
    skeleton: Skeleton, loose: Numbers, places: Points, most: float
) -> tuple[Numbers, Points, Numbers]:
    """The other ends near each of the ends, as `_find_lines` gives lines."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(places).query_pairs(most, output_type="ndarray").reshape(-1, 2)
    end, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    way = places[other] - places[end]
    distance = np.hypot(*way.T)
    counts = np.array([len(path) for path in skeleton.paths])
    same = loose[end] // 2 == loose[other] // 2
    usable = (distance > 0) & (~same | (counts[loose[end] // 2] > 3 * distance))
    return end[usable], way[usable], other[usable]


def _draw(starts: Points, ways: Points, stroke: float, shape: tuple[int, ...]) -> Mask:
    """Straight lines of a width from `starts` (N, 2) along `ways` (N, 2), on a page of (H, W)."""
    page = np.zeros(shape, bool)
    steps = np.linspace(0, 1, 2 + int(2 * np.abs(ways).max(initial=0)))[:, None, None]
    x, y = np.floor(starts + steps * ways).astype(int).transpose(2, 0, 1)
    page[np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)] = True
    return dilate(page, (stroke - 1) / 2) if stroke > 1 else page


def merge_small_regions(lines: Mask, narrowest: float, stroke: float) -> Mask:
    """Close parts of the paper into which no circle of `narrowest` pixels fits.

    One between larger parts becomes a line in its middle, so that no outline of those is opened; many beside
    each other, a pattern, become one part with a rim. Parts with a single neighbour stay: an eye, a button.
    """
    from scipy import ndimage

    if narrowest <= 0:
        return lines
    paper, count = ndimage.label(~lines)
    small = np.ones(count + 1, bool)
    small[np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])] = small[0] = False
    if not small.any():
        return lines
    small[paper[erode(~lines, narrowest / 2)]] = False
    if not small.any():
        return lines
    small &= _count_neighbours(thin(lines), paper) >= 2
    filled = small[paper]
    if not filled.any():
        return lines
    closed = hollow(lines | filled, narrowest + 2.5 * stroke, stroke)
    around = dilate(filled & closed, stroke + 1)
    middle = dilate(thin(closed) & around, (stroke - 1) / 2)
    found: Mask = (closed & ~around) | middle
    return found


def join_small_parts(lines: Mask, ink: NDArray[np.float32], least: float, stroke: float) -> Mask:
    """The lines without the faintest one around each part of the paper of less than `least` pixels.

    The smallest part first, until none is left with two neighbours: one with a single neighbour stays, an eye
    or a button, unless it is at the page's border. How faint a line is: the mean of its `ink` (H, W).
    """
    from scipy import ndimage

    if not least or not lines.any():
        return lines
    around = 1 + math.ceil(stroke)  # so that lines reach the page's border when they are thin
    thinned = thin(np.pad(lines, around, mode="edge"))[around:-around, around:-around]
    parts, count = ndimage.label(~thinned)  # each with half of the lines around it
    y, x = np.nonzero(thinned)
    padded = np.pad(parts, 1)
    beside = np.stack([padded[y + dy, x + dx] for dy in range(3) for dx in range(3)])
    one, other = beside.max(0), np.where(beside > 0, beside, count + 1).min(0)
    # A pixel that more than two parts meet at is of no wall.
    wall = (one > other) & ((beside == one) | (beside == other) | (beside == 0)).all(0)
    y, x, one, other = (values[wall] for values in (y, x, one, other))
    root = _join_parts(
        np.bincount(parts.ravel())[1:],
        _list_walls(one - 1, other - 1, ink[y, x], count),
        _at_border(parts),
        least,
    )
    opened = root[one - 1] == root[other - 1]
    if not opened.any():
        return lines
    kept = thinned.copy()
    kept[y[opened], x[opened]] = False
    nearest = ndimage.distance_transform_edt(~thinned, return_distances=False, return_indices=True)
    # Half a stroke is the body of a line that stays; with more, short walls would stay closed.
    found: Mask = lines & (kept[tuple(nearest)] | dilate(kept, 0.5 * stroke))
    return found


Walls = list[dict[int, tuple[float, int]]]  # of each part: its neighbours, the ink between, and the pixels


def _list_walls(one: Numbers, other: Numbers, ink: NDArray[np.float32], count: int) -> Walls:
    """The walls of `count` parts, by their pixels (P): the parts on both sides, and the ink."""
    codes, of, lengths = np.unique(one * np.int64(count) + other, return_inverse=True, return_counts=True)
    sums = np.bincount(of, weights=ink, minlength=len(codes))
    walls: Walls = [{} for _ in range(count)]
    for code, total, length in zip(codes.tolist(), sums.tolist(), lengths.tolist(), strict=True):
        first, second = divmod(code, count)
        walls[first][second] = walls[second][first] = (total, length)
    return walls


def _at_border(parts: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which of the parts numbered from 1 reach the page's border (N)."""
    found = np.zeros(int(parts.max()) + 1, bool)
    found[np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])] = True
    return found[1:]


def _join_parts(areas: Numbers, walls: Walls, at_border: NDArray[np.bool_], least: float) -> Numbers:
    """Which part each (N) has become one with, as `join_small_parts` joins them. `walls` are used up."""
    root = np.arange(len(areas))
    size, border = areas.tolist(), at_border.tolist()
    small = [(area, part) for part, area in enumerate(size) if area < least]
    heapify(small)
    while small:
        area, part = heappop(small)
        around = walls[part]
        if size[part] != area or len(around) < (1 if border[part] else 2):
            continue
        into = min(around, key=lambda beside: (around[beside][0] / around[beside][1], beside))
        size[into] += area
        border[into] = border[into] or border[part]
        size[part] = 0
        root[root == part] = into
        del walls[into][part]
        for beside, (ink, length) in around.items():
            if beside != into:
                del walls[beside][part]
                before = walls[into].get(beside, (0.0, 0))
                walls[into][beside] = walls[beside][into] = (before[0] + ink, before[1] + length)
        walls[part] = {}
        if size[into] < least:
            heappush(small, (size[into], into))
    return root


def remove_spurs(lines: Mask, least: float, stroke: float) -> Mask:
    """The lines without thorns: side branches of which less than `least` pixels show.

    What is near a line's middle, by three quarters of its width `stroke`, stays: a blunt or pointed end is no
    thorn.
    """
    from scipy import ndimage

    if least <= 0.75 * stroke:
        return lines
    thinned = thin(lines)
    skeleton = dissolve(trace_skeleton(thinned))
    pruned = prune(skeleton, Rim(lines), least)
    if pruned is skeleton:
        return lines
    kept = np.zeros_like(lines)
    x, y = np.floor(np.concatenate([pruned.nodes, *pruned.paths])).astype(int).T
    kept[y, x] = True
    kept |= thinned & dilate(kept, 1.5)  # the pixels of a junction, which is in their middle
    nearest = ndimage.distance_transform_edt(~thinned, return_distances=False, return_indices=True)
    found: Mask = lines & (kept[tuple(nearest)] | dilate(kept, 0.75 * stroke))
    return found


def _count_neighbours(thinned: Mask, paper: NDArray[np.int32]) -> Numbers:
    """With how many others each numbered part of the paper (N + 1) shares a wall, by lines one pixel wide."""
    from scipy import ndimage

    count = int(paper.max()) + 1
    parts, _ = ndimage.label(~thinned)  # each holds one part of the paper, and half of the walls around it
    of_part = np.zeros(int(parts.max()) + 1, np.int64)
    of_part[parts[paper > 0]] = paper[paper > 0]
    beside = np.pad(of_part[parts] * ~thinned, 1)
    y, x = np.nonzero(thinned)
    around = np.stack([beside[y + 1 + dy, x + 1 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    one, two = (around[pixels].ravel() for pixels in np.triu_indices(8, 1))
    meet = (one > 0) & (two > 0) & (one != two)
    one, two = one[meet], two[meet]
    key = np.unique(np.minimum(one, two) * count + np.maximum(one, two))
    return np.bincount(np.concatenate([key // count, key % count]), minlength=count)
