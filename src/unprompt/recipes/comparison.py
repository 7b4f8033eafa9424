"""Ways to guess, beside each other on the same images: scores, intervals, and how far ours is above each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.datasets.dataset import Dataset
from unprompt.ensemble.score import bootstrap_interval, cosines
from unprompt.ensemble.score_tables import finite_or_none
from unprompt.recipes.scenes import embeddings_of
from unprompt.records import Embeddings
from unprompt.storage.files import write_table


@dataclass(frozen=True, eq=False)
class Way:
    """One way to guess: its similarities (n,) on the held-out images, and how far ours is to be above it."""

    name: str
    similarities: np.ndarray
    target: float = 0.0


def constant_way(train: Dataset, truth: Embeddings, target: float = 0.0) -> Way:
    """The one vector that is best for the training prompts; `target`: how far ours is to be above it."""
    mean = embeddings_of(train).vectors.mean(axis=0, dtype=np.float64)
    guess = np.tile(mean, (len(truth), 1))
    return Way("best constant of the training prompts", cosines(guess, truth.vectors), target)


def compare(ours: Way, others: Sequence[Way]) -> list[dict[str, Any]]:
    """A row for each way: score and interval; for the others also how far ours is above, image by image.

    A single image has no interval: its ends are None.
    """
    rows = []
    for way in (ours, *others):
        low, high = map(finite_or_none, bootstrap_interval(way.similarities))
        row: dict[str, Any] = {
            "way": way.name,
            "score": float(way.similarities.mean()),
            "low": low,
            "high": high,
        }
        if way is not ours:
            gains = ours.similarities - way.similarities
            low, high = map(finite_or_none, bootstrap_interval(gains))
            gain = float(gains.mean())
            row |= {"gain": gain, "gain_low": low, "gain_high": high, "target": way.target}
            row["met"] = gain >= way.target
        rows.append(row)
    return rows


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What `compare` gave, for people; targets only where there are any."""
    width = max(len(row["way"]) for row in rows)
    aimed = any(row.get("target") for row in rows)
    head = f"{'':{width}}   score   95% interval       ours is above by   95% interval"
    lines = [f"{head}        target" if aimed else head]
    for row in rows:
        line = f"{row['way']:{width}}  {row['score']:.4f}  {_span(row['low'], row['high'], '.4f'):16}"
        if "gain" in row:
            line += f"   {row['gain']:+.4f}            {_span(row['gain_low'], row['gain_high'], '+.4f'):18}"
            if aimed:
                line += f"   {row['target']:.2f} {'met' if row['met'] else 'missed'}"
        lines.append(line.rstrip())
    return lines


def _span(low: float | None, high: float | None, form: str) -> str:
    return "" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of the same kind as CSV; what a row lacks, or has as None, stays empty."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    values = ([row.get(name) for name in header] for row in rows)
    write_table(path, header, (["" if value is None else str(value) for value in row] for row in values))
