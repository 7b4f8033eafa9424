"""A drawing on the sheet of a picture that is to follow it: where its lines are, in the picture's pixels.

All painters lay a drawing out in the same way, so what one says of a place holds for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink

if TYPE_CHECKING:
    from unprompt.doodles.ink import Ink

MARGIN = 1 / 12  # of the shorter side that stays free around a drawing
PEN = 1 / 100  # of the longer side: how wide lines are, as people scribble
LEAST_PEN = 1.5  # pixels
MULTIPLE = 8  # what Stable Diffusion's sides are made of


def lay_out(drawing: Drawing, width: int, height: int) -> Drawing:
    """The drawing in a picture's pixels: as large as it fits, in the middle. InputError for an empty one."""
    low, high = drawing.bounds
    free = np.array([width, height]) - 2 * MARGIN * min(width, height)
    sides = np.where(high > low, high - low, np.nan)
    scale = 1.0 if np.isnan(sides).all() else float(np.nanmin(free / sides))
    return drawing.moved(scale, np.array([width, height]) / 2 - scale * (low + high) / 2)


def lines_of(drawing: Drawing, width: int, height: int) -> Ink:
    """How much of each pixel (height, width) is ink where a drawing is laid out, 0 to 1."""
    return ink(lay_out(drawing, width, height), width, height, max(LEAST_PEN, max(width, height) * PEN))


def black_on_white(drawing: Drawing, width: int, height: int) -> Image.Image:
    """The sheet as people see it (RGB): what painting begins with."""
    return _grey(1 - lines_of(drawing, width, height))


def white_on_black(drawing: Drawing, width: int, height: int) -> Image.Image:
    """The sheet as networks for scribbles learnt it (RGB): the control image."""
    return _grey(lines_of(drawing, width, height))


def nearest_sides(width: int, height: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """Sides that are multiples, nearly in the same proportion: 500 x 333 -> 504 x 336.

    The longer side goes to its nearest multiple, the other to the one that keeps the proportion best.
    """
    longer = max(width, height)
    side = max(multiple, int(longer / multiple + 0.5) * multiple)
    share = side / longer / multiple
    wide, high = (max(multiple, int(part * share + 0.5) * multiple) for part in (width, height))
    return wide, high


def _grey(share: Ink) -> Image.Image:
    return Image.fromarray(np.round(255 * share).astype(np.uint8)).convert("RGB")
