"""The competition's metric: mean cosine similarity between guessed and true prompt embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.score_tables import finite_or_none
from unprompt.errors import InputError
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import Embeddings

RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Score:
    """How well guesses fit: the mean similarity, its 95% interval, and what each image got.

    A single image has no interval: `low` and `high` are None.
    `similarities` (n,) belongs to `ids`, the images that both sides have. `missing` are ids of the truth
    that the guess lacks, `extra` ids of the guess that the truth lacks; neither enters the mean.
    """

    mean: float
    low: float | None
    high: float | None
    ids: tuple[str, ...]
    similarities: NDArray[np.float64]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def ranked(self) -> list[tuple[str, float]]:
        """(id, similarity) from best to worst; ties in the order of the ids."""
        order = np.argsort(-self.similarities, kind="stable")
        return [(self.ids[row], float(self.similarities[row])) for row in order]

    def numbers(self) -> dict[str, float | int | None]:
        """What `--json` prints."""
        return {
            "score": self.mean,
            "low": self.low,
            "high": self.high,
            "n": len(self.ids),
            "missing": len(self.missing),
            "extra": len(self.extra),
        }


def bootstrap_interval(
    values: NDArray[np.float64], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron & Tibshirani 1993, chapter 13).

    Shapes: (n,) -> (low, high). Seeded, so the same values give the same interval. NaN for fewer than two
    values: one says nothing about others.
    """
    if len(values) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for row in range(resamples):
        means[row] = values[rng.integers(0, len(values), len(values))].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cosines(guess: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Row by row cosine: (N, D), (N, D) -> (N,). A zero row gives 0, as the competition's metric does."""
    a, b = np.asarray(guess, np.float64), np.asarray(truth, np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    similarities: NDArray[np.float64] = np.divide(
        (a * b).sum(axis=1), lengths, out=np.zeros(len(a)), where=lengths > 0
    )
    return similarities


@dataclass(frozen=True)
class SharedIds:
    """Which images a guess and a truth have in common.

    `shared`, and `missing` from the guess: in the truth's order; `extra` in the guess: in the guess's.
    """

    shared: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def share_ids(guess: Sequence[str], truth: Sequence[str]) -> SharedIds:
    """Match the ids of a guess and a truth. Raises InputError where they share none."""
    guessed, wanted = set(guess), set(truth)
    shared = tuple(image_id for image_id in truth if image_id in guessed)
    if not shared:
        raise InputError(
            f"guess and truth share no image id ({len(guess):,} and {counted(len(truth), 'id')}; "
            f"the guess starts with '{guess[0] if guess else ''}', "
            f"the truth with '{truth[0] if truth else ''}'); are these files of the same images?"
        )
    return SharedIds(
        shared=shared,
        missing=tuple(image_id for image_id in truth if image_id not in guessed),
        extra=tuple(image_id for image_id in guess if image_id not in wanted),
    )


def score(guess: Embeddings, truth: Embeddings) -> Score:
    """Compare two sets of embeddings by id. Raises InputError where they share no id."""
    ids = share_ids(guess.ids, truth.ids)
    return score_rows(ids, guess.at(ids.shared).vectors, truth.at(ids.shared).vectors)


def score_rows(ids: SharedIds, guess: NDArray[np.floating], truth: NDArray[np.floating]) -> Score:
    """Compare the rows of n images that guess and truth share: (n, D) and (n, D), in the order of the ids."""
    return score_similarities(ids, cosines(guess, truth))


def score_similarities(ids: SharedIds, similarities: NDArray[np.float64]) -> Score:
    """Judge by the similarities (n,) of the images that guess and truth share, in the order of the ids."""
    low, high = map(finite_or_none, bootstrap_interval(similarities))
    return Score(
        mean=float(similarities.mean()),
        low=low,
        high=high,
        ids=ids.shared,
        similarities=similarities,
        missing=ids.missing,
        extra=ids.extra,
    )
