"""A line drawing as curves: written as SVG, and rendered at any size with lines of any width."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.errors import ConfigError, InputError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LineDrawing:
    """Lines to print, in units of their own.

    `size`: width and height in units. `curves`: for each line the points (1 + 3 K, 2), x to the right and y
    down, of K cubic Bézier segments that follow each other: a start, then twice a control point and an end.
    A line whose last point is its first is closed.
    """

    size: tuple[float, float]
    curves: tuple[Points, ...]

    def __post_init__(self) -> None:
        width, height = self.size
        if not (width > 0 and height > 0):
            raise InputError(f"a drawing needs a width and a height above 0, got {width:g} x {height:g}")
        object.__setattr__(self, "curves", tuple(np.asarray(curve, np.float32) for curve in self.curves))
        for number, curve in enumerate(self.curves):
            if curve.ndim != 2 or curve.shape[1] != 2 or len(curve) < 4 or len(curve) % 3 != 1:
                raise InputError(f"curve {number} of a drawing has shape {curve.shape}, not (1 + 3 K, 2)")

    def path(self) -> str:
        """All curves as the data of one SVG path."""
        parts = []
        for curve in self.curves:
            numbers = [f"{x:.2f} {y:.2f}" for x, y in curve]
            closed = "Z" if np.array_equal(curve[0], curve[-1]) else ""
            parts.append(f"M{numbers[0]}C{' '.join(numbers[1:])}{closed}")
        return "".join(parts)

    def svg(self, line_width: float, width: str | None = None, height: str | None = None) -> str:
        """The drawing as an SVG file on white, black lines of `line_width` units with round ends.

        `width` and `height`: how large it is shown, such as "190mm"; None: one pixel a unit.
        """
        x, y = self.size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x:g} {y:g}" '
            f'width="{width or f"{x:g}"}" height="{height or f"{y:g}"}">'
            f'<rect width="{x:g}" height="{y:g}" fill="#fff"/>'
            f'<path d="{self.path()}" fill="none" stroke="#000" stroke-width="{line_width:g}" '
            'stroke-linecap="round" stroke-linejoin="round"/></svg>\n'
        )

    def render(self, width: int, line_pixels: float) -> Image.Image:
        """Grey picture (mode L, smooth edges), `width` pixels wide and in proportion high, on white.

        `line_pixels`: how wide its lines are there.
        """
        with needed_for("drawing a page", "pages", ConfigError):
            import resvg_py

        height = max(1, round(width * self.size[1] / self.size[0]))
        unit = self.size[0] / width
        png = resvg_py.svg_to_bytes(
            svg_string=self.svg(line_pixels * unit), width=width, height=height, skip_system_fonts=True
        )
        with Image.open(io.BytesIO(bytes(png)), formats=("PNG",)) as image:
            return image.convert("L")
