"""Pictures too large to be looked at in one go: in tiles that overlap, without a seam."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring_pages.methods import Ink, Picture

TILE = 768  # pixels a side
MARGIN = 32  # pixels along a tile's inner sides that are not used: there it does not see what is around


def draw_in_tiles(
    draw: Callable[[Picture], Ink], picture: Picture, tile: int = TILE, margin: int = MARGIN
) -> Ink:
    """The ink (H, W) of a picture (H, W, 3), drawn in tiles of at most `tile` pixels a side.

    Tiles overlap by at least four times `margin`: on an inner side the first is dropped, and over the next
    two the ink goes over from one tile to the other. Where `draw` looks no further than `margin` around a
    pixel, that is what it gives for the whole picture.
    """
    if tile <= 4 * margin:
        raise ValueError(f"tiles of {tile} pixels cannot overlap by {4 * margin}")
    height, width = picture.shape[:2]
    if height <= tile and width <= tile:
        return draw(picture)
    ink, shares = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for top, rows in _spans(height, tile, margin):
        for left, columns in _spans(width, tile, margin):
            share = np.outer(rows, columns)
            place = np.s_[top : top + len(rows), left : left + len(columns)]
            ink[place] += share * draw(picture[place])
            shares[place] += share
    ink /= shares
    return ink


def _spans(length: int, tile: int, margin: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Where tiles begin along one side, evenly spread, and how much each of their pixels counts."""
    if length <= tile:
        return [(0, np.ones(length, np.float32))]
    count = -(-(length - 4 * margin) // (tile - 4 * margin))
    starts = np.linspace(0, length - tile, count).astype(int).tolist()
    rising = np.clip((np.arange(tile) + 0.5 - margin) / (2 * margin), 0, 1).astype(np.float32)
    spans = []
    for start in starts:
        share = np.ones(tile, np.float32)
        if start > 0:
            share *= rising
        if start + tile < length:
            share *= rising[::-1]
        spans.append((start, share))
    return spans
