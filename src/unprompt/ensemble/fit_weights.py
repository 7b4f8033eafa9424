"""Weights of a blend from images whose true prompts are known.

For image i let m_ij be member j's unit embedding and t_i the truth's. With a_ij = m_ij . t_i and the Gram
matrix G_i of the members' embeddings, the blend with weights w has the mean similarity

    score(w) = mean_i  (w . a_i) / sqrt(w . G_i w)

so that a and G, taken once, are all that fitting needs. Only the ratio of the weights matters. Weights are
squares, w = v * v, which keeps them from being negative without a constraint, and v is found by Newton's
method: near a weight of zero the score is quadratic in v, so members that only harm are gone in a few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.blend import CANCELLED, check_weights
from unprompt.ensemble.score import bootstrap_interval, cosines
from unprompt.errors import ConfigError, InputError
from unprompt.progress import Progress, silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import Embeddings

    Floats = NDArray[np.float64]

FOLDS = 5
FEW = 30  # images; with fewer, an interval says little
RESAMPLES = 1000
MOST_STEPS = 60  # of Newton's method; about 4 are needed
GAIN = 1e-12  # of score: a step that promises less is the last
FLATTEST = 1e-6  # of the steepest curvature: what counts as curved at all, where members are alike
SHORTEST = 1e-6  # of a step, before it is given up
INSIDE = 0.02  # share of equal weights in a start, since at a weight of zero the slope along v is zero too
NOTHING = 1e-6  # weights below this are zero
BETTER = 1e-9  # a start counts as better than an earlier one by so much score


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Agreement:
    """How k members agree on N images with the truth and with each other.

    `truth` (N, k): cosines with the truth. `members` (N, k, k): cosines of the members' embeddings.
    """

    truth: Floats
    members: Floats

    def __len__(self) -> int:
        return len(self.truth)

    def at(self, rows: NDArray[np.intp]) -> Agreement:
        """Some of the images."""
        return Agreement(self.truth[rows], self.members[rows])

    def similarities(self, weights: Floats) -> Floats:
        """What the blend gets on each image: (N,). Where members cancel out it is 0.

        `weights`: (k,), the same for all, or (N, k), each image's own.
        """
        own = "nj" if weights.ndim == 2 else "j"
        similarities: Floats = np.einsum(f"nj,{own}->n", self.truth, weights) * self.pull(weights)[1]
        return similarities

    def derivatives(self, weights: Floats, counts: Floats) -> tuple[float, Floats, Floats]:
        """The score with its gradient (k,) and Hessian (k, k), each image taken `counts` times."""
        pull, inverse = self.pull(weights)
        similarity = np.einsum("nj,j->n", self.truth, weights) * inverse
        pull *= inverse[:, None]  # now the cosine of each member with the blend
        share = counts / counts.sum()
        gradient = np.einsum("n,nj->j", share * inverse, self.truth - similarity[:, None] * pull)
        bend = share * inverse**2
        cross = np.einsum("nj,nm->jm", bend[:, None] * self.truth, pull)
        spread = np.einsum("nj,nm->jm", (3 * bend * similarity)[:, None] * pull, pull)
        gram = np.einsum("n,njm->jm", bend * similarity, self.members)
        return float(np.dot(share, similarity)), gradient, spread - cross - cross.T - gram

    def pull(self, weights: Floats) -> tuple[Floats, Floats]:
        """Each member's dot product with the weighted sum (N, k), and 1 / the length of that sum (N,).

        `weights`: as `similarities` takes them. The latter is 0 where the length is only rounding. einsum,
        here and above, since BLAS would start threads for such small products, which costs more than they do.
        """
        own = "n" if weights.ndim == 2 else ""
        pull: Floats = np.einsum(f"njm,{own}m->nj", self.members, weights)
        lengths = np.sqrt(np.maximum(np.einsum(f"nj,{own}j->n", pull, weights), 0))
        there = lengths > CANCELLED * weights.sum(-1)
        return pull, np.divide(1, lengths, out=np.zeros(len(lengths)), where=there)


def agreement(tables: Sequence[Embeddings], truth: Embeddings) -> Agreement:
    """Compare members with the truth and with each other, matched by id, on the truth's images.

    Raises InputError where a member lacks an image of the truth, naming both, and for a row without a
    direction.
    """
    rows = []
    for position, table in enumerate(tables, start=1):
        try:
            rows.append(table.at(truth.ids).unit().vectors)  # (N, 384)
        except InputError as error:
            raise InputError(f"member {position}, on the images of the truth: {error}") from error
    true_rows = truth.unit().vectors
    gram = np.ones((len(truth), len(tables), len(tables)))
    for j, left in enumerate(rows):
        for m, right in enumerate(rows[:j]):
            gram[:, j, m] = gram[:, m, j] = cosines(left, right)
    return Agreement(np.stack([cosines(row, true_rows) for row in rows], axis=1), gram)


def best_weights(images: Agreement) -> Floats:
    """The (k,) weights >= 0, of sum 1, with the highest score.

    Members that are the same share alike. The score can have more than one peak, so each member gets to
    lead one of the starts, and to stand nearly alone in another.
    """
    members = images.truth.shape[1]
    counts = np.ones(len(images))
    best, highest = np.full(members, 1 / members), -np.inf
    for start in (best, *(0.5 * np.eye(members) + 0.5 / members), *np.eye(members)):
        weights = climb(images, counts, start)
        reached = float(images.similarities(weights).mean())
        if reached > highest + BETTER:
            best, highest = weights, reached
    return best


def climb(images: Agreement, counts: Floats, start: Floats) -> Floats:
    """The peak of the score above `start`: (k,) weights -> (k,), each image taken `counts` times.

    Newton's method in v (see the top of this file), with the curvature's signs mended so that every step
    goes up, and each step halved until it does.
    """
    roots = np.sqrt((1 - INSIDE) * start / start.sum() + INSIDE / len(start))  # v
    for _ in range(MOST_STEPS):
        value, gradient, hessian = images.derivatives(roots**2, counts)
        slope = 2 * roots * gradient
        # The score does not change along v, so the step is taken across it.
        across = np.eye(len(roots)) - np.outer(roots, roots)
        curvature = 4 * np.outer(roots, roots) * hessian + np.diag(2 * gradient)
        bends, axes = np.linalg.eigh(across @ curvature @ across)
        bends = np.maximum(np.abs(bends), FLATTEST * np.abs(bends).max())
        step = axes @ np.divide(slope @ axes, bends, out=np.zeros(len(bends)), where=bends > 0)
        if slope @ step < GAIN:
            return _shares((roots + step) ** 2)
        size = 1.0
        while images.similarities((roots + size * step) ** 2) @ counts / counts.sum() <= value:
            size /= 2
            if size < SHORTEST:
                return _shares(roots**2)
        roots = roots + size * step
        roots /= np.linalg.norm(roots)
    return _shares(roots**2)


def _shares(weights: Floats) -> Floats:
    """Weights of sum 1, of which none is next to nothing."""
    shares: Floats = weights / weights.sum()
    shares[shares < NOTHING] = 0
    shares /= shares.sum()
    return shares


def resample_weights(
    images: Agreement,
    best: Floats,
    resamples: int = RESAMPLES,
    progress: Progress = silent,
) -> Floats:
    """Best weights of bootstrap samples of the images, each climbed to from `best`: (resamples, k).

    Seeded, so the same images give the same samples.
    """
    rng = np.random.default_rng(0)
    weights = np.empty((resamples, len(best)))
    for row in range(resamples):
        drawn = rng.integers(0, len(images), len(images))
        weights[row] = climb(images, np.bincount(drawn, minlength=len(images)).astype(np.float64), best)
        progress("resampling", row + 1, resamples)
    return weights


def fit_fixed(images: Agreement) -> Callable[[Agreement], Floats]:
    """What the best weights for these images get on others: (N,) similarities."""
    weights = best_weights(images)
    return lambda others: others.similarities(weights)


def cross_fit(
    images: Agreement,
    folds: int = FOLDS,
    fit: Callable[[Agreement], Callable[[Agreement], Floats]] = fit_fixed,
) -> Floats:
    """What each image gets with weights that were fitted without its fold: (N,) similarities.

    The folds are drawn at random, seeded, and as even as can be. Needs at least two images. `fit`: images ->
    what weights fitted to them get on others.
    """
    order = np.random.default_rng(0).permutation(len(images))
    held_out = np.empty(len(images))
    for fold in np.array_split(order, min(folds, len(images))):
        held_out[fold] = fit(images.at(np.setdiff1d(order, fold)))(images.at(fold))
    return held_out


@dataclass(frozen=True)
class WeightFit:
    """What fitting k weights on `images` images gave, and how far to trust it.

    `weights`: k shares of sum 1; the interval is over the images. `alone`: k scores of the members.
    `best`: the score with those weights on the images they were fitted on, so somewhat too high.
    `held_out`: the score when each image is scored with weights fitted on other folds, of which there were
    `folds`. `given`: the score with `given_weights`. `best_gain` and `held_out_gain`: what `best` and
    `held_out` have over `given`, image by image.
    """

    images: int
    folds: int
    weights: tuple[Estimate, ...]
    alone: tuple[Estimate, ...]
    best: Estimate
    held_out: Estimate
    given_weights: tuple[float, ...]
    given: Estimate
    best_gain: Estimate
    held_out_gain: Estimate


def check_members(count: int, given_weights: Sequence[float] | None = None) -> None:
    """Raise ConfigError for fewer than two members and for unusable weights, where they are given."""
    if count < 2:
        raise ConfigError("weights are fitted for two members or more; a single one has the weight 1")
    if given_weights is not None:
        check_weights(given_weights, count)


def fit_weights(
    tables: Sequence[Embeddings],
    truth: Embeddings,
    given_weights: Sequence[float],
    progress: Progress = silent,
) -> WeightFit:
    """Find the weights with which members blend best on the images of `truth`.

    `given_weights`: what to compare with, one a member. `progress` is told bootstrap samples done and in
    all. Raises ConfigError for fewer than two members and unusable weights, InputError for fewer than two
    images, images that a member lacks, and rows without a direction.
    """
    check_members(len(tables), given_weights)
    if len(truth) < 2:
        raise InputError(f"weights need the truth of at least 2 images, got {len(truth)}")
    images = agreement(tables, truth)
    given = images.similarities(np.asarray(given_weights, dtype=np.float64))  # (N,)
    weights = best_weights(images)
    best, held_out = images.similarities(weights), cross_fit(images)
    spread = np.quantile(resample_weights(images, weights, progress=progress), [0.025, 0.975], axis=0)
    return WeightFit(
        images=len(images),
        folds=min(FOLDS, len(images)),
        weights=tuple(Estimate(*numbers) for numbers in np.vstack([weights, spread]).T.tolist()),
        alone=tuple(_mean(column) for column in images.truth.T),
        best=_mean(best),
        held_out=_mean(held_out),
        given_weights=tuple(float(weight) for weight in given_weights),
        given=_mean(given),
        best_gain=_mean(best - given),
        held_out_gain=_mean(held_out - given),
    )


def _mean(values: Floats) -> Estimate:
    return Estimate(float(values.mean()), *bootstrap_interval(values))
