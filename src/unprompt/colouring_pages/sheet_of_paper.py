"""A sheet of paper that lies on something darker: where it is in a picture, and what is light there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Bytes = NDArray[np.uint8]
    Reals = NDArray[np.float32]

GROUND_SIDE = 128  # pixels of the longest side at which a ground is estimated
WIDEST = 0.2  # of the longest side: what is darker than the ground and narrower than this is ink
RIM = 0.03  # of the longest side: how far the rim reaches in that shows which ground there is
FAINTEST = 30.0  # of 255: what differs less from the ground all over is no ink
EVEN = 100.0  # of 255: a sheet of one grey is light from here on
SHEET, FULL, LIT = 0.15, 0.75, 0.55  # a sheet's share of the picture, of its box, and of light within it
PAPER, AS_LIGHT = 0.5, 0.75  # share of a sheet that is as light as that share of its lightest parts
LIGHT = 230  # of 255: how much of an enlarged pixel has to be of the sheet
EDGE = 35.0  # of 255: how much darker it is beside a sheet


def without_table(rgb: Bytes) -> Bytes | None:
    """A picture (H, W, 3) with what its sheet of paper lies on in the colour of the paper that is nearest.

    None where there is no such sheet, or most of it is no paper.
    """
    with needed_for("finding a sheet of paper", "pages", ConfigError):
        from scipy import ndimage

    height, width = rgb.shape[:2]
    size, reach = size_of_ground(height, width)
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
    grey = small.mean(2, dtype=np.float32)
    sheet = find_sheet(grey, reach)
    if sheet is None:
        return None
    light = grey[sheet]
    if (light > AS_LIGHT * np.percentile(light, 90)).mean() < PAPER:
        return None
    nearest = ndimage.distance_transform_edt(~sheet, return_distances=False, return_indices=True)
    # What is nearest may be a line; the paper is what is lightest around it.
    paper = ndimage.maximum_filter(small, size=(9, 9, 1))[tuple(nearest)]
    whole = Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR)
    lit = Image.fromarray((255 * sheet).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    return np.where((np.asarray(lit) > LIGHT)[..., None], rgb, np.asarray(whole))


def size_of_ground(height: int, width: int) -> tuple[tuple[int, int], int]:
    """Width and height at which a picture's ground is estimated, and how far ink reaches at most there."""
    scale = min(1.0, GROUND_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, max(3, round(WIDEST * max(size)) | 1)


def find_sheet(grey: Reals, reach: int) -> Mask | None:
    """A sheet of paper (H, W) that is lighter than what it lies on, without its rim; None: there is none."""
    from scipy import ndimage

    light = grey > part_light(grey)
    if light[rim_of(light)].mean() > 0.5:
        return None
    closed = ndimage.binary_closing(np.pad(light, reach), np.ones((reach, reach)))[reach:-reach, reach:-reach]
    labels, count = ndimage.label(closed)
    if not count:
        return None
    sheet = ndimage.binary_fill_holes(labels == 1 + int(np.bincount(labels.ravel())[1:].argmax()))
    rows, columns = (np.flatnonzero(sheet.any(axis)) for axis in (1, 0))
    box = (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0])
    # What is lit beside a shadow reaches to several sides of the picture.
    cut_off = sum(bool(side.any()) for side in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]))
    if sheet.mean() < SHEET or sheet.sum() < FULL * box or light[sheet].mean() < LIT or cut_off > 1:
        return None
    inside = ndimage.binary_erosion(sheet, iterations=2, border_value=1)
    within = inside & ~ndimage.binary_erosion(inside, iterations=3, border_value=1)
    beside = ndimage.binary_dilation(sheet, iterations=5) & ~ndimage.binary_dilation(sheet, iterations=2)
    if not within.any() or np.median(grey[within]) - np.median(grey[beside]) < EDGE:
        return None  # the light falls off slowly
    found: Mask = inside
    return found


def part_light(grey: Reals) -> float:
    """The grey that parts light from dark; one between black and white where all is nearly the same."""
    level = otsu(grey)
    light = grey > level
    if light.all() or not light.any() or grey[light].mean() - grey[~light].mean() < FAINTEST:
        return EVEN
    return level


def rim_of(mask: Mask) -> Mask:
    """What lies at the border of a mask (H, W)."""
    rim = max(1, round(RIM * max(mask.shape)))
    found = np.ones_like(mask)
    found[rim:-rim, rim:-rim] = False
    return found


def otsu(values: NDArray[np.floating]) -> float:
    """The value that parts values into two groups best (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts).astype(float)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.nan_to_num(between, nan=-1.0)))])
