"""A drawing as strokes, as a line of a file, and as pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.doodles.own import FACE, HOUSE
from unprompt.doodles.drawing import MOST_POINTS, Drawing, joined
from unprompt.doodles.ink import ink, picture_of, segments_of, small_ink
from unprompt.doodles.ndjson import read_ndjson
from unprompt.errors import InputError

NUMBERS = st.floats(-1000, 1000, allow_nan=False)
DRAWINGS = st.lists(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6), min_size=1, max_size=5
).map(lambda strokes: Drawing(tuple(strokes)))


@given(DRAWINGS, st.floats(20, 200), st.floats(0, 5))
@example(Drawing(([(1, 0), (1, 6e-111)],)), 20, 0)  # a dot but for what numbers can tell
@example(Drawing(([(1, 0), (1, 5e-324)],)), 20, 0)
def test_what_is_fitted_fills_the_square_but_for_its_margin(
    drawing: Drawing, size: float, margin: float
) -> None:
    low, high = drawing.bounds
    fitted = drawing.fitted(size, margin)
    one, two = fitted.bounds
    np.testing.assert_allclose((one + two) / 2, size / 2, atol=1e-6)
    if (side := (high - low).max()) > 1e-6:
        assert (two - one).max() == pytest.approx(size - 2 * margin)
        np.testing.assert_allclose((two - one) / (size - 2 * margin), (high - low) / side, atol=1e-6)


def test_ink_of_one_line_by_hand() -> None:
    line = Drawing(([(1, 2.5), (4, 2.5)],))
    found = ink(line, 5, 5, 2)
    assert found[2].tolist() == pytest.approx([1, 1, 1, 1, 1])
    assert found[1].tolist() == pytest.approx([1.5 - np.hypot(0.5, 1), 0.5, 0.5, 0.5, 1.5 - np.hypot(0.5, 1)])
    assert not found[0].any()
    assert ink(line, 5, 5, 0.5)[2, 2] == pytest.approx(0.5)


@given(DRAWINGS, st.floats(0.3, 6))
def test_the_two_ways_to_draw_agree(drawing: Drawing, pen: float) -> None:
    fitted = drawing.fitted(28, 2)
    np.testing.assert_allclose(small_ink(*segments_of(fitted), 28, pen), ink(fitted, 28, 28, pen), atol=1e-3)


def test_a_dot_is_a_round_spot() -> None:
    spot = ink(Drawing(([(10, 10)],)), 20, 20, 6)
    assert spot.sum() == pytest.approx(np.pi * 9, rel=0.02)


def test_a_picture_is_black_on_white_and_an_empty_sheet_is_white() -> None:
    picture = np.asarray(picture_of(HOUSE, 120, 3))
    assert picture.shape == (120, 120)
    assert picture.min() == 0
    assert (picture == 255).mean() > 0.7
    assert (np.asarray(picture_of(Drawing(()), 40)) == 255).all()


@pytest.mark.parametrize(
    ("strokes", "said"),
    [
        (([(0, float("nan"))],), "not a number"),
        (([(0, 1e9)],), "beyond"),
        (([],), "shape"),
        (([(1, 2, 3)],), "shape"),
        ((["ab"],), "no list of points"),
    ],
)
def test_what_is_no_stroke_is_refused(strokes: tuple[object, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Drawing(strokes)  # type: ignore[arg-type]


def test_a_drawing_has_an_end() -> None:
    with pytest.raises(InputError, match="none that a hand drew"):
        Drawing((np.zeros((MOST_POINTS + 1, 2)),))
    with pytest.raises(InputError, match="draw something first"):
        Drawing(()).fitted(28)


def test_strokes_of_several_drawings_on_one_sheet() -> None:
    both = joined([FACE, HOUSE])
    assert len(both.strokes) == len(FACE.strokes) + len(HOUSE.strokes)
    assert len(both.points) == len(FACE.points) + len(HOUSE.points)


def test_lines_of_a_file_are_read_raw_and_simplified(tmp_path: Path) -> None:
    lines = [
        {
            "key_id": "7",
            "word": "cat",
            "countrycode": "FR",
            "recognized": True,
            "drawing": [[[0, 5], [1, 2]]],
        },
        {"drawing": [[[0.5, 5], [1, 2], [0, 33]], [[3], [4], [50]]]},
    ]
    path = tmp_path / "some.ndjson"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    first, second = read_ndjson(path)
    assert (first.key, first.word, first.country, first.recognised) == ("7", "cat", "FR", True)
    assert first.drawing.strokes[0].tolist() == [[0, 1], [5, 2]]
    assert (second.key, second.word, second.recognised) == ("some-2", "", None)
    assert [len(stroke) for stroke in second.drawing.strokes] == [2, 1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"word": "cat"}', "no drawing there"),
        ('{"drawing": [[[1, 2], [1]]]}', "not as many x as y"),
        ('{"drawing": [[[1, 2]]]}', r"not \[\[x"),
        ("{", "line 1"),
    ],
)
def test_a_line_that_is_no_drawing_is_told_by_its_number(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "some.ndjson"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        list(read_ndjson(path))
