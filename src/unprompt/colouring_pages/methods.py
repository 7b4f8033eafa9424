"""Line art without learning: what the lines of a picture are to an edge detector, a filter or a dodge.

Each method takes a picture (H, W, 3) uint8 and gives its ink (H, W) float32: 0 is paper, 1 is line. `width`
is about how wide a line is, in pixels; what is smaller than that is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ink = NDArray[np.float32]
    Picture = NDArray[np.uint8]

CANNY_HIGH = 0.1  # a step of lightness, 0 to 1 over one pixel once smoothed, that begins an edge …
CANNY_LOW = 0.04  # … and one that carries it on
XDOG_RATIO = 1.6  # of the two Gaussians: near a Laplacian's best (Marr and Hildreth 1980)
XDOG_SHARPNESS = 20.0
XDOG_LEVEL = 0.72  # sharpened lightness below which ink begins
XDOG_SLOPE = 12.0

THIN = 4.0  # times as long as it is broad: from here on a picture counts as thin


def lightness(picture: Picture) -> Ink:
    """(H, W) float32, 0 black to 1 white: the luma of ITU-R BT.601, as Pillow has it."""
    grey: Ink = np.asarray(Image.fromarray(picture).convert("L"), np.float32) / np.float32(255)
    return grey


def canny(picture: Picture, width: float = 2.0) -> Ink:
    """Edges of the lightness, one pixel wide (Canny 1986); two of them along each outline that is drawn."""
    with needed_for("Canny's edges", "pages", ConfigError):
        from skimage.feature import canny as edges

    grey = np.pad(lightness(picture), 1, mode="edge")  # at the rim itself it never finds any
    found = edges(grey, sigma=width, mode="nearest", low_threshold=CANNY_LOW, high_threshold=CANNY_HIGH)
    ink: Ink = found[1:-1, 1:-1].astype(np.float32)
    return ink


def xdog(picture: Picture, width: float = 2.0) -> Ink:
    """Extended difference of Gaussians with a soft threshold (Winnemöller, Kyprianidis and Olsen 2012).

    Their equation 7 for the sharpened lightness and 5 for the threshold. Dark areas are solid ink.
    """
    with needed_for("differences of Gaussians", "pages", ConfigError):
        from scipy.ndimage import gaussian_filter

    grey = lightness(picture)
    fine, coarse = (gaussian_filter(grey, sigma) for sigma in (width / 2, width / 2 * XDOG_RATIO))
    sharpened = (1 + XDOG_SHARPNESS) * fine - XDOG_SHARPNESS * coarse
    ink: Ink = -np.tanh(np.minimum(XDOG_SLOPE * (sharpened - XDOG_LEVEL), 0)).astype(np.float32)
    return ink


def dodge(picture: Picture, width: float = 2.0) -> Ink:
    """Colour dodge: the lightness divided by its blurred self, so that only what is darker than its
    surroundings stays. Draws over outlines that are there; has next to nothing to say of colour borders."""
    with needed_for("a colour dodge", "pages", ConfigError):
        from scipy.ndimage import gaussian_filter

    grey = lightness(picture)
    around = np.maximum(gaussian_filter(grey, 2 * width), 1 / 255)
    ink: Ink = 1 - np.minimum(grey / around, 1)
    return ink


CLASSIC: dict[str, Callable[[Picture, float], Ink]] = {"canny": canny, "xdog": xdog, "dodge": dodge}


def find_longest_side(shape: tuple[int, ...], side: int) -> int:
    """The longest side in pixels at which a picture (H, W, …) is looked at: `side`, of thin ones more.

    Their shorter side then has a quarter of `side`, or what a picture with the pixels of a square has.
    """
    ratio = max(shape[:2]) / min(shape[:2])
    return round(side * max(1.0, min(ratio / THIN, math.sqrt(ratio))))


def measure_diagonal(shape: tuple[int, ...]) -> float:
    """The diagonal in pixels of a picture (H, W, …), of thin ones of a part; lengths are shares of it."""
    short, long = sorted(shape[:2])
    return math.hypot(short, min(long, THIN * short))


def resized(picture: Picture, side: int, resampling: Image.Resampling = Image.Resampling.LANCZOS) -> Picture:
    """The picture with a longest side of `side` pixels, larger or smaller, its shape kept to a pixel."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if math.isclose(scale, 1):
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = Image.fromarray(picture).resize(size, resampling, reducing_gap=3.0)
    return np.asarray(smaller, np.uint8)
