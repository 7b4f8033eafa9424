"""What a canvas in a browser sends, as a drawing: strict and bounded, as anybody can send anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from unprompt.doodles.drawing import MOST_POINTS, Drawing
from unprompt.errors import InputError

MOST_STROKES = 5000
FARTHEST = 1e6  # from 0, in pixels of a canvas
FORM = 'a drawing is a list of strokes, and a stroke {"points": [[x, y], …]} or [[x, y], …]'


def read_canvas(sent: Any) -> Drawing:
    """The strokes of parsed JSON: a list of them, or an object that has it as `strokes`.

    A stroke is an object with `points` or the list of these, and a point [x, y], with or without a third
    number (pressure or time), or {"x": …, "y": …}. An empty list is an empty sheet. InputError, in one
    sentence that says which stroke and point, for all that is otherwise, and for more than a hand draws.
    """
    if isinstance(sent, dict):
        if "strokes" not in sent:
            raise InputError(f'the object has no "strokes"; {FORM}')
        sent = sent["strokes"]
    if not isinstance(sent, list):
        raise InputError(f"the strokes are {_called(sent)}; {FORM}")
    if len(sent) > MOST_STROKES:
        raise InputError(
            f"a drawing of {len(sent):,} strokes is none that a hand drew; at most {MOST_STROKES:,} are read"
        )
    left = MOST_POINTS
    strokes = []
    for number, stroke in enumerate(sent, 1):
        points = stroke.get("points") if isinstance(stroke, dict) else stroke
        if not isinstance(points, list):
            raise InputError(f"stroke {number} is {_called(stroke)} without a list of points; {FORM}")
        if not points:
            raise InputError(f"stroke {number} has no points; leave it out")
        left -= len(points)
        if left < 0:
            raise InputError(f"the strokes have more than {MOST_POINTS:,} points; send fewer of them")
        read = [_point(point, number, place) for place, point in enumerate(points, 1)]
        strokes.append(np.array(read, float))
    return Drawing(tuple(strokes))


def _point(point: Any, stroke: int, place: int) -> tuple[float, float]:
    where = f"point {place} of stroke {stroke}"
    if isinstance(point, dict):
        point = [point.get("x"), point.get("y")]
    if not isinstance(point, list) or len(point) not in (2, 3):
        raise InputError(f"{where} is {_called(point)}, not two numbers [x, y]")
    for value in point[:2]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where} has {_called(value)} for a coordinate, not a number")
        if not abs(value) <= FARTHEST:  # not a number is not either
            raise InputError(f"{where} is not within {FARTHEST:,.0f} of the canvas's corner")
    return float(point[0]), float(point[1])


def _called(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    kinds = {dict: "an object", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")
