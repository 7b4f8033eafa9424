"""Several scores of many things, where not each score applies to each thing: means, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 1000  # of the bootstrap


def mean_scores(scores: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """Means over the things to which a score applies; NaN where there is none."""
    table = _table(scores, names)
    counts = (~np.isnan(table)).sum(0)
    means = np.nansum(table, 0) / np.where(counts, counts, np.nan)
    return dict(zip(names, means.tolist(), strict=True))


def score_intervals(
    scores: Sequence[Mapping[str, float]], names: Sequence[str], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% bootstrap intervals of `mean_scores`, over things (Efron 1979).

    NaN for a score that applies to fewer than two things: one says nothing about others.
    """
    random = np.random.default_rng(seed)
    found = {}
    for name, column in zip(names, _table(scores, names).T, strict=True):
        values = column[~np.isnan(column)]
        if len(values) < 2:
            found[name] = (np.nan, np.nan)
            continue
        means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(SAMPLES)]
        low, high = np.quantile(means, (0.025, 0.975))
        found[name] = (float(low), float(high))
    return found


def finite_or_none(value: float) -> float | None:
    """A score as JSON can hold it: None where it does not apply."""
    return None if np.isnan(value) else value


def rounded_or_none(value: float) -> float | None:
    """The same to four digits, for what people read."""
    return finite_or_none(round(value, 4))


def spans_as_json(
    means: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, float | None]]:
    """`mean_scores` and their `score_intervals` to four digits, by name."""
    return {
        name: dict(zip(("mean", "low", "high"), map(rounded_or_none, (mean, *intervals[name])), strict=True))
        for name, mean in means.items()
    }


def _table(scores: Sequence[Mapping[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[one[name] for name in names] for one in scores]).reshape(-1, len(names))
