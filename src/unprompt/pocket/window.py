"""The part of a square drawing that a picture of another shape shows.

Backdrops, lights and styles draw squares. A picture that is not square is drawn in the square of its longer
side: what stands in it is placed within the window, and the rest is cut off. A square's window is all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from PIL import Image

from unprompt.pocket.textures import Whole

HORIZON = 600  # thousandths from the top, about where land meets the sky: it stays there in the window


@dataclass(frozen=True)
class Window:
    """`width` x `height` pixels of a square drawing, and where in it they begin."""

    width: int
    height: int

    @property
    def side(self) -> int:
        """The square's."""
        return max(self.width, self.height)

    @property
    def left(self) -> int:
        return (self.side - self.width) // 2

    @property
    def top(self) -> int:
        return (self.side - self.height) * HORIZON // 1000

    @property
    def scale(self) -> int:
        """The side of a square of the window's area: what the size of things is a share of."""
        return isqrt(self.width * self.height)

    @property
    def rows_and_columns(self) -> tuple[Whole, Whole]:
        """The square's rows (side, 1) and columns (1, side), counted in the window; outside, its nearest."""
        seen = np.arange(self.side, dtype=np.int32)
        return (
            np.clip(seen - self.top, 0, self.height - 1)[:, None],
            np.clip(seen - self.left, 0, self.width - 1)[None],
        )

    def cut(self, image: Image.Image) -> Image.Image:
        """What the window shows of a square drawing."""
        if image.size == (self.width, self.height):
            return image
        return image.crop((self.left, self.top, self.left + self.width, self.top + self.height))

    def stretched(self, image: Image.Image) -> Image.Image:
        """What the window shows, stretched to the square."""
        return self._resized(self.cut(image), self.side, self.side)

    def squeezed(self, image: Image.Image) -> Image.Image:
        """A square in the window's shape, whole."""
        return self._resized(image, self.width, self.height)

    def filled(self, image: Image.Image) -> Image.Image:
        """A square whose window shows all of `image`."""
        if self.width == self.height:
            return image
        filled = image.copy()
        filled.paste(self.squeezed(image), (self.left, self.top))
        return filled

    @staticmethod
    def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
        if image.size == (width, height):
            return image
        return image.resize((width, height), Image.Resampling.BICUBIC)
