"""Scores of captions, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.doodles.caption_scores import cider, intervals, mean_scores, score_caption, word_f1
from unprompt.doodles.facts import Kind, SceneFacts
from unprompt.doodles.nouns import SOMETHING

TRUTH = SceneFacts((Kind("cat", 2), Kind("house"), Kind("sun", 1, True)), ("beside",))


def test_the_truth_scores_one_from_either_side() -> None:
    other = SceneFacts((Kind("house"), Kind("cat", 2), Kind("sun", 1, True)), ("beside",))
    assert score_caption(other, TRUTH) == {"nouns": 1, "counts": 1, "relations": 1, "exact": 1}


def test_each_fault_costs_its_own_score() -> None:
    wrong = SceneFacts((Kind("cat", 3), Kind("barn"), Kind("sun", 1, True)), ("to the left of",))
    # Cat and sun of three and three; of the two the sun's count is right, and that it is in the sky.
    assert score_caption(wrong, TRUTH) == {
        "nouns": pytest.approx(2 / 3),
        "counts": 0.5,
        "relations": 1.0,
        "exact": 0.0,
    }
    turned = SceneFacts(TRUTH.kinds, ("above",))
    assert score_caption(turned, TRUTH)["relations"] == 0.5


def test_something_is_no_noun_and_nothing_right() -> None:
    unsure = SceneFacts((Kind(SOMETHING, 2), Kind("house"), Kind("sun", 1, True)), ("beside",))
    scores = score_caption(unsure, TRUTH)
    assert scores["nouns"] == pytest.approx(2 * 2 / 5)
    assert scores["counts"] == 1
    assert scores["exact"] == 0
    nothing = score_caption(SceneFacts(()), TRUTH)
    assert nothing["nouns"] == 0
    assert np.isnan([nothing["counts"], nothing["relations"]]).all()


def test_means_leave_out_what_does_not_apply() -> None:
    some = [score_caption(TRUTH, TRUTH), score_caption(SceneFacts(()), TRUTH)]
    assert mean_scores(some) == {"nouns": 0.5, "counts": 1, "relations": 1, "exact": 0.5}
    low, high = intervals(some * 50)["exact"]
    assert low < 0.45 < 0.55 < high
    assert intervals(some * 50)["counts"] == (1, 1)
    assert np.isnan(mean_scores([])["exact"])


def test_cider_rewards_what_few_references_have() -> None:
    truth = ["a cat beside a dog", "a cat on a house", "a sun in the sky"]
    assert cider(truth, truth) == pytest.approx(10)
    assert cider(["a", "a", "a"], truth) == 0
    # Of single words "cat" (log 3/2), "dog" and "beside" (log 3) are known; only "dog" is said, of no pairs.
    alone = np.log(3) / np.sqrt(np.log(1.5) ** 2 + 2 * np.log(3) ** 2)
    assert cider(["dog", "", ""], truth) == pytest.approx(10 * alone / 4 / 3)


def test_the_words_of_a_caption_count_as_often_as_they_come() -> None:
    assert word_f1("a cat on a house", "a cat on a tree") == pytest.approx(0.8)
    assert word_f1("a a a a", "a cat") == pytest.approx(2 / 6)
