"""Lines made closed: a drawing's own lines, the borders that only its colours show, and the gaps between.

The lines of a drawing such as OpenMoji's break off for the eye's sake, and leave out borders that colour
shows. A colouring page wants each area closed, so that it can be filled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.pocket.textures import Bytes, Mask, Whole

    Reals = NDArray[np.float64]

NOTHING = -1  # where there is no fill
BLACK = 0  # the fill of what was a solid black area

# All in strokes.
NARROW = 0.8  # half the width below which an area of colour alone is no area
BESIDE = 0.15  # what stands so near to a line belongs to no area
JOINED = 2.4  # two line ends that look at each other are joined up to this distance, from middle to middle
MET = 1.4  # an end is drawn out to a line before it up to this distance
CLOSED = 0.3  # what parts two lines by less than twice this is filled
SOLID = 1.5  # half the width from which a black area is no line but a fill
BLOB = 0.85  # half the width from which a black area is a blob, which is kept as it is


@dataclass(frozen=True, eq=False)
class ClosedLines:
    """A drawing with its lines closed; all arrays (H, W).

    `middles`: lines one pixel wide. `blobs`: small solid areas. `regions`: what fill each pixel has where all
    lines are taken away, NOTHING among them. `marks`: lines that lie within one fill, as wide as they were.
    `shown`: as `middles`, but only of the borders that `regions` has.
    """

    middles: Mask
    blobs: Mask
    regions: Whole
    marks: Mask
    shown: Mask

    def ink(self, width: float) -> Bytes:
        """The page (H, W), black lines of `width` pixels on white with smooth edges, and blobs."""
        return drawn(self.middles, width, self.blobs)

    def ink_shown(self, width: float) -> Bytes:
        """As `ink`, of the borders alone that the fills show."""
        return drawn(self.shown, width)


def drawn(middles: Mask, width: float, blobs: Mask | None = None) -> Bytes:
    """Lines one pixel wide as lines of `width` pixels: (H, W) uint8, black on white with smooth edges."""
    ink = np.clip(width / 2 + 0.5 - _distance(middles), 0, 1)
    if blobs is not None:
        ink[blobs] = 1
    return np.rint(255 - 255 * ink).astype(np.uint8)


def close_lines(fills: Whole, lines: Mask, stroke: float) -> ClosedLines:
    """Close the lines of a drawing.

    `fills`: (H, W) the colour of each pixel as a whole number, NOTHING where there is none; under lines it
    does not matter. `lines`: (H, W) where lines are. `stroke`: their width in pixels, at least 3.

    Areas of colour get a border where none is drawn, if they are wide enough to be seen as areas; narrower
    ones are lines themselves, and slivers between a line and the fill that it belongs to are nothing. Solid
    black areas become a fill with a rim. Line ends that look at each other are joined.
    """
    part = _box((fills != NOTHING) | lines, math.ceil(2 * stroke))
    found = _close(fills[part], lines[part], stroke)

    def whole(mask: Mask) -> Mask:
        page = np.zeros(lines.shape, bool)
        page[part] = mask
        return page

    regions = np.full(fills.shape, NOTHING, fills.dtype)
    regions[part] = found.regions
    return ClosedLines(
        whole(found.middles), whole(found.blobs), regions, whole(found.marks), whole(found.shown)
    )


def _box(mask: Mask, around: int) -> tuple[slice, slice]:
    """The smallest box that has all of a mask, and so many pixels around it."""
    if not mask.any():
        return np.s_[:1, :1]
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(0, int(rows[0]) - around), int(rows[-1]) + around + 1),
        slice(max(0, int(columns[0]) - around), int(columns[-1]) + around + 1),
    )


def _close(fills: Whole, lines: Mask, stroke: float) -> ClosedLines:
    fills, lines, blobs = _hollowed(fills, lines, stroke)
    to_lines = _distance(lines)
    regions = _regions(fills, lines, to_lines, stroke)
    thin = _thin(~lines & (fills != regions) & (to_lines > 0.6 * stroke), to_lines, stroke)
    regions = np.where(thin, fills, regions)

    to_border = _distance(borders(regions) & ~thin)
    strokes = lines | thin | (to_border <= stroke / 2)
    strokes = _distance(~(_distance(strokes) <= CLOSED * stroke)) > CLOSED * stroke
    middles = _joined(thinned(_filled(strokes, (0.8 * stroke) ** 2)), stroke)
    middles = _without_specks(middles, blobs, stroke)

    inner = _large(lines & (to_border > 0.75 * stroke), 0.5 * stroke**2)
    marks = lines & (_distance(inner) <= 0.85 * stroke)
    shown = thinned(_filled(thin | (to_border <= stroke / 2), (0.8 * stroke) ** 2))
    return ClosedLines(middles, blobs, regions, marks, _without_specks(shown, np.zeros_like(blobs), stroke))


def thinned(lines: Mask) -> Mask:
    """Lines one pixel wide, in their middles: (H, W)."""
    with needed_for("thin lines", "pages", ConfigError):
        from skimage.morphology import skeletonize

    found: Mask = skeletonize(lines)
    return found


def borders(regions: Whole) -> Mask:
    """Where a pixel's value is another than its right or its lower neighbour's: (H, W)."""
    found = np.zeros(regions.shape, bool)
    found[:, :-1] = regions[:, 1:] != regions[:, :-1]
    found[:-1] |= regions[1:] != regions[:-1]
    return found


def _hollowed(fills: Whole, lines: Mask, stroke: float) -> tuple[Whole, Mask, Mask]:
    """Fills and lines with large black areas as fills, of which the rim is line; and small ones, the
    blobs."""
    depth = _distance(~lines)
    solid = depth > SOLID * stroke
    inside = (depth > stroke) & (_distance(solid) <= SOLID * stroke)
    lines = lines & ~inside
    thick = (depth > BLOB * stroke) & (_distance(inside) > 2 * stroke)
    return np.where(inside, BLACK, fills), lines, lines & (_distance(thick) <= BLOB * stroke)


def _regions(fills: Whole, lines: Mask, to_lines: Reals, stroke: float) -> Whole:
    """The fill of each pixel without lines: fills grow under them until they meet in their middle."""
    free = ~lines
    changes = borders(fills)
    # A border belongs to both of its sides, and one under or beside a line is the line's.
    changes[:, 1:] |= fills[:, 1:] != fills[:, :-1]
    changes[1:] |= fills[1:] != fills[:-1]
    changes &= to_lines > 1.5
    core = free & (to_lines > BESIDE * stroke) & (_distance(changes) > NARROW * stroke)
    if not core.any():
        return np.where(free, fills, NOTHING)
    distance, nearest = _nearest(core)
    seeds = free & (distance <= 1.2 * NARROW * stroke + 1) & (fills[nearest] == fills)
    found: Whole = fills[_nearest(seeds)[1]]
    return found


def _thin(lost: Mask, to_lines: Reals, stroke: float) -> Mask:
    """Areas too narrow for a region that are lines of their own: large enough, and away from other lines."""
    labels, count = _labelled(lost)
    if not count:
        return lost
    size = np.bincount(labels.ravel(), minlength=count + 1)
    away = np.zeros(count + 1, bool)
    away[labels[lost & (to_lines > 1.3 * stroke)]] = True
    keep = away & (size > 0.8 * stroke**2)
    keep[0] = False
    found: Mask = keep[labels]
    return found


def _filled(strokes: Mask, area: float) -> Mask:
    """Strokes without holes smaller than `area`."""
    return ~_large(~strokes, area)


def _large(mask: Mask, area: float) -> Mask:
    """The connected parts of a mask that have more than `area` pixels."""
    labels, count = _labelled(mask)
    keep = np.bincount(labels.ravel(), minlength=count + 1) > area
    keep[0] = False
    found: Mask = keep[labels]
    return found


def _without_specks(middles: Mask, blobs: Mask, stroke: float) -> Mask:
    """Lines without those that are hardly longer than wide, unless they are the middle of a blob."""
    labels, count = _labelled(middles)
    keep = np.bincount(labels.ravel(), minlength=count + 1) > 0.8 * stroke
    keep[labels[middles & blobs]] = True
    keep[0] = False
    found: Mask = keep[labels]
    return found


def _joined(middles: Mask, stroke: float) -> Mask:
    """Lines with their ends joined: end to end where they look at each other, else to a line just before."""
    from scipy import ndimage

    around = ndimage.convolve(middles.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    ends = [(int(y), int(x)) for y, x in np.argwhere(middles & (around == 2))]
    looks = {end: _look(middles, end, math.ceil(1.2 * stroke)) for end in ends}
    middles = middles.copy()
    joined: set[tuple[int, int]] = set()
    pairs = sorted((math.dist(*pair), *pair) for pair in combinations(ends, 2))
    for distance, first, second in pairs:
        if distance > JOINED * stroke or {first, second} & joined:
            continue
        way = (np.subtract(second, first)) / distance
        if looks[first] @ way > 0.75 and looks[second] @ -way > 0.75:
            _draw(middles, first, second)
            joined |= {first, second}
    for end in ends:
        if end not in joined:
            _meet(middles, end, looks[end], round(MET * stroke))
    return middles


def _look(middles: Mask, end: tuple[int, int], reach: int) -> Reals:
    """Where a line's end looks: a unit vector (y, x) from the middle of its last `reach` pixels."""
    y, x = end
    top, left = max(0, y - reach), max(0, x - reach)
    labels, _ = _labelled(middles[top : y + reach + 1, left : x + reach + 1])
    points = np.argwhere(labels == labels[y - top, x - left]) + np.array((top, left))
    way = np.array(end) - points.mean(axis=0)
    length = float(np.hypot(*way))
    # A dot looks nowhere, and a line that runs on both sides of its end has no direction.
    return way / length if length > reach / 4 else np.zeros(2)


def _meet(middles: Mask, end: tuple[int, int], way: Reals, reach: int) -> None:
    """Draw a line's end out to what it would meet within `reach` pixels, where there is anything."""
    if not way.any():
        return
    height, width = middles.shape
    for step in range(3, reach + 1):
        y, x = (int(value) for value in np.rint(end + way * step))
        if not (0 < y < height - 1 and 0 < x < width - 1):
            return
        if middles[y - 1 : y + 2, x - 1 : x + 2].any():
            _draw(middles, end, (y, x))
            return


def _draw(middles: Mask, start: tuple[int, int], end: tuple[int, int]) -> None:
    from skimage.draw import line

    middles[line(*start, *end)] = True


def _distance(mask: Mask) -> Reals:
    """How far each pixel is from the mask, in pixels; infinitely far from an empty one."""
    from scipy import ndimage

    if not mask.any():
        return np.full(mask.shape, np.inf)
    found: Reals = ndimage.distance_transform_edt(~mask)
    return found


def _nearest(mask: Mask) -> tuple[Reals, tuple[Whole, Whole]]:
    """How far each pixel is from the mask, and rows and columns of the mask's pixel that is nearest."""
    from scipy import ndimage

    distance, (rows, columns) = ndimage.distance_transform_edt(~mask, return_indices=True)
    return distance, (rows, columns)


def _labelled(mask: Mask) -> tuple[Whole, int]:
    """Connected parts, corners touching: a number from 1 on for each pixel of the mask, and how many."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3), bool))
    return labels, count
