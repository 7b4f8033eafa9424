"""A sheet of paper in millimetres: black ink over coloured pictures, as SVG and as pixels."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from unprompt.colouring_pages.raster import draw_lines, fill_rings, read_path
from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

INCH = 25.4  # mm
JPEG_QUALITY = 92  # of photographs within SVG and PDF


class Box(NamedTuple):
    """A part of a sheet, in mm from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def area(self) -> float:
        return self.width * self.height

    def inset(self, by: float) -> Box:
        """The box without a border of `by` mm, at least a point."""
        width, height = max(0.0, self.width - 2 * by), max(0.0, self.height - 2 * by)
        return Box(self.x + (self.width - width) / 2, self.y + (self.height - height) / 2, width, height)

    def touches(self, other: Box) -> bool:
        """Whether the two have an area in common."""
        return (
            self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom
        )

    def path(self) -> str:
        """Its border as the data of an SVG path."""
        return f"M{self.x:.3f} {self.y:.3f}h{self.width:.3f}v{self.height:.3f}h{-self.width:.3f}Z"


class Ink(NamedTuple):
    """Black on a sheet. `path`: data of an SVG path in mm. `width`: of its lines in mm; 0: it is filled."""

    path: str
    width: float = 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture (L or RGB) that fills a box under the ink; one of a single pixel is a patch of colour."""

    image: Image.Image
    box: Box

    @property
    def flat(self) -> bool:
        """Whether it has so few colours that it is no photograph and keeps each exactly."""
        return self.image.getcolors(256) is not None and self.image.mode == "RGB"


@dataclass(frozen=True, eq=False)
class Sheet:
    """What is printed on one side of paper. `size`: width and height in mm."""

    size: tuple[float, float]
    ink: tuple[Ink, ...]
    pictures: tuple[Picture, ...] = ()

    def pixels(self, dpi: float) -> tuple[int, int]:
        """Width and height in pixels: A4 at 300 dpi has 2,480 x 3,508."""
        width, height = (max(1, round(side / INCH * dpi)) for side in self.size)
        return width, height

    def svg(self) -> str:
        """The sheet as an SVG file in mm: lines as lines, texts as outlines, pictures within."""
        width, height = self.size
        return self._svg(
            "".join(map(_svg_picture, self.pictures)), f'width="{width:g}mm" height="{height:g}mm"'
        )

    def render_ink(self, dpi: float) -> Image.Image:
        """The ink alone, black on white (mode 1)."""
        width, height = self.pixels(dpi)
        scale = width / self.size[0], height / self.size[1]  # whole pixels have not quite the proportion
        page = np.zeros((height, width), bool)
        for ink in self.ink:
            lines = list(read_path(ink.path, scale))
            if lines and ink.width:
                draw_lines(page, lines, ink.width * scale[0])
            elif lines:
                fill_rings(page, lines)
        return Image.fromarray(~page)

    def render(self, dpi: float, smooth: bool = False) -> Image.Image:
        """The sheet in pixels: mode 1 where there is only ink, else RGB.

        `smooth`: grey edges, for screens; what would be of mode 1 is L then.
        """
        ink = self._render_smooth_ink(dpi) if smooth else self.render_ink(dpi)
        if not self.pictures:
            return ink
        page = Image.new("RGB", ink.size, "white")
        for picture in self.pictures:
            x, y, right, bottom = (round(edge / INCH * dpi) for edge in _edges(picture.box))
            size = max(1, right - x), max(1, bottom - y)
            way = Image.Resampling.NEAREST if picture.flat else Image.Resampling.LANCZOS
            page.paste(picture.image.convert("RGB").resize(size, way), (x, y))
        page.paste((0, 0, 0), mask=ink.convert("L").point(range(255, -1, -1)))
        return page

    def png(self, dpi: float) -> bytes:
        """The sheet as a PNG file that says how large it is printed."""
        stream = io.BytesIO()
        self.render(dpi).save(stream, "PNG", dpi=(dpi, dpi))
        return stream.getvalue()

    def _svg(self, pictures: str, size: str) -> str:
        width, height = self.size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:g} {height:g}">'
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>{pictures}'
            f"{''.join(map(_svg_ink, self.ink))}</svg>\n"
        )

    def _render_smooth_ink(self, dpi: float) -> Image.Image:
        with needed_for("drawing a page", "pages", ConfigError):
            import resvg_py

        width, height = self.pixels(dpi)
        # Whole pixels have not quite the sheet's proportion: each direction is scaled by itself.
        svg = self._svg("", f'width="{width}" height="{height}" preserveAspectRatio="none"')
        png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
        with Image.open(io.BytesIO(bytes(png)), formats=("PNG",)) as image:
            return image.convert("L")


def picture_file(picture: Picture) -> tuple[str, bytes]:
    """A picture as a file: "png" where it is flat, else "jpeg"."""
    stream = io.BytesIO()
    kind = "png" if picture.flat else "jpeg"
    picture.image.save(stream, kind, quality=JPEG_QUALITY)
    return kind, stream.getvalue()


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.right, box.bottom


def _svg_ink(ink: Ink) -> str:
    look = (
        f'fill="none" stroke="#000" stroke-width="{ink.width:g}" stroke-linecap="round" '
        'stroke-linejoin="round"'
        if ink.width
        else 'fill="#000" fill-rule="evenodd"'
    )
    return f'<path d="{ink.path}" {look}/>' if ink.path else ""


def _svg_picture(picture: Picture) -> str:
    x, y, width, height = picture.box
    place = f'x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}"'
    if picture.image.size == (1, 1):
        red, green, blue = picture.image.convert("RGB").tobytes()
        return f'<rect {place} fill="#{red:02x}{green:02x}{blue:02x}"/>'
    kind, content = picture_file(picture)
    crisp = ' style="image-rendering:pixelated"' if picture.flat else ""
    data = base64.b64encode(content).decode()
    return f'<image {place} preserveAspectRatio="none"{crisp} href="data:image/{kind};base64,{data}"/>'
