"""Google's four steps, by hand-worked numbers, and on Google's own drawings where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doodles.near import OWN, quickdraw
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ndjson import read_ndjson
from unprompt.doodles.simplify import resample, simplified, without_needless_points


def test_it_goes_to_the_top_left_and_to_255_in_whole_numbers() -> None:
    (stroke,) = simplified(Drawing(([[100, 50], [110, 50], [110, 55]],))).strokes
    assert stroke.tolist() == [[0, 0], [255, 0], [255, 128]]  # 5 of 10 is 127.5, rounded to even


def test_all_strokes_are_scaled_alike() -> None:
    one, two = simplified(Drawing(([[10, 10], [20, 10]], [[10, 30], [10, 30]]))).strokes
    assert one.tolist() == [[0, 0], [128, 0]]  # the longer side is 20 high
    assert two.tolist() == [[0, 255]]  # the pen stood still there: a dot


def test_points_of_a_straight_line_go() -> None:
    (stroke,) = simplified(Drawing(([[0, 0], [1, 1], [2, 2], [7, 7], [10, 10]],))).strokes
    assert stroke.tolist() == [[0, 0], [255, 255]]


@pytest.mark.parametrize(("away", "kept"), [(1.99, 2), (2.01, 3)])
def test_a_point_stays_where_it_is_farther_than_epsilon(away: float, kept: int) -> None:
    stroke = np.array([[0, 0], [100, away], [200, 0]])
    assert len(without_needless_points(stroke, 2.0)) == kept


def test_a_closed_stroke_keeps_its_farthest_point() -> None:
    stroke = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10], [0, 0]])
    assert without_needless_points(stroke, 2.0).tolist() == stroke.tolist()


def test_resampling_walks_a_pixel_at_a_time() -> None:
    walked = resample(np.array([[0.0, 0], [2.5, 0], [2.5, 0], [2.5, 1]]))
    assert walked.tolist() == [[0, 0], [1, 0], [2, 0], [2.5, 0.5], [2.5, 1]]
    assert resample(np.array([[3.0, 4]])).tolist() == [[3, 4]]
    assert resample(np.array([[3.0, 4], [3, 4]])).tolist() == [[3, 4]]


def test_a_dot_and_an_empty_sheet_stay() -> None:
    assert simplified(Drawing(())).strokes == ()
    assert simplified(Drawing(([[7, 9]],))).strokes[0].tolist() == [[0, 0]]


points = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=30)


def without_needless_points_of_the_book(stroke: list[tuple[float, float]], epsilon: float) -> list:
    """Douglas and Peucker's own words, as recursion."""
    if len(stroke) < 3:
        return stroke
    (x0, y0), (x1, y1) = stroke[0], stroke[-1]
    length = np.hypot(x1 - x0, y1 - y0)
    away = [
        abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length if length else np.hypot(x - x0, y - y0)
        for x, y in stroke[1:-1]
    ]
    farthest = int(np.argmax(away)) + 1
    if away[farthest - 1] <= epsilon:
        return [stroke[0], stroke[-1]]
    before = without_needless_points_of_the_book(stroke[: farthest + 1], epsilon)
    return before[:-1] + without_needless_points_of_the_book(stroke[farthest:], epsilon)


@settings(deadline=None, max_examples=150)
@given(points, st.sampled_from([0.5, 2.0, 7.0]))
def test_it_keeps_the_points_that_the_recursion_keeps(
    given_points: list[tuple[int, int]], epsilon: float
) -> None:
    kept = without_needless_points(np.array(given_points, float), epsilon)
    assert kept.tolist() == [
        list(point) for point in without_needless_points_of_the_book(given_points, epsilon)
    ]


@pytest.mark.parametrize("word", OWN)
def test_made_simple_twice_it_moves_by_no_more_than_epsilon(word: str) -> None:
    once = simplified(OWN[word])
    twice = simplified(once)
    assert_near(once, twice)


def assert_near(one: Drawing, other: Drawing) -> None:
    from scipy.spatial import cKDTree

    for stroke, again in zip(one.strokes, other.strokes, strict=True):
        away = cKDTree(resample(again, 0.5)).query(stroke)[0]
        # Epsilon, half of the spacing, and whole numbers: the drawing's corner may have gone too.
        assert away.max() <= 2.0 + 0.25 + np.sqrt(0.5) + 1.5


def test_googles_drawings_are_nearly_fixed_points() -> None:
    """Made by Google's four steps, they hardly change when these are done again."""
    for number, doodle in enumerate(read_ndjson(quickdraw() / "drawings" / "test.ndjson.gz")):
        if number % 5 == 0:
            assert_near(doodle.drawing, simplified(doodle.drawing))


def test_the_drawing_of_googles_manual_is_in_whole_numbers_to_255() -> None:
    """key_id 5201136883597312: its first point moves by nothing, and no stroke is lost."""
    for name in ("train", "test"):
        for doodle in read_ndjson(quickdraw() / "drawings" / f"{name}.ndjson.gz"):
            if doodle.key == "5201136883597312":
                again = simplified(doodle.drawing)
                assert len(again.strokes) == len(doodle.drawing.strokes) == 9
                assert again.points.max() == 255
                assert again.points.min() == 0
                assert again.strokes[0][0].tolist() == [130, 72]
                return
    pytest.skip("the drawing is not in this folder")
