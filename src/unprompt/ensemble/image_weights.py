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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.ensemble.fit_weights import FOLDS, Agreement, best_weights
from unprompt.errors import InputError

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
        return _similarities(images, self.weights(images.members))

    def _looked_at(self, members: Floats) -> Floats:
        found: Floats = (_pairs(members) - self.means) / self.deviations
        return found

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], members: int) -> ImageWeights:
        """Read what `as_dict` gave. Raises InputError for what is not for so many members."""
        pairs = members * (members - 1) // 2
        shapes = {
            "constants": (members,),
            "slopes": (members, pairs),
            "means": (pairs,),
            "deviations": (pairs,),
        }
        try:
            found = {name: np.array(content[name], dtype=np.float64) for name in shapes}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"weights by image are {', '.join(shapes)}, lists of numbers: {error}"
            ) from error
        for name, shape in shapes.items():
            if found[name].shape != shape or not np.isfinite(found[name]).all():
                raise InputError(f"'{name}' of weights for {members} members must be {shape} finite numbers")
        if not (found["deviations"] > 0).all():
            raise InputError("'deviations' of weights by image must be above 0")
        return cls(**found)


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
        pull = np.einsum("njm,nm->nj", images.members, weights)
        length = np.sqrt(np.einsum("nj,nj->n", pull, weights))
        cosine = np.einsum("nj,nj->n", images.truth, weights) / length
        slope = weights * (images.truth - (cosine / length)[:, None] * pull) / length[:, None] / len(images)
        gradient = np.concatenate([slope.sum(0)[:, None], slope.T @ looked_at], 1)
        gradient[:, 1:] -= 2 * decay * told[:, 1:]
        return decay * float((told[:, 1:] ** 2).sum()) - float(cosine.mean()), -gradient.ravel()

    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B").x.reshape(count, 1 + width)
    return ImageWeights(found[:, 0] - found[:, 0].max(), found[:, 1:], means, deviations)


def cross_fit_image_weights(images: Agreement, folds: int = FOLDS) -> Floats:
    """What each image gets with weights that were fitted without its fold: (N,) similarities."""
    order = np.random.default_rng(0).permutation(len(images))
    held_out = np.empty(len(images))
    for fold in np.array_split(order, min(folds, len(images))):
        fitted = fit_image_weights(images.at(np.setdiff1d(order, fold)))
        held_out[fold] = fitted.similarities(images.at(fold))
    return held_out


def gram(tables: Sequence[NDArray[np.floating]]) -> Floats:
    """k times (N, 384) unit rows -> (N, k, k) cosines of each image's embeddings."""
    stacked = np.stack(tables, 1).astype(np.float64)
    found: Floats = np.einsum("njd,nmd->njm", stacked, stacked)
    return found


def _pairs(members: Floats) -> Floats:
    """(N, k, k) -> (N, k (k - 1) / 2), the cosines above the diagonal."""
    rows, columns = np.triu_indices(members.shape[1], 1)
    found: Floats = members[:, rows, columns]
    return found


def _similarities(images: Agreement, weights: Floats) -> Floats:
    pull = np.einsum("njm,nm->nj", images.members, weights)
    lengths = np.sqrt(np.maximum(np.einsum("nj,nj->n", pull, weights), 0))
    found: Floats = np.einsum("nj,nj->n", images.truth, weights) / np.maximum(lengths, FLAT)
    return found
