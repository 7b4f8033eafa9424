"""What sets two prompts or images apart."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.demos.compare import (
    Difference,
    Side,
    compare,
    difference,
    phrases_in,
    similarity_in_words,
    unrelated_images,
    words_in,
)
from unprompt.records import DIM


def axis(*numbers: float) -> np.ndarray:  # type: ignore[type-arg]
    """A vector that begins with these numbers."""
    vector = np.zeros(DIM, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector


class TestDifference:
    def test_sorts_by_who_says_it(self) -> None:
        assert difference(["a", "b", "c"], ["C", "d", "a"]) == Difference(("b",), ("a", "c"), ("d",))

    def test_counts_a_text_once_and_keeps_the_order(self) -> None:
        assert difference(["z", "Z", "y", "z"], ["x", "x"]) == Difference(("z", "y"), (), ("x",))

    def test_of_nothing(self) -> None:
        assert difference([], []) == Difference((), (), ())


class TestParts:
    def test_words_leave_out_what_says_nothing(self) -> None:
        assert words_in("A cat on the mat, and A t-shirt; cat!") == ["cat", "mat", "t-shirt"]

    def test_phrases_stand_between_commas(self) -> None:
        assert phrases_in(" a  cat , oil on canvas,, a cat,") == ["a cat", "oil on canvas"]


class TestCompare:
    def test_two_images_member_by_member(self) -> None:
        first = Side("a cat, oil", axis(1), axis(0, 0, 1), {"x": axis(1), "y": axis(0, 1)})
        second = Side("a dog, oil", axis(0.6, 0.8), axis(0, 0.8, 0.6), {"x": axis(0, 1), "y": axis(0, 1)})
        found = compare(first, second)
        assert found.similarity == found.texts == pytest.approx(0.6)
        assert found.members == {"x": pytest.approx(0), "y": pytest.approx(1)}
        assert found.phrases == Difference(("a cat",), ("oil",), ("a dog",))
        assert found.words == Difference(("cat",), ("oil",), ("dog",))

    def test_an_image_and_a_text(self) -> None:
        image = Side("a cat", axis(1), axis(1), {"x": axis(0.6, 0.8)})
        text = Side("a cat", axis(0, 1), axis(0, 1), {})
        assert compare(image, text).members == {"x": pytest.approx(0.8)}
        assert compare(text, image).members == {"x": pytest.approx(0.8)}

    def test_two_texts_have_no_members(self) -> None:
        assert compare(Side("a", axis(1), axis(1), {}), Side("a", axis(1), axis(1), {})).members == {}

    def test_a_pair_is_compared_with_others_but_no_image_with_itself(self) -> None:
        places = (axis(1), axis(0.6, 0.8), axis(0, 1))
        first, second, third = (Side("", place, axis(1), {}) for place in places)
        assert unrelated_images([first, second], [third]) == pytest.approx((0 + 0.8) / 2)
        assert unrelated_images([first, second], [first, third]) == pytest.approx((0 + 0.6 + 0.8) / 3)
        assert unrelated_images([first, first], [first]) is None


@pytest.mark.parametrize(
    ("cosine", "words"),
    [(1.0, "the same"), (0.98, "the same"), (0.8, "very near"), (0.6, "near"), (0.3, "loosely related"),
     (0.29, "not related"), (-1.0, "not related")],
)  # fmt: skip
def test_a_cosine_in_words(cosine: float, words: str) -> None:
    assert similarity_in_words(cosine) == words
