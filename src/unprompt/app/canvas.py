"""The sheet that a visitor draws on: lines as a browser sends them, and the same as a drawing, SVG and PNG.

Nothing of Streamlit's. canvas.js draws, rubs out, undoes; what comes here is the sheet as it is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

SIDE = 1000  # of the sheet, in its own units; canvas.js has the same
PEN, THIN = 14.0, 6.0  # how wide lines are that come without a pen; canvas.js has the same pens
BUSY = 0.12  # of the sheet that a pen would blacken, from which on the thin one is taken
WIDEST = 100.0
CORNER = 8  # from it on, a corner of a drawing from elsewhere is round
MARGIN = 80  # around what is put onto the sheet
MOST_LINES, MOST_POINTS = 600, 20_000  # of one sheet; canvas.js stops there


class Line(NamedTuple):
    """A stroke: how wide, and x, y, x, y … from 0 to SIDE."""

    pen: float
    points: tuple[float, ...]


@dataclass
class Canvas:
    """`sheet`: the number of the sheet that lies here; another one lies here when the page puts it.

    `last`: the number of what was taken in last.
    """

    sheet: int = 0
    lines: tuple[Line, ...] = ()
    last: float = 0

    @property
    def drawing(self) -> Drawing:
        """The strokes, on a sheet of SIDE by SIDE."""
        return Drawing(tuple(np.reshape(line.points, (-1, 2)) for line in self.lines))

    @property
    def key(self) -> str:
        """A short name: the same for the same lines."""
        return sha256(repr(self.lines).encode()).hexdigest()[:16]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is drawn."""
        return not self.lines

    def put(self, lines: tuple[Line, ...]) -> None:
        """Lay another sheet here. The browser can undo this."""
        self.sheet += 1
        self.lines = lines

    def take(self, sent: object) -> bool:
        """Take what a browser sent as the sheet's lines; whether it was taken.

        `sent`: `{"sheet", "number", "lines"}`, a line being `[pen, [x, y, x, y …]]`, numbers growing. What is
        older, of another sheet, or no lines at all, changes nothing, as a browser can send anything.
        """
        if not isinstance(sent, Mapping) or sent.get("sheet") != self.sheet:
            return False
        number, lines = sent.get("number"), _read_lines(sent.get("lines"))
        if lines is None or not isinstance(number, int | float) or not self.last < number:
            return False
        self.last, self.lines = number, lines
        return True

    def data(self) -> list[tuple[float, tuple[float, ...]]]:
        """The lines as canvas.js takes them."""
        return [(line.pen, line.points) for line in self.lines]


def lines_of(drawing: Drawing, fit: bool = False) -> tuple[Line, ...]:
    """A drawing as lines on the sheet; with `fit` as large as the sheet allows, else where it lies.

    Of more strokes than the sheet takes the first ones, and of too many points evenly fewer. Corners stay
    corners, though the sheet draws curves between points, as they come of a hand. What is drawn densely gets
    thin lines, which leave its parts apart.
    """
    if not drawing.strokes:
        return ()
    if fit:
        drawing = drawing.fitted(SIDE, MARGIN)
    strokes = [np.clip(stroke, 0, SIDE) for stroke in drawing.strokes[:MOST_LINES]]
    step = -(-sum(map(len, strokes)) // (MOST_POINTS // 2))
    thinned = [np.concatenate([stroke[:-1:step], stroke[-1:]]) for stroke in strokes]
    cornered = [_with_corners(stroke) for stroke in thinned]
    laid = cornered if sum(map(len, cornered)) <= MOST_POINTS // 2 else thinned
    lines = tuple(Line(PEN, tuple(np.round(stroke, 1).ravel().tolist())) for stroke in laid)
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes)
    return tuple(line._replace(pen=THIN) for line in lines) if PEN * length > BUSY * SIDE**2 else lines


def _with_corners(stroke: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2), and beside the ends of each long way between two of them another one on it."""
    ways = np.diff(stroke, axis=0)
    lengths = np.hypot(*ways.T)
    long = lengths > 4 * CORNER
    aside = ways[long] * (CORNER / lengths[long])[:, None]
    before, after = np.flatnonzero(long), np.flatnonzero(long) + 1
    beside = np.stack([stroke[before] + aside, stroke[after] - aside], 1).reshape(-1, 2)
    return np.insert(stroke, np.repeat(after, 2), beside, axis=0)


def svg_of(lines: tuple[Line, ...]) -> str:
    """Lines as an SVG file, curved as the browser shows them."""
    paths = "".join(
        f'<path stroke-width="{line.pen:g}" d="{_path(line.points)}"/>\n' for line in lines if line.points
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<g fill="none" stroke="#111" stroke-linecap="round" stroke-linejoin="round">\n{paths}</g>\n</svg>\n'
    )


def picture_of(lines: tuple[Line, ...], size: int = SIDE) -> Image.Image:
    """Lines in black on white, each as wide as its pen (mode L, `size` pixels a side)."""
    from PIL import Image

    drawn = np.zeros((size, size), np.float32)
    scale = size / SIDE
    for pen in sorted({line.pen for line in lines}):
        strokes = tuple(np.reshape(line.points, (-1, 2)) for line in lines if line.pen == pen)
        np.maximum(drawn, ink(Drawing(strokes).moved(scale), size, size, pen * scale), out=drawn)
    return Image.fromarray(np.round(255 * (1 - drawn)).astype(np.uint8))


def _path(points: tuple[float, ...]) -> str:
    x, y = points[::2], points[1::2]
    middle = "".join(
        f"Q{x[at]:g} {y[at]:g} {(x[at] + x[at + 1]) / 2:g} {(y[at] + y[at + 1]) / 2:g}"
        for at in range(1, len(x) - 1)
    )
    return f"M{x[0]:g} {y[0]:g}{middle}L{x[-1]:g} {y[-1]:g}"


def _read_lines(sent: Any) -> tuple[Line, ...] | None:
    """All lines, or None where one of them is none or there are too many."""
    if not isinstance(sent, list | tuple) or len(sent) > 2 * MOST_LINES:  # a rubber makes two of one
        return None
    lines = []
    left = MOST_POINTS + 2 * MOST_LINES
    for one in sent:
        if not isinstance(one, list | tuple) or len(one) != 2:
            return None
        pen, points = one
        if not _is_number(pen, WIDEST) or pen <= 0 or not isinstance(points, list | tuple):
            return None
        left -= len(points) // 2
        if len(points) < 2 or len(points) % 2 or left < 0 or not all(_is_number(at, SIDE) for at in points):
            return None
        lines.append(Line(float(pen), tuple(map(float, points))))
    return tuple(lines)


def _is_number(value: object, most: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and 0 <= value <= most
    )
