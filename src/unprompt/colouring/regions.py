"""Line art as closed regions: what is coloured as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

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

    @cached_property
    def spread(self) -> Labels:
        """The labels (H, W) with each line's pixels given to the region that is nearest.

        So that colour reaches under the lines. All 0 where there is no region.
        """
        if not self.count:
            return self.labels
        from scipy import ndimage

        nearest = ndimage.distance_transform_edt(
            self.labels == 0, return_distances=False, return_indices=True
        )
        spread: Labels = self.labels[tuple(nearest)]
        return spread


def find_regions(page: Bytes, bridge: bool = True) -> Regions:
    """The regions that the lines of a page (H, W) enclose, dark lines on white.

    `bridge`: line ends that look at each other, or at a line before them, part regions as if they met.
    Connected over sides, not corners, so that lines one pixel wide part them.
    """
    with needed_for("colouring", "colouring", ConfigError):
        from scipy import ndimage
    lines = page < LINE
    walls = lines | bridged(lines) if bridge else lines
    labels, _ = ndimage.label(~walls)
    return Regions(labels)


def bridged(lines: Mask) -> Mask:
    """Lines (H, W), with their gaps closed."""
    from unprompt.colouring_pages.clean import close_gaps

    if not lines.any() or lines.all():
        return lines
    diagonal = float(np.hypot(*lines.shape))
    closed: Mask = close_gaps(lines, GAP * diagonal, FACING * diagonal, 2.0)
    return closed


def fills_of(regions: Regions, fills: NDArray[np.integer]) -> NDArray[np.int64]:
    """The value of `fills` (H, W) that most pixels of each region have: (R,)."""
    inside = regions.labels > 0
    values, place = np.unique(fills[inside], return_inverse=True)
    votes = np.zeros((regions.count, len(values)), np.int64)
    np.add.at(votes, (regions.labels[inside] - 1, place.ravel()), 1)
    found: NDArray[np.int64] = values[votes.argmax(1)] if len(values) else np.zeros(0, np.int64)
    return found
