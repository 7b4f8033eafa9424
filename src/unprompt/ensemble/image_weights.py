"""Weights of a blend that depend on the image: by how far its members agree.

For image i let G_i be the Gram matrix of the members' unit embeddings, a_ij = m_ij . t_i their cosines with
the truth, and z_i the cosines above G_i's diagonal, each less its mean and divided by its deviation. Member j
gets the weight

    w_ij = exp(c_j + s_j . z_i)

and c, s are those with the highest mean of (w_i . a_i) / sqrt(w_i . G_i w_i), the blend's cosine with the
truth, less DECAY times the squares of s: with s = 0 these are weights for all images. This is stacking
(Wolpert 1992, "Stacked Generalization") that looks at nothing but how members agree: one that the others
contradict is trusted less, as far as images whose truth is known show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.fit_weights import Agreement, best_weights, cross_fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DECAY = 1e-3
LEAST = 1e-3  # of a member's weight where fitting begins: what is zero could not grow
FLAT = 1e-9  # deviation of cosines that are the same for all images


@dataclass(frozen=True, eq=False)
class ImageWeights:
    """How k members are weighted: `constants` (k,), `slopes` (k, p) over p = k (k - 1) / 2 cosines.

    `means` and `deviations` (p,): of the cosines where they were fitted.
    """

    constants: Floats
    slopes: Floats
    means: Floats
    deviations: Floats

    def weights(self, members: Floats) -> Floats:
        """Gram matrices (N, k, k) -> weights (N, k), each row of sum 1."""
        told = self.constants + self._looked_at(members) @ self.slopes.T
        powers: Floats = np.exp(told - told.max(1, keepdims=True))
        powers /= powers.sum(1, keepdims=True)
        return powers

    def similarities(self, images: Agreement) -> Floats:
        """What the blend gets on each of N images: (N,)."""
        return images.similarities(self.weights(images.members))

    def _looked_at(self, members: Floats) -> Floats:
        found: Floats = (_pairs(members) - self.means) / self.deviations
        return found


def fit_image_weights(images: Agreement, decay: float = DECAY) -> ImageWeights:
    """Fit to images whose truth is known. The best weights for all images are where it begins."""
    from scipy.optimize import minimize

    pairs = _pairs(images.members)
    means, deviations = pairs.mean(0), np.maximum(pairs.std(0), FLAT)
    looked_at = (pairs - means) / deviations
    count, width = images.truth.shape[1], pairs.shape[1]
    begin = np.zeros((count, 1 + width))
    begin[:, 0] = np.log(np.maximum(best_weights(images), LEAST))

    def loss(flat: Floats) -> tuple[float, Floats]:
        told = flat.reshape(count, 1 + width)
        powers = told[:, 0] + looked_at @ told[:, 1:].T
        weights = np.exp(powers - powers.max(1, keepdims=True))  # (N, k)
        pull, inverse = images.pull(weights)
        cosine = np.einsum("nj,nj->n", images.truth, weights) * inverse
        slope = weights * (images.truth - (cosine * inverse)[:, None] * pull)
        slope *= inverse[:, None] / len(images)
        gradient = np.concatenate([slope.sum(0)[:, None], slope.T @ looked_at], 1)
        gradient[:, 1:] -= 2 * decay * told[:, 1:]
        return decay * float((told[:, 1:] ** 2).sum()) - float(cosine.mean()), -gradient.ravel()

    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B").x.reshape(count, 1 + width)
    return ImageWeights(found[:, 0] - found[:, 0].max(), found[:, 1:], means, deviations)


def cross_fit_image_weights(images: Agreement) -> Floats:
    """What each image gets with weights that were fitted without its fold: (N,) similarities."""
    return cross_fit(images, fit=lambda some: fit_image_weights(some).similarities)


def _pairs(members: Floats) -> Floats:
    """(N, k, k) -> (N, k (k - 1) / 2), the cosines above the diagonal."""
    rows, columns = np.triu_indices(members.shape[1], 1)
    found: Floats = members[:, rows, columns]
    return found
