"""How close the prompts of a data set are to each other in MiniLM space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.records import unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

QUERY_BLOCK = 512  # rows that are compared at once …
TARGET_BLOCK = 16_384  # … with so many others: 32 MiB of cosines
PAIRS = 12  # closest pairs that are listed


@dataclass(frozen=True)
class Pair:
    """Two different prompts and the cosine of their embeddings."""

    first: str
    second: str
    cosine: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbour of q of `total` distinct prompts, each looked for among all the others.

    `cosines` (q,) float64. `pairs`: the closest of those found, each pair once, the closest first.
    """

    total: int
    cosines: NDArray[np.float64]
    pairs: tuple[Pair, ...]

    def at_least(self, cosine: float) -> int:
        """How many of the q have a neighbour at this cosine or nearer."""
        return int((self.cosines >= cosine).sum())

    def quantile(self, share: float) -> float:
        """This share of the q has a nearest neighbour at this cosine or farther; one that really occurs."""
        return float(np.quantile(self.cosines, share, method="inverted_cdf"))


def study_neighbours(
    texts: Sequence[str], vectors: NDArray[np.floating], queries: Sequence[int]
) -> Neighbours:
    """Find the nearest neighbour of the rows `queries` among all others.

    `texts`: n > 1 different prompts, `vectors` (n, D) their embeddings. Raises InputError for a zero row.
    """
    unit = unit_rows(vectors)
    rows = np.asarray(queries)
    nearest, cosines = nearest_rows(unit, rows)
    order = np.argsort(-cosines, kind="stable")
    cosine_by_pair: dict[tuple[int, int], float] = {}
    for place in order:
        pair = (int(min(rows[place], nearest[place])), int(max(rows[place], nearest[place])))
        cosine_by_pair.setdefault(pair, float(cosines[place]))
        if len(cosine_by_pair) == PAIRS:
            break
    pairs = (Pair(texts[a], texts[b], cosine) for (a, b), cosine in cosine_by_pair.items())
    return Neighbours(len(texts), cosines, tuple(pairs))


def nearest_rows(
    unit: FloatArray,
    queries: NDArray[np.intp],
    query_block: int = QUERY_BLOCK,
    target_block: int = TARGET_BLOCK,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Exact nearest neighbours by cosine, a row never its own: (n, D) unit rows, (q,) -> (q,), (q,).

    Gives the neighbours' rows (of equally near ones the lowest) and the cosines. The search is in float32;
    the cosines found are then taken in float64, so that they do not depend on how a matrix product is cut.
    """
    nearest = np.zeros(len(queries), dtype=np.intp)
    for start in range(0, len(queries), query_block):
        rows = queries[start : start + query_block]
        best = np.full(len(rows), -np.inf, dtype=np.float32)
        for left in range(0, len(unit), target_block):
            targets = unit[left : left + target_block]
            cosines = unit[rows] @ targets.T  # (query_block, target_block)
            inside = np.flatnonzero((rows >= left) & (rows < left + len(targets)))
            cosines[inside, rows[inside] - left] = -np.inf
            found = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(rows)), found]
            nearer = highest > best
            nearest[start : start + len(rows)][nearer] = left + found[nearer]
            best = np.maximum(best, highest)
    exact = np.einsum("qd,qd->q", unit[queries].astype(np.float64), unit[nearest].astype(np.float64))
    return nearest, np.clip(exact, -1, 1)


def constant_score(vectors: NDArray[np.floating]) -> float:
    """The best mean cosine that one vector for all rows can have: the length of the mean unit row.

    The mean of c·e over the rows e is c·(mean e), which over unit c is greatest along mean e.
    """
    return float(np.linalg.norm(unit_rows(vectors).mean(axis=0, dtype=np.float64)))
