"""What a browser may send, and a sentence for each wrong thing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.doodles.canvas import read_canvas
from unprompt.errors import InputError


@pytest.mark.parametrize(
    "sent",
    [
        [[[1, 2], [3, 4.5]], [[5, 6]]],
        [{"points": [[1, 2], [3, 4.5]]}, {"points": [[5, 6]]}],
        {"strokes": [{"points": [[1, 2, 0.5], [3, 4.5, 1]], "pen": 4}, {"points": [{"x": 5, "y": 6}]}]},
    ],
)
def test_the_forms_of_strokes(sent: Any) -> None:
    drawing = read_canvas(sent)
    assert [stroke.tolist() for stroke in drawing.strokes] == [[[1, 2], [3, 4.5]], [[5, 6]]]


def test_an_empty_list_is_an_empty_sheet() -> None:
    assert read_canvas([]).strokes == ()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (None, "the strokes are nothing"),
        ("x", "the strokes are a text"),
        (7, "the strokes are a number"),
        ({"lines": []}, 'no "strokes"'),
        ([7], "stroke 1 is a number without a list of points"),
        ([{"path": []}], "stroke 1 is an object without a list of points"),
        ([[[1, 2]], []], "stroke 2 has no points"),
        ([[[1, 2], [3]]], "point 2 of stroke 1 is a list of 1, not two numbers"),
        ([[[1, 2, 3, 4]]], "point 1 of stroke 1 is a list of 4"),
        ([[["1", 2]]], "point 1 of stroke 1 has a text for a coordinate"),
        ([[[True, 2]]], "has true or false for a coordinate"),
        ([[[None, 2]]], "has nothing for a coordinate"),
        ([[{"x": 1}]], "has nothing for a coordinate"),
        ([[[float("nan"), 2]]], "not within 1,000,000"),
        ([[[1, float("inf")]]], "not within 1,000,000"),
        ([[[1, 10**400]]], "not within 1,000,000"),
        ([[[1, -2e6]]], "not within 1,000,000"),
        ([[[0, 0]]] * 5001, "a drawing of 5,001 strokes is none"),
        ([[[0, 0]] * 200_001], "more than 200,000 points"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(sent: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_canvas(sent)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "y", "points", "strokes"]), inner)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(anything)
def test_anything_is_a_drawing_or_told(sent: Any) -> None:
    try:
        drawing = read_canvas(json.loads(json.dumps(sent)))
    except InputError:
        return
    assert all(stroke.shape[1] == 2 for stroke in drawing.strokes)
