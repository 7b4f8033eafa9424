"""Drawings as plain colours: which fill each pixel has, and where the lines of the line layer are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np

from unprompt.pocket.closing import NOTHING
from unprompt.pocket.drawings import rasterised
from unprompt.pocket.textures import Mask, Whole

BOX = 72  # units a side
LINES = 0x010203  # stands for lines in a render; no drawing has it
SVG = "http://www.w3.org/2000/svg"
WHITE = ("#fff", "#ffffff", "white")

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


@dataclass(frozen=True)
class Placement:
    """How a drawing lies in its picture: scaled, turned (degrees clockwise), shifted (in sides), mirrored."""

    scale: float = 0.9
    turn: float = 0.0
    right: float = 0.0
    down: float = 0.0
    mirrored: bool = False


def only_lines(svg: str) -> str:
    """The line layer of one of OpenMoji's drawings as an SVG, without what lies under it."""
    tree = ElementTree.fromstring(svg)
    for part in list(tree):
        if not _is_line(part):
            tree.remove(part)
    return ElementTree.tostring(tree, encoding="unicode")


def fills_and_lines(svg: str, side: int, placement: Placement | None = None) -> tuple[Whole, Mask]:
    """A drawing without smooth edges: its fills, (side, side) int32, and its line layer, (side, side) bool.

    A fill is 0xRRGGBB, or NOTHING where the drawing is transparent; under lines it does not matter. An SVG
    without a layer called "line" has no lines. Raises ValueError or ParseError for what is no SVG.
    """
    tree = ElementTree.fromstring(svg)
    for part in tree:
        if _is_line(part):
            _paint_lines(part)
    tree.attrib |= {"x": "0", "y": "0", "width": str(BOX), "height": str(BOX)}
    drawing = ElementTree.tostring(tree, encoding="unicode")
    if placement is not None:
        half = BOX / 2
        right, down = half + BOX * placement.right, half + BOX * placement.down
        across = -placement.scale if placement.mirrored else placement.scale
        drawing = (
            f'<g transform="translate({right:.4f} {down:.4f}) rotate({placement.turn:.4f}) '
            f'scale({across:.4f} {placement.scale:.4f}) translate({-half} {-half})">{drawing}</g>'
        )
    crisp = f'<svg xmlns="{SVG}" viewBox="0 0 {BOX} {BOX}" shape-rendering="crispEdges">{drawing}</svg>'
    pixels = np.asarray(rasterised(crisp, side)).astype(np.int32)
    fills: Whole = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    fills[pixels[..., 3] < 128] = NOTHING
    return fills, fills == LINES


def _is_line(part: ElementTree.Element) -> bool:
    return part.get("id", "").lower() == "line"


def _paint_lines(layer: ElementTree.Element) -> None:
    """Give a layer's lines the colour that stands for lines; white shapes among them stay."""
    colour = f"#{LINES:06x}"
    layer.attrib.setdefault("fill", "black")  # as it is for what says nothing of its fill
    for part in layer.iter():
        for name in ("fill", "stroke"):
            if part.get(name, "none").lower() not in ("none", *WHITE):
                part.set(name, colour)
        if "style" in part.attrib:
            black = r"\b(fill|stroke):\s*(#000000|#000|black)\b"
            part.set("style", re.sub(black, rf"\1:{colour}", part.attrib["style"]))
