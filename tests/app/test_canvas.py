"""The sheet of the page Doodle to photo: what browsers send, drawings laid on it, its files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from unprompt.app.canvas import (
    MOST_LINES,
    MOST_POINTS,
    PEN,
    SIDE,
    Canvas,
    Line,
    lines_of,
    picture_of,
    svg_of,
)
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.samples import draw_samples

LINE = [14, [100, 100, 500, 100, 900, 500]]


def sent(number: float = 1, lines: Any = (LINE,), sheet: int = 0) -> dict[str, Any]:
    """A sheet as a browser sends it."""
    return {"sheet": sheet, "number": number, "lines": list(lines)}


def test_a_sheet_is_taken_whole_and_an_older_one_is_not() -> None:
    canvas = Canvas()
    assert canvas.take(sent(2.0, [LINE, [6, [0, 1000]]]))
    assert canvas.lines == (Line(14, (100, 100, 500, 100, 900, 500)), Line(6, (0, 1000)))
    assert [stroke.tolist() for stroke in canvas.drawing.strokes] == [
        [[100, 100], [500, 100], [900, 500]],
        [[0, 1000]],
    ]
    assert not canvas.take(sent(1.0))  # comes late
    assert not canvas.take(sent(2.0))  # comes again
    assert len(canvas.lines) == 2
    assert canvas.take(sent(3.0, []))
    assert canvas.is_empty


def test_what_was_drawn_on_the_sheet_before_does_not_come_onto_another() -> None:
    canvas = Canvas()
    canvas.take(sent(1.0))
    canvas.put((Line(6, (1, 2)),))
    assert not canvas.take(sent(2.0))
    assert canvas.lines == (Line(6, (1, 2)),)
    assert canvas.take(sent(3.0, sheet=1))


def test_what_is_drawn_densely_gets_thin_lines() -> None:
    rows = [np.array([[0.0, row], [100.0, row]]) for row in np.linspace(0, 100, 14)]
    assert {line.pen for line in lines_of(Drawing(tuple(rows)), fit=True)} == {6}
    assert {line.pen for line in lines_of(Drawing(tuple(rows[::2])), fit=True)} == {14}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "lines",
        [sent()],
        {"sheet": 0, "number": 1},
        sent(float("nan")),
        {**sent(), "number": "1"},
        {**sent(), "number": None},
        {**sent(), "lines": 3},
        sent(lines=[None]),
        sent(lines=[[14]]),
        sent(lines=[[14, "ab"]]),
        sent(lines=[[0, [1, 2]]]),
        sent(lines=[[-1, [1, 2]]]),
        sent(lines=[[float("nan"), [1, 2]]]),
        sent(lines=[["14", [1, 2]]]),
        sent(lines=[[14, []]]),
        sent(lines=[[14, [1, 2, 3]]]),
        sent(lines=[[14, [1, -1]]]),
        sent(lines=[[14, [1, SIDE + 1]]]),
        sent(lines=[[14, [1, float("inf")]]]),
        sent(lines=[[14, [1, None]]]),
        sent(lines=[LINE] * (3 * MOST_LINES)),
        sent(lines=[[14, [1, 2] * (2 * MOST_POINTS)]]),
    ],
)
def test_what_is_no_sheet_changes_nothing(value: object) -> None:
    canvas = Canvas()
    canvas.take(sent(0.5))
    assert not canvas.take(value)
    assert canvas.lines == (Line(14, tuple(LINE[1])),)
    assert canvas.take(sent(5.0, []))


def test_the_same_lines_have_the_same_key() -> None:
    one, other = Canvas(), Canvas(sheet=3)
    assert one.key == other.key
    one.take(sent(1.0))
    assert one.key != other.key
    other.take(sent(9.0, sheet=3))
    assert one.key == other.key


def test_a_drawing_lies_where_it_is_or_fills_the_sheet() -> None:
    drawing = Drawing(([(10, 20), (30, 20)], [(20, 40)]))
    assert lines_of(drawing) == (Line(PEN, (10, 20, 30, 20)), Line(PEN, (20, 40)))
    points = np.concatenate([np.reshape(line.points, (-1, 2)) for line in lines_of(drawing, fit=True)])
    assert points.min(0).tolist() == [80, 80]
    assert points.max(0).tolist() == [920, 920]
    assert lines_of(Drawing(())) == () == lines_of(Drawing(()), fit=True)


def test_corners_of_a_drawing_get_points_beside_them() -> None:
    drawing = Drawing(([(0, 0), (100, 0), (100, 20), (100, 60)], [(5, 5)]))
    assert lines_of(drawing) == (
        Line(PEN, (0, 0, 8, 0, 92, 0, 100, 0, 100, 20, 100, 28, 100, 52, 100, 60)),
        Line(PEN, (5, 5)),
    )


def test_a_huge_drawing_is_thinned_and_keeps_the_ends_of_its_lines() -> None:
    long = np.stack([np.linspace(0, 500, 150_000), np.full(150_000, 7.0)], 1)
    lines = lines_of(Drawing((long, long[:1])))
    assert sum(len(line.points) // 2 for line in lines) <= MOST_POINTS
    assert (lines[0].points[:2], lines[0].points[-2:]) == ((0, 7), (500, 7))
    assert lines[1].points == (0, 7)
    many = lines_of(Drawing(tuple([(n, n)] for n in range(2000))))
    assert len(many) == MOST_LINES
    canvas = Canvas()
    assert canvas.take(sent(1.0, [[line.pen, list(line.points)] for line in many]))


def test_the_picture_has_the_lines_where_they_are_each_as_wide_as_its_pen() -> None:
    lines = (Line(20, (0, 250, 1000, 250)), Line(60, (0, 750, 1000, 750)))
    dark = np.asarray(picture_of(lines, 500)) < 128
    columns = dark[:, 250]
    assert np.flatnonzero(columns)[[0, 9, 10, -1]].tolist() == [120, 129, 360, 389]
    assert columns.sum() == 10 + 30
    assert not np.any(np.asarray(picture_of((), 20)) != 255)


def test_the_svg_has_the_same_lines_and_holds_nothing_else() -> None:
    root = ET.fromstring(svg_of((Line(14, (1, 2, 3, 4, 5, 6.5)), Line(6, (7, 8)))))
    paths = [one for one in root.iter() if one.tag.endswith("path")]
    assert [path.attrib for path in paths] == [
        {"stroke-width": "14", "d": "M1 2Q3 4 4 5.25L5 6.5"},
        {"stroke-width": "6", "d": "M7 8L7 8"},
    ]
    assert root.attrib["viewBox"] == "0 0 1000 1000"


def test_the_svg_looks_like_the_picture() -> None:
    resvg = pytest.importorskip("resvg_py")
    import io

    from PIL import Image

    by_hand = Line(20, (100, 100, 500, 100, 900, 100)), Line(40, (500, 600))
    for lines in (by_hand, lines_of(draw_samples()["House"].drawing)):
        drawn = resvg.svg_to_bytes(svg_string=svg_of(lines), width=200)
        with Image.open(io.BytesIO(bytes(drawn))) as image:
            grey = np.asarray(image.convert("L"), float)
        assert np.abs(grey - np.asarray(picture_of(lines, 200), float)).mean() < 2
