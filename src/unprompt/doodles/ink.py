"""Strokes become pixels: lines of any width with smooth edges, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.doodles.drawing import Drawing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ink = NDArray[np.float32]


def segments_of(drawing: Drawing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each straight piece begins and ends (S, 2); a dot is a piece of no length."""
    starts = [stroke[: max(1, len(stroke) - 1)] for stroke in drawing.strokes]
    ends = [stroke[min(1, len(stroke) - 1) :] for stroke in drawing.strokes]
    nothing = np.zeros((0, 2))
    return np.concatenate([nothing, *starts]), np.concatenate([nothing, *ends])


def ink(drawing: Drawing, width: int, height: int, pen: float) -> Ink:
    """How much of each pixel (height, width) is ink, 0 to 1, where a unit of the drawing is a pixel.

    `pen`: how wide lines are, in pixels. A pixel whose middle is d from the nearest line is covered by
    pen / 2 + 1 / 2 - d of a pixel, between 0 and 1; a pen thinner than a pixel is fainter instead.
    """
    reach = max(pen, 1.0) / 2 + 0.5
    covered = np.zeros((height, width), np.float32)
    for start, end in zip(*segments_of(drawing), strict=True):
        low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
        left, top = np.clip(np.floor(low), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(high), 0, (width, height)).astype(int)
        if left >= right or top >= bottom:
            continue
        x = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - start[0])
        y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - start[1])
        way = (end - start).astype(np.float32)
        along = np.clip((x * way[0] + y * way[1]) / max(float(way @ way), 1e-12), 0, 1)
        distance = np.hypot(x - along * way[0], y - along * way[1])
        part = covered[top:bottom, left:right]
        np.maximum(part, reach - distance, out=part)
    np.minimum(covered, 1, out=covered)
    if pen < 1:
        covered *= pen
    return covered


def small_ink(
    starts: NDArray[np.floating[Any]], ends: NDArray[np.floating[Any]], side: int, pen: float
) -> Ink:
    """What `ink` gives of straight pieces (S, 2) in a square of `side` pixels.

    All are swept at once, which is faster up to some 64 pixels a side.
    """
    if not len(starts):
        return np.zeros((side, side), np.float32)
    middles = np.arange(side, dtype=np.float32) + np.float32(0.5)
    start, way = starts.astype(np.float32), (ends - starts).astype(np.float32)
    x = (middles - start[:, :1])[:, None, :]  # (S, 1, side)
    y = (middles - start[:, 1:])[:, :, None]  # (S, side, 1)
    over = way / np.maximum((way * way).sum(1, keepdims=True), np.float32(1e-12))
    along = x * over[:, 0, None, None] + y * over[:, 1, None, None]
    np.clip(along, 0, 1, out=along)
    across = along * way[:, 0, None, None]
    np.subtract(x, across, out=across)
    np.multiply(across, across, out=across)
    along *= way[:, 1, None, None]
    np.subtract(y, along, out=along)
    np.multiply(along, along, out=along)
    across += along
    reach = np.float32(max(pen, 1.0) / 2 + 0.5)
    covered = np.clip(reach - np.sqrt(across.min(0)), 0, 1)
    found: Ink = covered * np.float32(min(pen, 1.0))
    return found


def picture_of(
    drawing: Drawing, size: int = 400, pen: float = 4.0, margin: float | None = None
) -> Image.Image:
    """Black lines on white (mode L), `size` pixels a side, the drawing as large as fits.

    `margin` in pixels; None: a twelfth of the side. An empty drawing is a white sheet.
    """
    if not drawing.strokes:
        return Image.new("L", (size, size), 255)
    drawn = ink(drawing.fitted(size, size / 12 if margin is None else margin), size, size, pen)
    return Image.fromarray(np.round(255 * (1 - drawn)).astype(np.uint8))
