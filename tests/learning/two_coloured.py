"""Pictures that every captioner can learn to tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


def two_coloured(size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Pictures whose upper and lower halves each have a colour, 16 kinds twice, and what they show."""
    kinds = [(above, below) for above in RGB for below in RGB] * 2
    pixels = np.empty((len(kinds), size, size, 3), np.uint8)
    for picture, (above, below) in zip(pixels, kinds, strict=True):
        picture[: size // 2], picture[size // 2 :] = RGB[above], RGB[below]
    return pixels, [f"{above} above {below}" for above, below in kinds]
