"""Weights by image: by hand, where agreement tells who is right, and where it tells nothing."""

from __future__ import annotations

import numpy as np

from unprompt.ensemble.fit_weights import Agreement, agreement, best_weights
from unprompt.ensemble.image_weights import (
    ImageWeights,
    cross_fit_image_weights,
    fit_image_weights,
)
from unprompt.records import Embeddings, unit_rows


def rows(count: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32))


def agreed(members: list[np.ndarray], truth: np.ndarray) -> Agreement:
    ids = tuple(map(str, range(len(truth))))
    return agreement(
        [Embeddings(ids, np.asarray(one, np.float32)) for one in members], Embeddings(ids, truth)
    )


def by_agreement() -> Agreement:
    """Three members: the third is right, but for a third of the images, where it says something else.

    The first two see a little of the truth always, and so agree with the third where it is right.
    """
    truth, lost = rows(600, 0), np.arange(600) % 3 == 0
    weak = [0.6 * truth + rows(600, seed) for seed in (1, 2)]
    strong = np.where(lost[:, None], rows(600, 3), 1.5 * truth + rows(600, 4))
    return agreed([*weak, strong], truth)


def test_weights_by_hand() -> None:
    fitted = ImageWeights(
        np.log([0.25, 0.75]), np.array([[0.0], [np.log(2)]]), np.array([0.5]), np.array([0.25])
    )
    members = np.array([[[1, c], [c, 1]] for c in (0.5, 0.75, 0.25)])
    np.testing.assert_allclose(fitted.weights(members), [[1 / 4, 3 / 4], [1 / 7, 6 / 7], [2 / 5, 3 / 5]])
    truth = np.array([[0.6, 0.8], [0.5, 0.5], [1.0, 0.0]])
    found = fitted.similarities(Agreement(truth, members))
    np.testing.assert_allclose(found[0], (0.25 * 0.6 + 0.75 * 0.8) / np.sqrt(0.0625 + 0.5625 + 0.1875))


def test_members_that_the_others_contradict_are_trusted_less() -> None:
    images = by_agreement()
    fixed = images.similarities(best_weights(images))
    held_out = cross_fit_image_weights(images)
    assert held_out.mean() > fixed.mean() + 0.02
    fitted = fit_image_weights(images)
    share = fitted.weights(images.members)[:, 2]
    lost = np.arange(600) % 3 == 0
    assert share[lost].mean() < 0.5 < share[~lost].mean()


def test_where_agreement_tells_nothing_it_costs_next_to_nothing() -> None:
    truth = rows(600, 0)
    images = agreed([truth + rows(600, 1), truth + 1.5 * rows(600, 2)], truth)
    fixed = float(images.similarities(best_weights(images)).mean())
    assert float(cross_fit_image_weights(images).mean()) > fixed - 2e-3


def test_slopes_of_zero_are_weights_for_all_images() -> None:
    images = by_agreement()
    weights = best_weights(images)
    same = ImageWeights(np.log(np.maximum(weights, 1e-300)), np.zeros((3, 3)), np.zeros(3), np.ones(3))
    np.testing.assert_allclose(same.similarities(images), images.similarities(weights), atol=1e-12)
