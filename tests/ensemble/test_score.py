"""The metric and its interval, against numbers worked out by hand and against scipy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from unprompt.cli.options import describe_score
from unprompt.ensemble.score import bootstrap_interval, cosines, score
from unprompt.ensemble.score_tables import mean_scores, score_intervals
from unprompt.errors import InputError
from unprompt.records import DIM, Embeddings


def table(**vector_by_id: list[float]) -> Embeddings:
    """Embeddings whose first numbers are given, the rest zero."""
    vectors = np.zeros((len(vector_by_id), DIM), np.float32)
    for row, numbers in enumerate(vector_by_id.values()):
        vectors[row, : len(numbers)] = numbers
    return Embeddings(tuple(vector_by_id), vectors)


def test_cosines_of_worked_examples() -> None:
    guess = np.array([[1, 0], [1, 1], [3, 4], [2, 0], [0, 0]])
    truth = np.array([[0, 5], [1, 0], [-3, -4], [4, 3], [1, 0]])
    assert cosines(guess, truth) == pytest.approx([0, 0.5**0.5, -1, 0.8, 0])


def test_cosines_equal_scikit_learns() -> None:
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    guess, truth = np.random.default_rng(0).normal(size=(2, 20, DIM)).astype(np.float32)
    theirs = pairwise.cosine_similarity(guess.astype(np.float64), truth.astype(np.float64)).diagonal()
    assert cosines(guess, truth) == pytest.approx(theirs, abs=1e-12)


def test_the_score_is_the_mean_over_images_matched_by_id() -> None:
    truth = table(a=[1, 0], b=[0, 1], c=[3, 4])
    guess = table(c=[4, 3], a=[5, 0], b=[1, 1])
    result = score(guess, truth)
    assert result.ids == ("a", "b", "c")
    assert result.similarities == pytest.approx([1, 0.5**0.5, 24 / 25])
    assert result.mean == pytest.approx((1 + 0.5**0.5 + 0.96) / 3)
    low, high = result.numbers()["low"], result.numbers()["high"]
    assert low is not None
    assert high is not None
    assert low <= result.mean <= high
    reordered = score(guess.at(["b", "c", "a"]), truth)
    assert reordered.numbers() == result.numbers()


def test_missing_and_extra_images_are_listed_and_not_scored() -> None:
    truth = table(c=[1, 1], a=[1, 0], d=[1, 1], b=[0, 1])
    guess = table(x=[1, 0], b=[0, -1], y=[0, 1], a=[1, 0], z=[1])
    result = score(guess, truth)
    assert result.ids == ("a", "b")
    assert result.missing == ("c", "d")
    assert result.extra == ("x", "y", "z")
    assert result.numbers() == {
        "score": pytest.approx(0),
        "low": -1,
        "high": 1,
        "n": 2,
        "missing": 2,
        "extra": 3,
    }


def test_no_shared_image_is_an_error_that_shows_both_sides() -> None:
    with pytest.raises(InputError, match=r"share no image id \(1 and 2 ids; .* 'x.png', .* 'x'\)"):
        score(table(**{"x.png": [1]}), table(x=[1], y=[1]))


def test_one_image_has_no_interval() -> None:
    result = score(table(a=[1, 1]), table(a=[1, 0]))
    assert result.mean == pytest.approx(0.5**0.5)
    assert (result.numbers()["low"], result.numbers()["high"]) == (None, None)
    assert describe_score(result) == ["score 0.7071   n = 1"]


def test_images_are_ranked_from_best_to_worst() -> None:
    truth = table(a=[1, 0], b=[1, 0], c=[1, 0], d=[1, 0])
    guess = table(a=[1, 1], b=[1, 0], c=[-1, 0], d=[1, 1])
    ranked = score(guess, truth).ranked()
    assert [image_id for image_id, _ in ranked] == ["b", "a", "d", "c"]
    assert [similarity for _, similarity in ranked] == pytest.approx([1, 0.5**0.5, 0.5**0.5, -1])


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_interval_equals_scipys(level: float) -> None:
    from scipy import stats

    values = np.random.default_rng(3).beta(4, 3, size=60)
    low, high = bootstrap_interval(values, level)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval
    tolerance = 0.06 * (theirs.high - theirs.low)  # what 2,000 resamples are off by
    assert low == pytest.approx(theirs.low, abs=tolerance)
    assert high == pytest.approx(theirs.high, abs=tolerance)
    assert low < values.mean() < high


def test_the_interval_narrows_with_the_root_of_the_number_of_images() -> None:
    values = np.random.default_rng(0).normal(size=1600)
    few, many = (np.subtract(*bootstrap_interval(values[:n])) for n in (100, 1600))
    assert few / many == pytest.approx(4, rel=0.25)


def test_the_interval_is_the_same_each_time() -> None:
    values = np.random.default_rng(1).normal(size=30)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert bootstrap_interval(np.full(50, 0.25)) == (0.25, 0.25)


def test_fewer_than_two_values_have_no_interval() -> None:
    assert np.isnan(bootstrap_interval(np.array([0.25]))).all()
    assert np.isnan(bootstrap_interval(np.array([]))).all()
    spans = score_intervals([{"one": 0.25, "two": 1.0}, {"one": np.nan, "two": 1.0}], ["one", "two"])
    assert np.isnan(spans["one"]).all()
    assert spans["two"] == (1.0, 1.0)


def test_intervals_of_many_things_take_little_memory() -> None:
    scores = [{"one": value} for value in np.random.default_rng(0).random(3000).tolist()]
    tracemalloc.start()
    low, high = score_intervals(scores, ["one"])["one"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000  # all samples at once are 48 MB
    middle = mean_scores(scores, ["one"])["one"]
    assert middle - 0.015 < low < middle < high < middle + 0.015  # 1.96 * 0.289 / sqrt(3,000) is 0.010
