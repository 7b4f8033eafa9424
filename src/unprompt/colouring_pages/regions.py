"""The closed regions of a page: the parts of the paper that its lines enclose, which a crayon can fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring_pages.skeleton import check_lines
from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

OUTSIDE = -1


def regions(lines: NDArray[np.bool_], frame: bool = False) -> Labels:
    """Number the regions of a page: (H, W) int32, 0 lines, 1 .. N regions with the largest first, -1 outside.

    `lines` (H, W): true where black. Outside is all paper that reaches the page's border; `frame`: the border
    is a line itself, as for a picture that fills its page, and nothing is outside. Paper that touches only
    over a corner is not one region, as lines that touch so are closed.
    """
    with needed_for("finding the regions of a page", "pages", ConfigError):
        from scipy import ndimage

    found, count = ndimage.label(~check_lines(lines))
    sizes = np.bincount(found.ravel(), minlength=count + 1)[1:]
    number = np.zeros(count + 1, np.int32)
    number[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    if not frame:
        border = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
        number[border[border > 0]] = OUTSIDE
        enclosed = np.unique(number[number > 0])
        number[number > 0] = 1 + np.searchsorted(enclosed, number[number > 0])
    labels: Labels = number[found]
    return labels


def spread_regions(labels: Labels) -> Labels:
    """Regions grown over the lines between them: each pixel (H, W) has the label of the nearest region."""
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    grown: Labels = labels[rows, columns]
    return grown


def measure_shares(labels: Labels) -> NDArray[np.float64]:
    """Each region's share of the figure (N): of all that is not outside, lines among it.

    Their sum is the share of the figure that can be filled. `labels` as `regions` gives them.
    """
    inside = labels[labels != OUTSIDE]
    counts = np.bincount(inside, minlength=1)
    shares: NDArray[np.float64] = counts[1:] / max(1, len(inside))
    return shares
