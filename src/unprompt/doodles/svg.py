"""Drawings as SVG: strokes of any file that is safe to read, and files of strokes.

What is read is geometry and nothing else: no entity is expanded, no script runs, no other file and no address
is ever asked for. What hides a bomb (elements without end, within each other or by `use`) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from xml.parsers import expat

import numpy as np

from unprompt.doodles.drawing import MOST_POINTS, Drawing
from unprompt.doodles.svg_paths import Curves, ellipse_curves, path_curves
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.storage.plain_xml import plain_parser

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    Matrix = NDArray[np.float64]  # (2, 3)

SUFFIX = ".svg"
SVG = "http://www.w3.org/2000/svg"
MOST_BYTES = 8 * 2**20
MOST_ELEMENTS = 100_000
DEEPEST = 200  # elements within each other
DEEPEST_USE = 8
MOST_SHAPES = 20_000  # that are drawn, those of `use` counted each time
FLAT = 1 / 2000  # of the drawing's extent: how far the points of a curve may be beside it
MOST_PIECES = 200  # of a curve
# Elements whose content is not drawn where it stands, or is no drawing.
UNDRAWN = frozenset(
    {
        *("defs", "symbol", "clipPath", "mask", "marker", "pattern", "linearGradient", "radialGradient"),
        *("filter", "script", "style", "foreignObject", "image", "text", "title", "desc", "metadata"),
        *("animate", "set"),
    }
)
NOTHING = ("none", "transparent")
PAPER = ("white", "#fff", "#ffffff", "rgb(255,255,255)", "#ffff", "#ffffffff", "snow", "ivory")
UNITS = {
    "": 1.0,
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "em": 16.0,
}
SAME = np.array([[1.0, 0, 0], [0, 1.0, 0]])

_Waiting: TypeAlias = "tuple[_Element, Matrix, _Style, int]"  # to be drawn, with what it inherits


@dataclass
class _Element:
    name: str
    attributes: Mapping[str, str]
    children: list[_Element] = field(default_factory=list)


@dataclass(frozen=True)
class _Style:
    """What an element inherits: whether it is seen, its stroke and its fill; "" where nothing says it."""

    seen: bool = True
    stroke: str = ""
    fill: str = ""


def read_svg_drawing(path: Path) -> Drawing:
    """The strokes of an SVG file, in its own units. InputError, with the file's name, as `drawing_of_svg`."""
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        return drawing_of_svg(content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def drawing_of_svg(content: bytes) -> Drawing:
    """The strokes of an SVG: paths, lines, polylines, polygons, rectangles, circles, ellipses, in order.

    Groups, nested `svg` and `use` are followed, with their transforms. Shapes that have a stroke are strokes.
    Where none has, filled shapes are drawn and traced as a picture, or without the package for that their
    outlines are taken; white ones are paper. What is not shown is left out. InputError for what is no SVG,
    defines entities, is too large or too deep, or has geometry that cannot be read.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"the SVG has more than {MOST_BYTES:,} bytes; simplify it first")
    root = _parse(content)
    walk = _Walk(root)
    shapes = list(walk.shapes())
    stroked = [curves for curves, style in shapes if style.stroke not in ("", *NOTHING)]
    if walk.has_sheet and any(not style.stroke for _, style in shapes):
        stroked = []  # a style sheet may say which are strokes, and is not read here
    if not stroked:
        filled = [curves for curves, style in shapes if style.fill not in PAPER]
        drawn = _draw_filled(content) if any(style.fill not in NOTHING for _, style in shapes) else None
        if drawn is not None and drawn.strokes:
            return drawn
        stroked = filled
    curves = [curve for group in stroked for curve in group]
    return Drawing(tuple(_flatten(curves)))


def svg_of(drawing: Drawing, pen: float = 4.0, size: tuple[float, float] | None = None) -> str:
    """A drawing as an SVG file: black lines with round ends, `pen` units wide, on nothing.

    `size`: width and height of the sheet, whose top left corner is 0; None: as large as the drawing is.
    """
    if size is not None:
        left, top, (width, height) = 0.0, 0.0, size
    elif drawing.strokes:
        low, high = drawing.bounds
        (left, top), (width, height) = low - pen, high - low + 2 * pen
    else:
        left, top, width, height = 0.0, 0.0, 1.0, 1.0
    data = "".join(_path_of(stroke) for stroke in drawing.strokes)
    box = " ".join(map(_number, (left, top, width, height)))
    return (
        f'<svg xmlns="{SVG}" viewBox="{box}" width="{_number(width)}" height="{_number(height)}">'
        f'<path d="{data}" fill="none" stroke="#000" stroke-width="{_number(pen)}" '
        'stroke-linecap="round" stroke-linejoin="round"/></svg>\n'
    )


def _path_of(stroke: Points) -> str:
    first, *others = [f"{_number(x)} {_number(y)}" for x, y in stroke]
    return f"M{first}" + ("L" + " ".join(others) if others else "h0")  # a line of no length is a dot


def _number(value: float) -> str:
    text = np.format_float_positional(value, precision=4, unique=True, trim="-")
    return "0" if text == "-0" else text


# --- reading


def _parse(content: bytes) -> _Element:
    """The elements of an SVG with their attributes, names without their name spaces."""
    document = _Element("", {})
    open_elements, count = [document], 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS:
            raise InputError(f"the SVG has more than {MOST_ELEMENTS:,} elements; simplify it first")
        if len(open_elements) > DEEPEST:
            raise InputError(f"the SVG is nested more than {DEEPEST} deep; ungroup it")
        plain = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        element = _Element(name.rpartition("}")[2], plain)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    parser = plain_parser("the SVG")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_elements.pop()
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise InputError(f"this is no SVG: {error}") from error
    except (ValueError, LookupError) as error:  # of an encoding that is none
        raise InputError(f"this is no SVG: {error}") from error
    root = document.children[0]
    if root.name != "svg":
        raise InputError(f"this is no SVG: it begins with <{root.name}>")
    return root


@dataclass
class _Walk:
    """Goes through all that is drawn, once; counts what `use` repeats."""

    root: _Element
    drawn: int = 0

    def __post_init__(self) -> None:
        self.by_id: dict[str, _Element] = {}
        self.has_sheet = False
        waiting = [self.root]
        while waiting:
            element = waiting.pop()
            if "id" in element.attributes:
                self.by_id.setdefault(element.attributes["id"], element)
            self.has_sheet |= element.name == "style"
            waiting += element.children

    def shapes(self) -> Iterator[tuple[Curves, _Style]]:
        """The curves of each shape in the drawing's units, and how it is drawn. Without recursion."""
        waiting = self._within(self.root, SAME, _style_of(self.root, _Style()), 0)
        while waiting:
            element, matrix, style, used = waiting.pop()
            style = _style_of(element, style)
            if element.name in UNDRAWN or style is _HIDDEN:
                continue
            self.drawn += 1
            if self.drawn > MOST_SHAPES:
                raise InputError(f"the SVG draws more than {MOST_SHAPES:,} things; simplify it first")
            matrix = _join(matrix, _transform(element.attributes.get("transform", "")))
            if element.name == "use":
                waiting += self._used(element, matrix, style, used + 1)
            elif element.name == "svg":
                waiting += self._within(element, _join(matrix, _view(element)), style, used)
            elif element.name not in SHAPES:
                waiting += self._within(element, matrix, style, used)
            elif style.seen:
                curves = SHAPES[element.name](element.attributes)
                yield [_moved(curve, matrix) for curve in curves], style

    def _within(self, element: _Element, matrix: Matrix, style: _Style, used: int) -> list[_Waiting]:
        """The children, the last first."""
        return [(child, matrix, style, used) for child in reversed(element.children)]

    def _used(self, element: _Element, matrix: Matrix, style: _Style, used: int) -> list[_Waiting]:
        target = element.attributes.get("href", "").strip()
        if not target.startswith("#") or target[1:] not in self.by_id:
            return []  # another file's, or nobody's
        if used > DEEPEST_USE:
            raise InputError(f"the SVG has <use> within each other more than {DEEPEST_USE} deep")
        place = np.array([[1, 0, _length(element.attributes, "x")], [0, 1, _length(element.attributes, "y")]])
        one = self.by_id[target[1:]]
        if one.name in ("symbol", "svg"):  # a window of its own, as large as `use` says
            size = {
                name: element.attributes[name] for name in ("width", "height") if name in element.attributes
            }
            one = _Element("svg", {**one.attributes, **size}, one.children)
        return [(one, _join(matrix, place), style, used)]


_HIDDEN = _Style(False)


def _style_of(element: _Element, above: _Style) -> _Style:
    said = dict(element.attributes)
    for part in element.attributes.get("style", "").split(";"):
        name, _, value = part.partition(":")
        said[name.strip()] = value.replace("!important", "").strip()
    if said.get("display") == "none" or _is_zero(said.get("opacity", "")):
        return _HIDDEN
    visible = said.get("visibility", "inherit")
    seen = above.seen if visible == "inherit" else visible == "visible"
    stroke = said.get("stroke", "inherit").lower()
    fill = said.get("fill", "inherit").lower().replace(" ", "")
    if _is_zero(said.get("stroke-width", "")) or _is_zero(said.get("stroke-opacity", "")):
        stroke = "none"
    if _is_zero(said.get("fill-opacity", "")):
        fill = "none"
    return _Style(
        seen, above.stroke if stroke == "inherit" else stroke, above.fill if fill == "inherit" else fill
    )


def _is_zero(text: str) -> bool:
    return bool(re.fullmatch(r"\s*0*\.?0+\s*(px|%)?\s*", text))


# --- geometry


def _rectangle(said: Mapping[str, str]) -> Curves:
    x, y, width, height = (_length(said, name) for name in ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        return []
    given = [_length(said, name) if name in said else None for name in ("rx", "ry")]
    rx, ry = (given[0] or 0.0, given[1] or 0.0) if None not in given else (given[0] or given[1] or 0.0,) * 2
    rx, ry = min(max(rx, 0.0), width / 2), min(max(ry, 0.0), height / 2)
    if not (rx and ry):
        return path_curves(f"M{x} {y}h{width}v{height}h{-width}z")
    return path_curves(
        f"M{x + rx} {y}h{width - 2 * rx}a{rx} {ry} 0 0 1 {rx} {ry}v{height - 2 * ry}"
        f"a{rx} {ry} 0 0 1 {-rx} {ry}h{2 * rx - width}a{rx} {ry} 0 0 1 {-rx} {-ry}v{2 * ry - height}"
        f"a{rx} {ry} 0 0 1 {rx} {-ry}z"
    )


def _circle(said: Mapping[str, str]) -> Curves:
    radius = _length(said, "r")
    return ellipse_curves(_length(said, "cx"), _length(said, "cy"), radius, radius)


def _ellipse(said: Mapping[str, str]) -> Curves:
    return ellipse_curves(*(_length(said, name) for name in ("cx", "cy", "rx", "ry")))


def _line(said: Mapping[str, str]) -> Curves:
    x1, y1, x2, y2 = (_length(said, name) for name in ("x1", "y1", "x2", "y2"))
    return path_curves(f"M{x1} {y1}L{x2} {y2}")


def _polyline(said: Mapping[str, str]) -> Curves:
    points = said.get("points", "").strip()
    return path_curves(f"M{points}") if points else []


def _polygon(said: Mapping[str, str]) -> Curves:
    points = said.get("points", "").strip()
    return path_curves(f"M{points}z") if points else []


SHAPES: Mapping[str, Callable[[Mapping[str, str]], Curves]] = {
    "path": lambda said: path_curves(said.get("d", "")),
    "line": _line,
    "polyline": _polyline,
    "polygon": _polygon,
    "rect": _rectangle,
    "circle": _circle,
    "ellipse": _ellipse,
}


def _length(said: Mapping[str, str], name: str, default: float = 0.0) -> float:
    """A length in pixels; of a share of the sheet, whose size nothing says, of 100."""
    text = said.get(name, "").strip()
    if not text or text == "auto":
        return default
    match = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-z%]*)", text)
    if not match or (match[2] != "%" and match[2] not in UNITS):
        raise InputError(f'{name}="{text[:40]}" is no length')
    value = float(match[1]) * UNITS.get(match[2], 1.0)
    if not abs(value) <= 1e7:
        raise InputError(f'{name}="{text[:40]}" is beyond 10,000,000')
    return value


def _view(element: _Element) -> Matrix:
    """From the units of a nested svg to those around it."""
    said = element.attributes
    x, y = _length(said, "x"), _length(said, "y")
    numbers = re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", said.get("viewBox", ""))
    if len(numbers) != 4:
        return np.array([[1, 0, x], [0, 1, y]])
    left, top, width, height = map(float, numbers)
    if not (width > 0 and height > 0):
        return np.array([[1, 0, x], [0, 1, y]])
    wide, high = _length(said, "width", width), _length(said, "height", height)
    scale = min(wide / width, high / height)
    return np.array(
        [
            [scale, 0, x + (wide - scale * width) / 2 - scale * left],
            [0, scale, y + (high - scale * height) / 2 - scale * top],
        ]
    )


def _transform(text: str) -> Matrix:
    found = SAME
    rest = re.sub(r"(\w+)\s*\(([^()]*)\)\s*,?", "", text).strip()
    if rest:
        raise InputError(f'transform="{text[:60]}" cannot be read')
    for name, inner in re.findall(r"(\w+)\s*\(([^()]*)\)", text):
        try:
            values = [float(value) for value in re.split(r"[\s,]+", inner.strip())]
            one = _TRANSFORMS[name](*values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f'transform="{text[:60]}" cannot be read') from error
        found = _join(found, one)
    return found


def _rotation(degrees: float, x: float = 0.0, y: float = 0.0) -> Matrix:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])


_TRANSFORMS: Mapping[str, Callable[..., Matrix]] = {
    "matrix": lambda a, b, c, d, e, f: np.array([[a, c, e], [b, d, f]]),
    "translate": lambda x, y=0.0: np.array([[1, 0, x], [0, 1, y]]),
    "scale": lambda x, y=None: np.array([[x, 0, 0], [0, x if y is None else y, 0]]),
    "rotate": _rotation,
    "skewX": lambda degrees: np.array([[1, np.tan(np.deg2rad(degrees)), 0], [0, 1, 0]]),
    "skewY": lambda degrees: np.array([[1, 0, 0], [np.tan(np.deg2rad(degrees)), 1, 0]]),
}


def _join(outer: Matrix, inner: Matrix) -> Matrix:
    joined: Matrix = outer @ np.vstack([inner, [0, 0, 1]])
    return joined


def _moved(curve: Points, matrix: Matrix) -> Points:
    moved: Points = curve @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _flatten(curves: Curves) -> list[Points]:
    """Points along each chain of cubic segments (1 + 3 K, 2), as many as its bends need."""
    if not curves:
        return []
    points = np.concatenate(curves)
    if not np.isfinite(points).all() or np.abs(points).max() > 1e7:
        raise InputError("the SVG has a coordinate beyond 10,000,000")
    slack = max(float(np.ptp(points, axis=0).max()) * FLAT, 1e-9)
    found, left = [], MOST_POINTS
    for curve in curves:
        p0, p1, p2, p3 = curve[:-1:3], curve[1::3], curve[2::3], curve[3::3]
        # A cubic cut into n even pieces is at most 3/4 of this second difference / n² beside them.
        bend = np.maximum(np.hypot(*(p0 - 2 * p1 + p2).T), np.hypot(*(p1 - 2 * p2 + p3).T))
        pieces = np.clip(np.ceil(np.sqrt(0.75 * bend / slack)), 1, MOST_PIECES).astype(int)
        left -= int(pieces.sum()) + 1
        if left < 0:
            raise InputError(f"the SVG has more than {MOST_POINTS:,} points; simplify it first")
        row = np.repeat(np.arange(len(pieces)), pieces)
        t = (np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 1) / pieces[row]
        b0, b1, b2, b3 = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        along = sum(b[:, None] * p[row] for b, p in zip((b0, b1, b2, b3), (p0, p1, p2, p3), strict=True))
        stroke = np.concatenate([curve[:1], along])
        moved = np.concatenate([[True], (np.diff(stroke, axis=0) != 0).any(1)])
        found.append(stroke[moved])
    return found


def _draw_filled(content: bytes) -> Drawing | None:
    """The drawing of an SVG of filled shapes, traced as a picture; None where it cannot be drawn."""
    from unprompt.colouring.svg import clean_svg, draw_svg
    from unprompt.doodles.picture import trace_picture

    try:
        return trace_picture(draw_svg(clean_svg(content), 400)).drawing
    except (ConfigError, UnreadableImageError, InputError):
        return None
