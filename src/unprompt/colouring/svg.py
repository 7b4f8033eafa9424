"""Drawings as SVG: read as strangers write them, and coloured with the regions as shapes below the lines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING
from xml.parsers import expat

import numpy as np

from unprompt.colouring.apart import draw_apart
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.pocket.closing import NOTHING
from unprompt.storage.decoders import decoding
from unprompt.storage.packages import needed_for
from unprompt.storage.plain_xml import plain_parser

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.colouring.small_paint import Painted

SVG = "http://www.w3.org/2000/svg"
SUFFIX = ".svg"
LONGEST = 1536  # pixels at which a drawing is looked at
MOST = 8 * 2**20  # bytes of an SVG
DEEPEST = 200  # elements within each other
LEFT_OUT = ("script", "foreignObject", "image", "iframe", "audio", "video", "use", "style", "filter")
COMMENT = re.compile(r"/\*.*?(\*/|$)", re.DOTALL)  # of a style
FILTER = re.compile(r"(^|;)\s*\*?(backdrop-)?filter\s*:[^;]*")  # with the * that old browsers alone read
REFERENCE = re.compile(r"url\(\s*['\"]?#([^'\")\s]+)")
# How many elements one costs to draw that is drawn through another: the paper is laid out anew for a mask.
EFFORTS = {"mask": 100, "clip-path": 25, "fill": 10, "stroke": 10}
# resvg ends its process on numbers beyond what it can count with, so they are refused before it.
# Only where one may be too large or too small is each looked at: with eight digits, an exponent, many zeros.
EXTREME = re.compile(r"[\d.][eE][-+]?\d|\d{8}|\.0{6}")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NAME = r"#[\w-]+|(?<![\w-])(?<!\d\.)[a-zA-Z_][\w-]*"  # no unit, which a number may follow
NUMBERS = re.compile(f"({NUMBER})")
NUMBERS_AND_NAMES = re.compile(f"{NAME}|({NUMBER})")
CORNER = re.compile(r"[a-zA-Z]|(?<![-\d.])[-\d.]+[\s,]+[-\d.]+")  # of a line, at most one each
NO_NUMBERS = ("id", "href", "class", "label", "title", "version")
FARTHEST = 1e7
NEAREST = 1e-7  # and what is smaller is 0
MOST_EFFORT = 50_000  # elements, what is used several times counted each time
DEEPEST_REFERENCE = 8
SMOOTH = 0.4  # pixels that an outline may be off
LINE = 128  # of 255: what is darker is line

ElementTree.register_namespace("", SVG)


def read_svg(path: Path) -> bytes:
    """An SVG file's bytes, without what a drawing does not need: scripts, links and other files.

    Raises UnreadableImageError for what is no SVG, too large, or defines entities.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MOST:
        raise UnreadableImageError(f"{path} has {len(content):,} bytes; an SVG may have {MOST:,}")
    return clean_svg(content)


def clean_svg(content: bytes) -> bytes:
    """See `read_svg`; of `<use>` only what lies in the file itself stays."""
    try:
        _check_depth(content)
        tree = ElementTree.fromstring(content)
    except InputError as error:
        raise UnreadableImageError(str(error)) from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnreadableImageError(f"this is no SVG: {error}") from error
    if _local(tree.tag) != "svg":
        raise UnreadableImageError(f"this is no SVG: it begins with <{_local(tree.tag)}>")
    _strip(tree)
    _check_numbers(tree)
    _check_effort(tree)
    cleaned: bytes = ElementTree.tostring(tree, encoding="utf-8")
    return cleaned


def _check_depth(content: bytes) -> None:
    """Raise UnreadableImageError for elements too deep within each other, before any is kept.

    What draws and writes an SVG goes into it element by element. Raises what `plain_parser` does.
    """
    depth = 0

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise UnreadableImageError(f"the SVG is nested more than {DEEPEST} deep; ungroup it")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = plain_parser("the SVG")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(content, True)


def _strip(tree: ElementTree.Element) -> None:
    """Without recursion, as files may be nested deeply."""
    waiting = [tree]
    while waiting:
        element = waiting.pop()
        for name, value in list(element.attrib.items()):
            link = _local(name) == "href" and not value.strip().startswith("#")
            outside = "url(" in value and not re.search(r"url\(\s*['\"]?#", value)
            if _local(name).startswith("on") or link or outside or _local(name) == "filter":
                del element.attrib[name]
            elif name == "style":
                element.attrib[name] = FILTER.sub("", COMMENT.sub(" ", value))
        if _local(element.tag) == "style":
            element.text = COMMENT.sub(" ", element.text or "")
        for child in list(element):
            kept = isinstance(child.tag, str) and (
                _local(child.tag) not in LEFT_OUT or _is_own_use(child) or _is_plain_style(child)
            )
            if kept:
                waiting.append(child)
            else:
                element.remove(child)


def _is_own_use(element: ElementTree.Element) -> bool:
    links = [value for name, value in element.attrib.items() if _local(name) == "href"]
    return _local(element.tag) == "use" and all(link.strip().startswith("#") for link in links)


def _is_plain_style(element: ElementTree.Element) -> bool:
    if _local(element.tag) != "style" or len(element):
        return False
    text = COMMENT.sub(" ", element.text or "")
    return not re.search(r"@import|url\(|filter", text, re.IGNORECASE)


def _check_numbers(tree: ElementTree.Element) -> None:
    """Raise UnreadableImageError for a number that no drawing has; those next to nothing become 0."""

    def one(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0]
        size = abs(float(match[1]))
        if size > FARTHEST:
            raise UnreadableImageError(f"the SVG has the number {match[1][:20]}, beyond {FARTHEST:,.0f}")
        return match[1] if size > NEAREST or not size else "0"

    def checked(text: str, numbers: re.Pattern[str] = NUMBERS_AND_NAMES) -> str:
        return numbers.sub(one, text) if EXTREME.search(text) else text

    for element in tree.iter():
        for name, value in element.attrib.items():
            if _local(name) == "d":  # its letters are no names: M1e9
                element.attrib[name] = checked(value, NUMBERS)
            elif _local(name) not in NO_NUMBERS and not _local(name).startswith("data-"):
                element.attrib[name] = checked(value)
        if _local(element.tag) == "style":
            element.text = checked(element.text or "")


def _check_effort(tree: ElementTree.Element) -> None:
    """Raise UnreadableImageError where drawing an SVG would take for ever, as what refers to others does.

    Ten uses of a group that has ten uses of another, and so on, are few bytes and any number of elements.
    """
    by_id = {one.get("id", ""): one for one in reversed(list(tree.iter()))}
    known: dict[ElementTree.Element, tuple[int, int]] = {}

    def effort_of(element: ElementTree.Element) -> tuple[int, int]:
        """Elements that are drawn for one, and how deep it refers to others."""
        if element in known:
            return known[element]
        known[element] = (0, 0)  # of one that refers to itself
        effort, deep = 1, 0
        for child in element:
            more, below = effort_of(child)
            effort, deep = effort + more, max(deep, below)
        for name, target in _references(element):
            if (other := by_id.get(target)) is None:
                continue
            more, below = effort_of(other)
            times = EFFORTS.get(name, 1)
            if name.startswith("marker"):  # one at each corner
                line = element.get("d", element.get("points", ""))
                times = len(CORNER.findall(line))
            effort, deep = effort + times * more, max(deep, below + 1)
        known[element] = (effort, deep)
        return known[element]

    try:
        effort, deep = effort_of(tree)
    except RecursionError:
        effort, deep = 0, DEEPEST_REFERENCE + 1
    if deep > DEEPEST_REFERENCE:
        raise UnreadableImageError(
            f"the SVG refers to itself more than {DEEPEST_REFERENCE} deep; convert its clones to paths"
        )
    if effort > MOST_EFFORT:
        raise UnreadableImageError(f"the SVG draws more than {MOST_EFFORT:,} things; simplify it first")


def _references(element: ElementTree.Element) -> list[tuple[str, str]]:
    """What an element refers to in its own file: by which property, and the other's id."""
    found = []
    for name, value in element.attrib.items():
        if _local(name) == "href" and value.strip().startswith("#"):
            found.append(("href", value.strip()[1:]))
        parts = [part.partition(":") for part in value.split(";")] if name == "style" else [(name, "", value)]
        found += [
            (key.strip(" \t\r\n*"), target) for key, _, said in parts for target in REFERENCE.findall(said)
        ]
    return found


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def draw_svg(content: bytes, longest: int = LONGEST) -> Image.Image:
    """An SVG as RGBA, its longer side `longest` pixels. UnreadableImageError for what cannot be drawn."""
    import io

    from PIL import Image

    width, height = size_of(content)
    scale = longest / max(width, height)
    try:
        png = draw_apart(content, max(1, round(width * scale)), max(1, round(height * scale)))
        with decoding(), Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            return image.convert("RGBA")
    except UnreadableImageError as error:
        raise UnreadableImageError(f"this SVG cannot be drawn: {error}") from error


def size_of(content: bytes) -> tuple[float, float]:
    """Width and height of an SVG in its own units, from its viewBox, else as it says. 100 x 100 if it says
    nothing."""
    tree = ElementTree.fromstring(content)
    numbers = re.findall(r"[-+0-9.eE]+", tree.get("viewBox", ""))
    try:
        width, height = [float(number) for number in numbers[2:4]]
    except ValueError:
        try:
            width, height = (
                float(tree.get(name, "100").rstrip(f"{ascii_lowercase}%")) for name in ("width", "height")
            )
        except ValueError:
            return 100.0, 100.0
    usable = 0 < width < 1e6 and 0 < height < 1e6
    return (width, height) if usable else (100.0, 100.0)


def painted_svg(painted: Painted, drawing: bytes | None = None) -> str:
    """Coloured line art as SVG: a shape for each colour, the lines above.

    `drawing`: the SVG that the line art is of, whose own lines are kept as they are; else lines are traced.
    """
    height, width = painted.art.page.shape
    labels = painted.regions.spread
    shapes = []
    for rgb in np.unique(painted.colours[painted.colours != NOTHING]).tolist():
        having = np.concatenate([[False], painted.colours == rgb])
        shapes.append(f'<path fill="#{rgb:06x}" fill-rule="evenodd" d="{outline(having[labels])}"/>')
    body = "\n".join(shapes)
    if drawing is None:
        lines = f'<path fill="#000" fill-rule="evenodd" d="{outline(painted.art.page < LINE)}"/>'
    else:
        lines = _nested(drawing, width, height)
    return (
        f'<svg xmlns="{SVG}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f'<g id="colour">\n{body}\n</g>\n<g id="line">\n{lines}\n</g>\n</svg>\n'
    )


def _nested(drawing: bytes, width: int, height: int) -> str:
    tree = ElementTree.fromstring(drawing)
    own_width, own_height = size_of(drawing)
    if not tree.get("viewBox"):
        tree.set("viewBox", f"0 0 {own_width:g} {own_height:g}")
    tree.attrib |= {"x": "0", "y": "0", "width": str(width), "height": str(height)}
    # White paper in the drawing would hide the colours; lines are dark and stay. What else its style says,
    # all that lies within inherits.
    size = f"width:{width}px;height:{height}px"
    own = tree.get("style", "").strip(" ;")
    tree.set("style", ";".join(filter(None, (own, size if own else "", "mix-blend-mode:multiply"))))
    return ElementTree.tostring(tree, encoding="unicode")


def outline(mask: NDArray[np.bool_]) -> str:
    """The outlines of a mask (H, W) as the data of an SVG path; inner ones are holes by the even-odd rule."""
    with needed_for("tracing shapes", "pages", ConfigError):
        from skimage.measure import approximate_polygon, find_contours
    parts = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        points = approximate_polygon(contour, SMOOTH)
        if len(points) < 4:  # the first comes again at the end
            continue
        spoken = " ".join(f"{x - 0.5:g},{y - 0.5:g}" for y, x in points[:-1])
        parts.append(f"M{spoken}Z")
    return "".join(parts)
