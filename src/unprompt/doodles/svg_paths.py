"""The data of SVG paths as chains of cubic segments: all commands of SVG 1.1, arcs among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    Curves = list[Points]
else:
    Curves = list

MOST_SEGMENTS = 200_000
FARTHEST = 1e7
NEAREST = 1e-9
COMMAND = re.compile(r"[\s,]*([MmLlHhVvCcSsQqTtAaZz])")
NUMBER = re.compile(r"[\s,]*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
FLAG = re.compile(r"[\s,]*([01])")
COUNTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
QUARTER = 4 / 3 * np.tan(np.pi / 8)  # of the radius: how far the controls of a quarter of a circle are


def path_curves(data: str) -> Curves:
    """The lines of a path's data: of each the points (1 + 3 K, 2) of K cubic segments that follow each other.

    A closed line ends where it began. A move without a line after it is nothing. InputError, with the place,
    for data that cannot be read.
    """
    return _Pen(data).draw()


def ellipse_curves(cx: float, cy: float, rx: float, ry: float) -> Curves:
    """An ellipse from its right on, in four quarters; nothing where a radius is not above 0."""
    if rx <= 0 or ry <= 0:
        return []
    k = QUARTER
    unit = [(1, 0), (1, k), (k, 1), (0, 1), (-k, 1), (-1, k), (-1, 0), (-1, -k), (-k, -1), (0, -1)]
    unit += [(k, -1), (1, -k), (1, 0)]
    return [np.array(unit) * (rx, ry) + (cx, cy)]


class _Pen:
    """Goes along a path's data."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.at = 0
        self.place = np.zeros(2)
        self.start = np.zeros(2)
        self.line: list[Points] = []
        self.lines: Curves = []
        self.segments = 0
        self.control: Points | None = None  # the last curve's second control, for S and T
        self.curve = ""  # the last curve's command

    def draw(self) -> Curves:
        begun = False
        while match := COMMAND.match(self.data, self.at):
            if not begun and match[1] not in "Mm":
                raise InputError(f"a path begins with '{match[1]}' and not with a move: \"{self.data[:40]}\"")
            begun = True
            self.at = match.end()
            self._command(match[1])
        if self.data[self.at :].strip(" \t\r\n\f,"):
            place = self.data[self.at : self.at + 20]
            raise InputError(f'a path\'s data cannot be read from character {self.at + 1} on: "{place}"')
        self._finish()
        return self.lines

    def _command(self, command: str) -> None:
        kind, relative = command.upper(), command.islower()
        if kind == "Z":
            if self.line:
                if (self.place != self.start).any():
                    self._line_to(self.start)
                self._finish()
            self.place = self.start
            self.curve = ""
            return
        first = True
        while first or NUMBER.match(self.data, self.at):
            values = self._numbers(kind)
            if kind == "M" and first:
                self._finish()
                self.place = self.start = values + (self.place if relative else 0)
            else:
                # Further points after a move are lines.
                self._segment("L" if kind == "M" else kind, values, relative)
            first = False

    def _numbers(self, kind: str) -> Points:
        values = []
        for number in range(COUNTS[kind]):
            match = (FLAG if kind == "A" and number in (3, 4) else NUMBER).match(self.data, self.at)
            if not match:
                place = self.data[self.at : self.at + 20]
                raise InputError(f"a path's data has too few numbers after '{kind}' at \"{place}\"")
            values.append(float(match[1]))
            if not abs(values[-1]) <= FARTHEST:
                raise InputError(f"a path's data has a coordinate beyond {FARTHEST:,.0f}")
            self.at = match.end()
        return np.array(values)

    def _segment(self, kind: str, values: Points, relative: bool) -> None:
        place, base = self.place, self.place if relative else np.zeros(2)
        if kind == "L":
            self._line_to(base + values)
        elif kind == "H":
            self._line_to(np.array([base[0] + values[0], place[1]]))
        elif kind == "V":
            self._line_to(np.array([place[0], base[1] + values[0]]))
        elif kind in "CS":
            points = values.reshape(-1, 2) + base
            if kind == "S":
                points = np.concatenate([[self._mirrored("CS")], points])
            self._curve_to(points)
            self.control, self.curve = points[1], "C"
        elif kind in "QT":
            points = values.reshape(-1, 2) + base
            control, end = (self._mirrored("QT"), points[0]) if kind == "T" else points
            self._curve_to(np.stack([place + 2 / 3 * (control - place), end + 2 / 3 * (control - end), end]))
            self.control, self.curve = control, "Q"
        else:
            rx, ry, degrees, large, sweep = values[:5].tolist()
            self._arc_to(rx, ry, degrees, bool(large), bool(sweep), base + values[5:])

    def _mirrored(self, kinds: str) -> Points:
        """The last control on the other side of where the pen is; that place after another kind of curve."""
        if self.control is None or not self.curve or self.curve not in kinds:
            return self.place
        return 2 * self.place - self.control

    def _line_to(self, end: Points) -> None:
        way = end - self.place
        self._curve_to(np.stack([self.place + way / 3, self.place + 2 * way / 3, end]))

    def _curve_to(self, points: Points) -> None:
        self.segments += 1
        if self.segments > MOST_SEGMENTS:
            raise InputError(f"a path has more than {MOST_SEGMENTS:,} segments; simplify it first")
        if not self.line:
            self.line.append(self.place[None])
        self.line.append(points)
        self.place = points[-1]
        self.curve = ""

    def _arc_to(self, rx: float, ry: float, degrees: float, large: bool, sweep: bool, end: Points) -> None:
        """SVG 1.1, appendix F.6: from two ends to a centre and angles; then quarters or less as cubics."""
        rx, ry = abs(rx), abs(ry)
        if min(rx, ry) < NEAREST or np.abs(end - self.place).max() < NEAREST:  # a line, as far as it counts
            self._line_to(end)
            return
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = np.array([[cos, -sin], [sin, cos]])
        half = turn.T @ ((self.place - end) / 2)
        needed = float(((half / (rx, ry)) ** 2).sum())
        if needed > 1:  # too small to reach: as large as needed
            rx, ry = rx * np.sqrt(needed), ry * np.sqrt(needed)
        x, y = half / (rx, ry)
        far = np.sqrt(max(0.0, 1 / (x * x + y * y) - 1)) * (-1 if large == sweep else 1)
        centre = np.array([far * y, -far * x])  # on the unit circle's scale
        first, last = np.array([x, y]) - centre, np.array([-x, -y]) - centre
        start = np.arctan2(first[1], first[0])
        angle = np.arctan2(last[1], last[0]) - start
        if sweep and angle < 0:
            angle += 2 * np.pi
        elif not sweep and angle > 0:
            angle -= 2 * np.pi
        middle = turn @ (centre * (rx, ry)) + (self.place + end) / 2
        count = max(1, int(np.ceil(abs(angle) / (np.pi / 2) - 1e-9)))
        reach = 4 / 3 * np.tan(angle / count / 4)
        for number in range(count):
            a, b = start + angle * number / count, start + angle * (number + 1) / count
            unit = np.array(
                [
                    [np.cos(a) - reach * np.sin(a), np.sin(a) + reach * np.cos(a)],
                    [np.cos(b) + reach * np.sin(b), np.sin(b) - reach * np.cos(b)],
                    [np.cos(b), np.sin(b)],
                ]
            )
            points = (unit * (rx, ry)) @ turn.T + middle
            if number + 1 == count:
                points[-1] = end
            self._curve_to(points)

    def _finish(self) -> None:
        if self.line:
            self.lines.append(np.concatenate(self.line))
        self.line = []
