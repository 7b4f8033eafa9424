"""Fitted weights against a case worked out by hand, a fine grid, and what symmetry demands."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unprompt.ensemble.blend import blend
from unprompt.ensemble.blend_files import fit_files
from unprompt.ensemble.fit_weights import (
    Agreement,
    agreement,
    best_weights,
    climb,
    cross_fit,
    fit_weights,
    resample_weights,
)
from unprompt.ensemble.score import cosines, score
from unprompt.errors import ConfigError, InputError
from unprompt.records import DIM, Embeddings


def noisy(count: int, *noises: float, seed: int = 0) -> tuple[list[Embeddings], Embeddings]:
    """Members that see the truth through noise of these sizes; infinite noise sees nothing of it."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(count, DIM))
    ids = tuple(f"i{row}" for row in range(count))
    members = []
    for noise in noises:
        seen, added = (0.0, 1.0) if np.isinf(noise) else (1.0, noise)
        members.append(Embeddings(ids, seen * truth + added * rng.normal(size=truth.shape)))
    return members, Embeddings(ids, truth)


def axes(*rows: list[float]) -> Embeddings:
    vectors = np.zeros((len(rows), DIM))
    for row, numbers in enumerate(rows):
        vectors[row, : len(numbers)] = numbers
    return Embeddings(tuple("abcdef"[: len(rows)]), vectors)


class TestBestWeights:
    def test_a_case_worked_out_by_hand(self) -> None:
        # The members are perpendicular and the truth lies at 3 : 4 between them, on both images.
        members = [axes([1, 0], [0, 0, 2]), axes([0, 5], [0, 1, 0])]
        images = agreement(members, axes([3, 4], [0, 4, 3]))
        np.testing.assert_allclose(images.truth, [[0.6, 0.8], [0.6, 0.8]])
        np.testing.assert_allclose(images.members, [np.eye(2)] * 2)
        np.testing.assert_allclose(best_weights(images), [3 / 7, 4 / 7], atol=1e-7)
        assert images.similarities(np.array([3.0, 4])) == pytest.approx([1, 1])

    def test_similarities_are_those_of_the_blend(self) -> None:
        members, truth = noisy(30, 1, 2, 3)
        weights = np.array([0.2, 0.5, 0.3])
        blended = blend([members[0], members[1].at(truth.ids[::-1]), members[2]], weights.tolist())
        expected = cosines(blended.vectors, truth.vectors)
        np.testing.assert_allclose(agreement(members, truth).similarities(weights), expected, atol=1e-6)
        shuffled = [members[0], members[1].at(truth.ids[::-1]), members[2]]
        np.testing.assert_allclose(agreement(shuffled, truth).similarities(weights), expected, atol=1e-6)

    def test_derivatives_are_those_of_the_score(self) -> None:
        members, truth = noisy(20, 1, 2, 3)
        images, counts = agreement(members, truth), np.arange(20.0)
        at = np.array([0.2, 0.5, 0.3])

        def value(weights: np.ndarray) -> float:  # type: ignore[type-arg]
            return float(images.similarities(weights) @ counts / counts.sum())

        score_there, gradient, hessian = images.derivatives(at, counts)
        assert score_there == pytest.approx(value(at))
        small = 1e-4 * np.eye(3)
        slopes = [(value(at + d) - value(at - d)) / 2e-4 for d in small]
        np.testing.assert_allclose(gradient, slopes, atol=1e-7)
        bends = [
            (images.derivatives(at + d, counts)[1] - images.derivatives(at - d, counts)[1]) / 2e-4
            for d in small
        ]
        np.testing.assert_allclose(hessian, bends, atol=1e-6)

    @pytest.mark.parametrize("seed", range(4))
    def test_nothing_on_a_fine_grid_is_better(self, seed: int) -> None:
        noises = np.random.default_rng(seed).uniform(0.5, 6, 3)
        images = agreement(*noisy(25, *noises, seed=seed))
        weights = best_weights(images)
        grid = [(a, b, 50 - a - b) for a, b in product(range(51), repeat=2) if a + b <= 50]
        scores = [images.similarities(np.array(point) / 50).mean() for point in grid]
        assert images.similarities(weights).mean() >= max(scores) - 1e-12
        np.testing.assert_allclose(weights, np.array(grid[int(np.argmax(scores))]) / 50, atol=0.021)

    @settings(max_examples=15, deadline=None)
    @given(
        st.integers(2, 5).flatmap(lambda k: st.permutations(range(k))),
        st.integers(0, 1000),
    )
    @example([0, 1], 401)  # the peak at one of two corners is behind a valley
    def test_no_corner_or_neighbour_is_better_and_order_does_not_matter(
        self, order: list[int], seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(8, len(order) + 1, 4))  # few dimensions: members disagree, weights vanish
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        gram = np.einsum("njd,nmd->njm", rows, rows)
        images = Agreement(gram[:, 1:, 0], gram[:, 1:, 1:])
        weights = best_weights(images)
        reached = images.similarities(weights).mean()
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1)
        for point in np.eye(len(order)):
            assert images.similarities(0.999 * weights + 0.001 * point).mean() <= reached + 1e-9
            assert images.similarities(point).mean() <= reached + 1e-9
        turned = Agreement(images.truth[:, order], images.members[:, order][:, :, order])
        assert turned.similarities(best_weights(turned)).mean() == pytest.approx(reached, abs=1e-6)

    def test_members_in_another_order_have_their_weights_in_that_order(self) -> None:
        members, truth = noisy(60, 1, 2, 4)
        weights = best_weights(agreement(members, truth))
        turned = best_weights(agreement([members[2], members[0], members[1]], truth))
        np.testing.assert_allclose(turned, weights[[2, 0, 1]], atol=1e-6)

    def test_the_same_member_twice_shares(self) -> None:
        (first, second), truth = noisy(60, 1, 1.5)
        alone = best_weights(agreement([first, second], truth))
        shared = best_weights(agreement([first, second, first], truth))
        np.testing.assert_allclose(shared, [alone[0] / 2, alone[1], alone[0] / 2], atol=1e-6)
        np.testing.assert_allclose(best_weights(agreement([first, first], truth)), [0.5, 0.5])

    def test_a_member_that_harms_has_no_weight(self) -> None:
        members, truth = noisy(2000, 1, 1.5)
        against = Embeddings(truth.ids, -truth.vectors + 0.5 * members[0].vectors)
        weights = best_weights(agreement([*members, against], truth))
        assert weights[2] == 0
        blind = noisy(2000, np.inf, seed=1)[0][0]
        assert best_weights(agreement([*members, blind], truth))[2] < 0.02


class TestIntervals:
    def test_a_climb_from_elsewhere_ends_at_the_same_peak(self) -> None:
        images = agreement(*noisy(40, 1, 2, 3))
        for start in np.eye(3):
            np.testing.assert_allclose(climb(images, np.ones(40), start), best_weights(images), atol=1e-6)

    def test_a_resample_is_fitted_like_its_images(self) -> None:
        images = agreement(*noisy(15, 2, 3))
        weights = resample_weights(images, best_weights(images), 3)
        rng = np.random.default_rng(0)
        for row in weights:
            drawn = images.at(rng.integers(0, 15, 15))
            np.testing.assert_allclose(row, best_weights(drawn), atol=1e-6)

    def test_held_out_images_have_no_part_in_their_weights(self) -> None:
        images = agreement(*noisy(10, 1, 3))
        got = cross_fit(images, folds=10)
        for row in (0, 4, 9):
            others = best_weights(images.at(np.delete(np.arange(10), row)))
            assert got[row] == pytest.approx(images.similarities(others)[row], abs=1e-9)

    def test_the_whole_report(self) -> None:
        members, truth = noisy(40, 1, 1.5)
        told: list[int] = []
        fit = fit_weights(members, truth, [0.9, 0.1], lambda step, done, total: told.append(done))
        assert (fit.images, fit.folds, told[-1]) == (40, 5, len(told))
        best = [weight.value for weight in fit.weights]
        assert fit.best.value == pytest.approx(score(blend(members, best), truth).mean, abs=1e-6)
        assert fit.given.value == pytest.approx(score(blend(members, [0.9, 0.1]), truth).mean, abs=1e-6)
        assert fit.alone[1].value == pytest.approx(score(members[1], truth).mean, abs=1e-6)
        assert fit.best_gain.value == pytest.approx(fit.best.value - fit.given.value)
        assert fit.held_out.value < fit.best.value
        assert fit.held_out_gain.value == pytest.approx(fit.held_out.value - fit.given.value)
        for estimate in (*fit.weights, *fit.alone, fit.best, fit.held_out, fit.given, fit.best_gain):
            assert estimate.low < estimate.value < estimate.high
        assert fit.best_gain.low > 0  # paired, so far narrower than the scores' own intervals


class TestRefused:
    def test_one_member_one_image_missing_images_and_wrong_weights(self) -> None:
        members, truth = noisy(5, 1, 2)
        with pytest.raises(ConfigError, match="two members or more"):
            fit_weights(members[:1], truth, [1])
        with pytest.raises(ConfigError, match="2 members but 3 weights"):
            fit_weights(members, truth, [1, 1, 1])
        with pytest.raises(InputError, match="at least 2 images, got 1"):
            fit_weights(members, truth.at(["i0"]), [1, 1])
        with pytest.raises(InputError, match=r"member 2, .* 1 of 5 images has no embedding, first: i4"):
            fit_weights([members[0], members[1].at(truth.ids[:4])], truth, [1, 1])


@pytest.mark.parametrize("count", [0, 1])
def test_files_of_too_few_members_are_told_before_they_are_read(count: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="for two members or more"):
        fit_files([tmp_path / "a.npz"] * count, tmp_path / "truth.csv")
