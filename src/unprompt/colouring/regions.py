"""Line art as closed regions: what is coloured as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring_pages.regions import spread_regions
from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Labels = NDArray[np.int32]

LINE = 160  # of 255: what is darker is line
GAP = 0.02  # line ends are joined to what is ahead within this share of the diagonal
FACING = 0.04  # and to ends that look at them within this
WORKED = 1024  # pixels of the longest side at which gaps are looked for


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a drawing: `labels` (H, W) are 0 on lines and 1..R in regions."""

    labels: Labels

    @property
    def count(self) -> int:
        """R."""
        return len(self.areas) - 1

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each region (R + 1,), those of lines first."""
        return np.bincount(self.labels.ravel())

    @property
    def on_border(self) -> Mask:
        """Which regions (R,) touch the drawing's border."""
        labels = self.labels
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        touching = np.zeros(self.count + 1, bool)
        touching[border] = True
        found: Mask = touching[1:]
        return found

    def reduced(self) -> Regions:
        """The same regions by every so many pixels of large drawings, WORKED a side at most.

        A region that lies between those pixels keeps one, or none where another one took it.
        """
        step = -(-max(self.labels.shape) // WORKED)
        if step == 1:
            return self
        small = np.ascontiguousarray(self.labels[::step, ::step])
        lost = (self.areas > 0) & (np.bincount(small.ravel(), minlength=len(self.areas)) == 0)
        lost[0] = False
        if lost.any():
            first = np.zeros(len(self.areas), np.int64)
            flat = self.labels.ravel()
            first[flat[::-1]] = np.arange(len(flat))[::-1]
            y, x = np.divmod(first[lost], self.labels.shape[1])
            small[y // step, x // step] = np.flatnonzero(lost)
        return Regions(small)

    @cached_property
    def spread(self) -> Labels:
        """The labels (H, W) with each line's pixels given to the region that is nearest.

        So that colour reaches under the lines. All 0 where there is no region.
        """
        return spread_regions(self.labels) if self.count else self.labels


def find_regions(page: Bytes, bridge: bool = True, smallest: float = 0.0) -> Regions:
    """The regions that the lines of a page (H, W) enclose, dark lines on white, numbered in row order.

    `bridge`: line ends that look at each other, or at a line before them, part regions as if they met.
    `smallest`: what is smaller, as a share of the page, belongs to the lines. Connected over sides, not
    corners, so that lines one pixel wide part them.
    """
    with needed_for("colouring", "pages", ConfigError):
        from scipy import ndimage
    lines = page < LINE
    walls = lines | find_bridges(lines) if bridge else lines
    labels, count = ndimage.label(~walls)
    if smallest:
        large = np.bincount(labels.ravel(), minlength=count + 1) >= smallest * page.size
        large[0] = False
        labels = (np.cumsum(large) * large).astype(np.int32)[labels]
    return Regions(labels)


def find_bridges(lines: Mask) -> Mask:
    """What closes the gaps of lines (H, W): looked for at WORKED pixels a side at most."""
    from unprompt.colouring_pages.clean import close_gaps

    if not lines.any() or lines.all():
        return np.zeros_like(lines)
    height, width = lines.shape
    step = -(-max(height, width) // WORKED)
    if step > 1:  # a line in any of the pixels that become one is a line
        padded = np.pad(lines, ((0, -height % step), (0, -width % step)))
        small = np.logical_or.reduce(padded.reshape(padded.shape[0] // step, step, -1, step), axis=(1, 3))
    else:
        small = lines
    diagonal = float(np.hypot(*small.shape))
    bridges: Mask = close_gaps(small, GAP * diagonal, FACING * diagonal, 2.0) & ~small
    return bridges.repeat(step, 0).repeat(step, 1)[:height, :width] if step > 1 else bridges


def fills_of(regions: Regions, fills: NDArray[np.integer]) -> NDArray[np.int64]:
    """The value of `fills` (H, W) that most pixels of each region have: (R,)."""
    inside = regions.labels > 0
    values, place = np.unique(fills[inside], return_inverse=True)
    # A photograph has a colour for nearly each pixel: only those that a region really has are counted.
    cells = (regions.labels[inside].astype(np.int64) - 1) * len(values) + place.ravel()
    cells, votes = np.unique(cells, return_counts=True)
    region, value = np.divmod(cells, max(1, len(values)))
    order = np.lexsort((value, -votes, region))  # of equal votes the least value
    there, first = np.unique(region[order], return_index=True)
    found = np.zeros(regions.count, np.int64)
    found[there] = values[value[order[first]]]
    return found
