"""What a picture is, by measure: a photograph or an illustration, with lines of its own or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring_pages.methods import (
    find_longest_side,
    lightness,
    measure_diagonal,
    resized,
)
from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from unprompt.colouring_pages.methods import Ink, Picture

SIDE = 256  # pixels at which pictures are measured
STEP = 4  # levels of 255 from which two neighbours differ
RESTLESS = 0.4  # of a photograph's pixels differ from their neighbours, and more
LINE = 0.5  # ink from here on is a line
WIDEST = 0.03  # of the diagonal that a picture's own line is wide
DARKER = 0.3  # than what is beside it, as a share of that
DARK = (
    0.25  # lightness, 0 to 1, of outlines that are taken as they are, at most; a network draws others better
)
FAINT = 1e-3  # lightness, 0 to 1, that counts as none
NEAR = 0.012  # of the diagonal that the lines of a picture and of a network may be apart
DRAWN = 0.9  # of an outlined picture's own dark lines that a network draws, at least
OUTLINED = 0.8  # of what a network draws of it that the picture has itself, at least


def measure_restlessness(picture: Picture) -> float:
    """The share of pixels, 0 to 1, that differ from a neighbour, of a picture (H, W, 3) uint8.

    Fills of an illustration are even, even where it is shaded; photographs have grain, cloth and leaves.
    """
    small = resized(picture, find_longest_side(picture.shape, SIDE)).astype(np.int16)
    across = np.abs(np.diff(small[:-1], axis=1)).max(axis=2)
    down = np.abs(np.diff(small[:, :-1], axis=0)).max(axis=2)
    return float((np.maximum(across, down) >= STEP).mean()) if across.size else 0.0


def is_photograph(picture: Picture) -> bool:
    """Whether a picture (H, W, 3) uint8 is restless as photographs are."""
    return measure_restlessness(picture) >= RESTLESS


def find_own_lines(picture: Picture) -> Ink:
    """Ink (H, W), 0 to 1: where a picture (H, W, 3) uint8 is darker than what is close by on both sides.

    What a grey closing (Serra 1982) lightens: lines, however dark what is beside them, but no borders of dark
    areas. From LINE on, a pixel is darker by DARKER than what is beside it. There is none where most such
    pixels are lighter than DARK.
    """
    with needed_for("a picture's own lines", "pages", ConfigError):
        from scipy.ndimage import grey_closing

    light = lightness(picture)
    width = max(3, round(WIDEST * measure_diagonal(light.shape)))
    closed = grey_closing(light, size=(width, width))
    darker = (closed - light) / (closed + FAINT)
    ink: Ink = np.minimum(darker * (LINE / DARKER), 1).astype(np.float32)
    lines = ink >= LINE
    return ink if lines.any() and np.median(light[lines]) <= DARK else np.zeros_like(ink)


def take_own_lines(own: Ink, found: Ink) -> Ink | None:
    """The lines that a picture has itself, `own` (H, W), and what a network found beside them, `found`.

    None where the picture is not outlined: where the network passes over many of those lines, or draws many
    others. A network knows of a line that is drawn only about where it is; its own ink knows exactly.
    """
    with needed_for("a picture's own lines", "pages", ConfigError):
        from scipy.ndimage import distance_transform_edt

    first, second = own >= LINE, found >= LINE
    if not first.any() or not second.any():
        return None
    near = NEAR * measure_diagonal(found.shape)
    to_own = distance_transform_edt(~first)
    if (distance_transform_edt(~second)[first] <= near).mean() < DRAWN:
        return None
    if (to_own[second] <= near).mean() < OUTLINED:
        return None
    both: Ink = np.maximum(own, np.where(to_own <= near, 0, found))
    return both
