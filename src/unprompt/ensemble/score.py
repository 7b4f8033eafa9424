"""The competition's metric: mean cosine similarity between guessed and true prompt embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import InputError
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import Embeddings

RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Score:
    """How well guesses fit: the mean similarity, its 95% interval, and what each image got.

    `similarities` (n,) belongs to `ids`, the images that both sides have. `missing` are ids of the truth
    that the guess lacks, `extra` ids of the guess that the truth lacks; neither enters the mean.
    """

    mean: float
    low: float
    high: float
    ids: tuple[str, ...]
    similarities: NDArray[np.float64]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def ranked(self) -> list[tuple[str, float]]:
        """(id, similarity) from best to worst; ties in the order of the ids."""
        order = np.argsort(-self.similarities, kind="stable")
        return [(self.ids[row], float(self.similarities[row])) for row in order]

    def numbers(self) -> dict[str, float | int]:
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

    Shapes: (n,) -> (low, high). Seeded, so the same values give the same interval.
    """
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


def score(guess: Embeddings, truth: Embeddings) -> Score:
    """Compare two sets of embeddings by id. Raises InputError where they share no id."""
    known: set[str] = set(guess.ids)
    shared: Sequence[str] = [image_id for image_id in truth.ids if image_id in known]
    if not shared:
        raise InputError(
            f"guess and truth share no image id ({len(guess):,} and {counted(len(truth), 'id')}; "
            f"the guess starts with '{guess.ids[0] if guess.ids else ''}', "
            f"the truth with '{truth.ids[0] if truth.ids else ''}'); are these files of the same images?"
        )
    similarities = cosines(guess.at(shared).vectors, truth.at(shared).vectors)
    low, high = bootstrap_interval(similarities)
    wanted = set(truth.ids)
    return Score(
        mean=float(similarities.mean()),
        low=low,
        high=high,
        ids=tuple(shared),
        similarities=similarities,
        missing=tuple(image_id for image_id in truth.ids if image_id not in known),
        extra=tuple(image_id for image_id in guess.ids if image_id not in wanted),
    )
