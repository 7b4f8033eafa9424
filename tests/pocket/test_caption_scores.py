"""Scores of captions of pocket scenes, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.errors import InputError
from unprompt.pocket.caption_scores import SCORES, f1, mean_scores, score_caption
from unprompt.pocket.grammar import sample_scene
from unprompt.pocket.places import PLACES

TRUTH = "two foxes and a gondola at dawn, long exposure"


def test_by_hand() -> None:
    scores = score_caption("three foxes and a banjo, long exposure", TRUTH)
    assert scores["nouns"] == 0.5  # foxes; one too many, one missed
    assert scores["counts"] == 0.0
    assert scores["relations"] == 1.0
    assert (scores["lights"], scores["styles"], scores["places"], scores["exact"]) == (0, 1, 1, 0)
    right = score_caption("a pencil sketch of a gondola", TRUTH)
    assert right["nouns"] == pytest.approx(2 / 3)
    assert right["counts"] == 1.0
    assert (right["relations"], right["styles"]) == (0.0, 0.0)


def test_caption_that_names_nothing() -> None:
    scores = score_caption("xyzzy", TRUTH)
    assert (scores["nouns"], scores["relations"], scores["exact"]) == (0, 0, 0)
    assert math.isnan(scores["counts"])
    assert math.isnan(mean_scores(["xyzzy"], [TRUTH])["counts"])
    assert math.isnan(score_caption("a fox", "a fox")["relations"])
    with pytest.raises(InputError):
        score_caption(TRUTH, "xyzzy")


def test_phrases_that_mean_the_same_are_the_same() -> None:
    one = next(
        first for first in PLACES for other in PLACES if first != other and PLACES[first] is PLACES[other]
    )
    other = next(other for other in PLACES if one != other and PLACES[one] is PLACES[other])
    assert score_caption(f"a fox {one}", f"a fox {other}")["places"] == 1
    assert score_caption("a fox", f"a fox {other}")["places"] == 0


@given(st.integers(0, 1 << 40))
def test_a_prompt_is_its_own_best_caption(seed: int) -> None:
    prompt = sample_scene(seed).prompt
    scores = score_caption(prompt, prompt)
    assert tuple(scores) == SCORES
    assert all(math.isnan(value) or value == 1 for value in scores.values())


def test_f1_by_hand() -> None:
    assert f1([], []) == 1
    assert f1(["a", "a"], ["a"]) == pytest.approx(2 / 3)
    assert f1(["b"], ["a"]) == 0
