"""The near-duplicate filter: the answer of a loop over all pairs, on random, clustered and edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.datasets import near_duplicates
from unprompt.datasets.near_duplicates import (
    COORDINATES,
    choose_coordinates,
    filter_near_duplicates,
    principal_axes,
    shorten_rows,
)
from unprompt.errors import ConfigError, InputError
from unprompt.records import unit_rows

Answer = tuple[list[bool], list[int]]


def loop(vectors: np.ndarray, threshold: float, against: np.ndarray | None = None) -> Answer:
    """The definition: row by row, against all of the other list, then all that is kept before it."""
    rows = vectors.astype(np.float64)
    others = np.empty((0, rows.shape[1])) if against is None else against.astype(np.float64)
    too_close, too_close_to_others = rows @ rows.T >= threshold, rows @ others.T >= threshold
    kept = np.zeros(len(rows), bool)
    reasons = []
    for row in range(len(rows)):
        close, close_others = np.flatnonzero(too_close[row] & kept), np.flatnonzero(too_close_to_others[row])
        reason = -2 - int(close_others[0]) if close_others.size else int(close[0]) if close.size else -1
        kept[row] = reason == -1
        reasons.append(reason)
    return kept.tolist(), reasons


def clustered(count: int, groups: int, spread: float, seed: int, dim: int = 384) -> np.ndarray:
    """Rows around `groups` random centres, on a few long axes as the embeddings of prompts are."""
    rng = np.random.default_rng(seed)
    axes = np.exp(-np.arange(dim) / 40)
    centres = rng.normal(size=(groups, dim)) * axes
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = rng.normal(size=(count, dim)) * axes
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    share = rng.uniform(0, spread, size=(count, 1))
    return unit_rows(centres[rng.integers(groups, size=count)] + share * noise)


def answer(vectors: np.ndarray, threshold: float, against: np.ndarray | None = None) -> Answer:
    result = filter_near_duplicates(vectors, threshold, against)
    return result.kept.tolist(), result.because_of.tolist()


@pytest.mark.parametrize("threshold", [0.7, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("groups", "spread"), [(1500, 0.8), (40, 0.6), (3, 0.3), (1, 0.05)])
def test_clustered_rows_give_the_loops_answer(threshold: float, groups: int, spread: float) -> None:
    vectors = clustered(2500, groups, spread, seed=groups)
    expected = loop(vectors, threshold)
    assert answer(vectors, threshold) == expected


def test_the_cases_above_have_both_kept_and_dropped_rows() -> None:
    kept = [sum(answer(clustered(2500, g, s, seed=g), 0.95)[0]) for g, s in ((1500, 0.8), (40, 0.6))]
    assert 100 < kept[1] < kept[0] < 2450


@pytest.mark.slow
def test_four_thousand_random_rows_and_many_copies() -> None:
    rng = np.random.default_rng(1)
    rows = unit_rows(rng.normal(size=(2000, 384)))
    vectors = rows[rng.integers(len(rows), size=4000)]
    assert answer(vectors, 0.95) == loop(vectors, 0.95)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
    dim=st.sampled_from([2, 3, 17, 384]),
    groups=st.integers(1, 40),
    threshold=st.sampled_from([0.5, 0.8, 0.95, 1.0]),
    against=st.integers(0, 20),
)
def test_any_rows_give_the_loops_answer(
    seed: int, count: int, dim: int, groups: int, threshold: float, against: int
) -> None:
    vectors = clustered(count + against, groups, 0.7, seed, dim)
    assert answer(vectors[against:], threshold, vectors[:against]) == loop(
        vectors[against:], threshold, vectors[:against]
    )


class TestTheEdge:
    """Rows whose dot products are exact in any order of adding: "at the threshold" has one meaning."""

    def rows(self) -> np.ndarray:
        # Sixteenths with squares that add up to 1: (15, 5, 2, 1, 1) / 16 has 225 + 25 + 4 + 1 + 1 = 256.
        numbers = [
            (16, 0, 0, 0, 0),
            (15, 5, 2, 1, 1),
            (15, 5, 1, 2, 1),
            (15, 5, 2, 1, -1),
            (14, 6, 4, 2, 2),
            (14, 2, 6, 4, 2),
            (0, 16, 0, 0, 0),
            (12, 8, 4, 4, 4),
        ]
        rows = np.zeros((len(numbers), 384), dtype=np.float32)
        rows[:, :4] = np.array([n[:4] for n in numbers]) / 16
        rows[:, 383] = np.array([n[4] for n in numbers]) / 16
        return np.tile(rows, (40, 1))  # 320 rows: several inner blocks

    def test_a_pair_at_the_threshold_is_dropped_and_one_above_it_is_not(self) -> None:
        at = 15 / 16  # the cosine of the first two rows
        assert answer(self.rows()[:2], at) == ([True, False], [-1, 0])
        assert answer(self.rows()[:2], np.nextafter(at, 1)) == ([True, True], [-1, -1])

    def test_every_cosine_that_occurs_as_the_threshold(self) -> None:
        rows = self.rows()
        cosines = np.unique(rows[:8].astype(np.float64) @ rows[:8].T)
        assert len(cosines) > 8
        for threshold in cosines[cosines > 0]:
            assert answer(rows, threshold) == loop(rows, threshold)
            above = float(np.nextafter(threshold, 2))
            if above <= 1:
                assert answer(rows, above) == loop(rows, above)


def test_the_first_of_a_chain_decides() -> None:
    """b is too close to a, c too close to b but not to a: b goes, so c stays."""
    angle = np.arccos(0.96)
    vectors = np.array([[np.cos(k * angle), np.sin(k * angle)] for k in range(5)], dtype=np.float32)
    result = filter_near_duplicates(vectors, 0.95)
    assert result.kept.tolist() == [True, False, True, False, True]
    assert result.because_of.tolist() == [-1, 0, -1, 2, -1]
    np.testing.assert_allclose(result.cosines[[1, 3]], 0.96, atol=1e-6)
    assert np.isnan(result.cosines[[0, 2, 4]]).all()


def test_against_another_list() -> None:
    angle = np.arccos(0.96)
    vectors = np.array([[np.cos(k * angle), np.sin(k * angle)] for k in range(4)], dtype=np.float32)
    held_out = np.array([[0, -1], [np.cos(angle), np.sin(angle)]], dtype=np.float32)
    result = filter_near_duplicates(vectors, 0.95, held_out)
    assert result.kept.tolist() == [False, False, False, True]
    assert result.because_of.tolist() == [-3, -3, -3, -1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), coordinates=st.sampled_from(COORDINATES))
def test_shortened_rows_bound_the_cosine_from_above(seed: int, coordinates: int) -> None:
    vectors = clustered(60, 5, 0.5, seed)
    turned = vectors @ principal_axes(vectors[:40])
    short = shorten_rows(turned, coordinates)
    assert short.shape == (60, coordinates + 1)
    assert (short @ short.T >= vectors @ vectors.T - near_duplicates.SLACK / 10).all()


def test_axes_are_orthonormal_and_in_order() -> None:
    rows = clustered(500, 20, 0.5, seed=2)
    axes = principal_axes(rows)
    np.testing.assert_allclose(axes.T @ axes, np.eye(384), atol=1e-5)
    lengths = np.linalg.norm(rows @ axes, axis=0)
    assert (np.diff(lengths) <= 1e-3).all()


def test_spread_out_rows_need_more_coordinates() -> None:
    narrow = clustered(1000, 1000, 0.0, seed=3)
    wide = unit_rows(np.random.default_rng(3).normal(size=(1000, 384)))
    close = clustered(1000, 3, 0.5, seed=3)
    chosen = [choose_coordinates(rows @ principal_axes(rows), 0.95) for rows in (narrow, wide, close)]
    assert chosen[0] < chosen[2]
    assert set(chosen) <= set(COORDINATES)


def test_no_rows_and_progress() -> None:
    empty = filter_near_duplicates(np.empty((0, 384), dtype=np.float32))
    assert empty.kept.shape == empty.because_of.shape == (0,)
    seen: list[tuple[int, int]] = []
    vectors = clustered(2500, 100, 0.5, seed=4)
    filter_near_duplicates(vectors, progress=lambda step, done, total: seen.append((done, total)))
    assert seen == [(1024, 2500), (2048, 2500), (2500, 2500)]


def test_torch_has_its_threads_back() -> None:
    import torch

    before = torch.get_num_threads()
    filter_near_duplicates(clustered(2500, 100, 0.5, seed=4))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_threshold_that_is_no_cosine(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold is a cosine"):
        filter_near_duplicates(clustered(3, 1, 0.1, 0), threshold)


def test_rows_that_are_not_unit() -> None:
    vectors = clustered(5, 5, 0.1, 0)
    vectors[3] *= 2
    with pytest.raises(InputError, match="1 of 5 vectors is not of unit length, first: row 3"):
        filter_near_duplicates(vectors)
    vectors[3] = np.nan
    with pytest.raises(InputError, match="row 3"):
        filter_near_duplicates(vectors)
