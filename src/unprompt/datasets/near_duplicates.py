"""The near-duplicate filter: keeps the first of every group of prompts that lie too close together.

A row is dropped where its cosine with an earlier kept row is at or above the threshold. The answer is that
of a loop over all pairs, at any size: nothing is approximated, yet few pairs are looked at in full. Rotate
the vectors by their principal axes and keep the first d coordinates of x, and the length of the rest, |x'|:

    x . y  =  x_d . y_d  +  x' . y'  <=  x_d . y_d  +  |x'| |y'|        (Cauchy-Schwarz)

The right side is a dot product of d + 1 numbers instead of 384, and seldom reaches a threshold such as
0.95. Pairs that do are looked at with more coordinates, and the few that are left in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import ConfigError, InputError
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

    Ints = NDArray[np.int64]

THRESHOLD = 0.95
BLOCK = 1024  # rows that are compared at once; a tile of BLOCK x BLOCK bounds stays in a core's cache
INNER = 128  # rows of a block that are compared with each other
COORDINATES = (15, 23, 31, 47, 63, 95, 127, 191)  # choices of d; one more number stands for the rest
SECOND = 96  # d of the second bound
SLACK = 1e-4  # what single precision may take from a bound, many times over
SAMPLE = 8192  # rows that the axes are fitted to
TRIAL = 1024  # rows of the sample that are compared with all of it to choose d
SCAN_COST = 8.0  # looking for large numbers among the bounds, a pair, in multiplications
PAIR_COST = 6000.0  # looking at a pair again, in multiplications
GATHERED = 32768  # pairs whose vectors are gathered together (100 MB)
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Filtered:
    """What became of N rows.

    `kept`: (N,) bool. `because_of`: (N,) the first kept row that a dropped one is too close to, -1 for kept
    rows; rows of `against` come first, as -2 - row. `cosines`: (N,) float64 of those two, NaN for kept rows.
    """

    kept: NDArray[np.bool_]
    because_of: Ints
    cosines: NDArray[np.float64]


def filter_near_duplicates(
    vectors: FloatArray,
    threshold: float = THRESHOLD,
    against: FloatArray | None = None,
    progress: Progress = silent,
) -> Filtered:
    """Keep the first of every group of unit rows whose cosine is at or above `threshold`.

    `vectors`: (N, D) float32 unit rows, in the order in which they take precedence. `against`: (M, D) rows
    that are not filtered but also exclude what is too close to them. The cosine of two rows is their dot
    product in double precision. `progress` is told rows done and in all.

    Raises ConfigError for a threshold outside (0, 1], InputError for rows that are not of unit length.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold is a cosine, above 0 and up to 1, got {threshold}")
    rows = vectors if against is None else np.concatenate([against, vectors])
    check_unit(rows)
    fixed, total = len(rows) - len(vectors), len(vectors)
    kept = np.ones(len(rows), dtype=bool)
    because_of = np.full(len(rows), -1, dtype=np.int64)
    cosines = np.full(len(rows), np.nan)
    if total:
        with _Search(rows, threshold) as search:
            search.keep(np.arange(fixed))
            for start in range(fixed, len(rows), BLOCK):
                block = np.arange(start, min(start + BLOCK, len(rows)))
                for pairs in _settled(search, block):
                    kept[pairs.later] = False
                    because_of[pairs.later] = pairs.earlier
                    cosines[pairs.later] = pairs.cosines
                search.keep(block[kept[block]])
                progress("comparing", start + len(block) - fixed, total)
    by_against = (because_of >= 0) & (because_of < fixed)
    shifted = np.where(by_against, -2 - because_of, np.where(because_of < 0, -1, because_of - fixed))
    return Filtered(kept[fixed:], shifted[fixed:], cosines[fixed:])


def check_unit(rows: FloatArray) -> None:
    """Raise InputError that names the first of rows (N, D) that is not of unit length."""
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
    if wrong.size:
        raise InputError(
            f"{part_of(wrong.size, len(rows), 'vector')} {agreed(wrong.size, 'are')} not of unit length, "
            f"first: row {wrong[0]}"
        )


@dataclass(frozen=True, eq=False)
class _Pairs:
    """P pairs of rows that are too close: `earlier` and `later` row numbers and `cosines`, (P,) each."""

    earlier: Ints
    later: Ints
    cosines: NDArray[np.float64]

    def first_for_each(self) -> _Pairs:
        """For every later row, the pair with the first of its earlier rows."""
        order = np.lexsort((self.earlier, self.later))
        later, first = np.unique(self.later[order], return_index=True)
        chosen = order[first]
        return _Pairs(self.earlier[chosen], later, self.cosines[chosen])

    def at(self, chosen: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self.earlier[chosen], self.later[chosen], self.cosines[chosen])


def _settled(search: _Search, block: Ints) -> Iterator[_Pairs]:
    """The dropped rows of a block, each with the reason: first by rows kept before it, then by its own."""
    dropped = search.pairs_with_kept(block).first_for_each()
    yield dropped
    open_rows = np.setdiff1d(block, dropped.later, assume_unique=True)
    kept_here = np.empty(0, dtype=np.int64)
    for start in range(0, len(open_rows), INNER):
        rows = open_rows[start : start + INNER]
        reasons = _first_come(search.pairs(np.concatenate([kept_here, rows]), rows))
        yield reasons
        kept_here = np.concatenate([kept_here, np.setdiff1d(rows, reasons.later, assume_unique=True)])


def _first_come(pairs: _Pairs) -> _Pairs:
    """The pairs that decide: in the order of rows, each is dropped by the first one that is still kept."""
    dropped: dict[int, int] = {}  # row -> position of its pair
    for position in np.lexsort((pairs.earlier, pairs.later)):
        earlier, later = int(pairs.earlier[position]), int(pairs.later[position])
        if later not in dropped and earlier not in dropped:
            dropped[later] = int(position)
    chosen = np.fromiter(dropped.values(), dtype=np.int64, count=len(dropped))
    return _Pairs(pairs.earlier[chosen], pairs.later[chosen], pairs.cosines[chosen])


class _Search:
    """Finds the pairs at or above the threshold among rows, and between rows and the kept ones."""

    def __init__(self, rows: FloatArray, threshold: float) -> None:
        self._rows = rows
        self._threshold = threshold
        self._least = np.float32(threshold - SLACK)  # a bound below it excludes the pair
        sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)]
        axes = principal_axes(sample)
        coordinates = choose_coordinates(sample @ axes, threshold)
        self._first = np.empty((len(rows), coordinates + 1), dtype=np.float32)
        self._second = np.empty((len(rows), min(SECOND, rows.shape[1]) + 1), dtype=np.float32)
        for start in range(0, len(rows), SAMPLE):
            turned = rows[start : start + SAMPLE] @ axes  # (S, D)
            self._first[start : start + SAMPLE] = shorten_rows(turned, coordinates)
            self._second[start : start + SAMPLE] = shorten_rows(turned, SECOND)
        self._kept_first = np.empty_like(self._first)  # of which `_count` rows are filled
        self._kept = np.empty(len(rows), dtype=np.int64)
        self._count = 0

    def __enter__(self) -> _Search:
        import torch

        # Tiles are what runs side by side, so a product has one thread; MKL knows one number for all workers.
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self._pool = ThreadPoolExecutor(
            core_count(), "unprompt-filter", initializer=torch.set_num_threads, initargs=(1,)
        )
        return self

    def __exit__(self, *_: object) -> None:
        import torch

        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads)

    def keep(self, rows: Ints) -> None:
        """Add rows to the kept ones."""
        end = self._count + len(rows)
        self._kept[self._count : end] = rows
        self._kept_first[self._count : end] = self._first[rows]
        self._count = end

    def pairs_with_kept(self, block: Ints) -> _Pairs:
        """All pairs of a kept row and one of the block that are too close."""
        bounds = self._first[block]
        tiles = [
            self._pool.submit(self._likely, bounds, self._kept_first[start:end], block, self._kept[start:end])
            for start in range(0, self._count, BLOCK)
            for end in (min(start + BLOCK, self._count),)
        ]
        found = [tile.result() for tile in tiles] or [(_NO_ROWS, _NO_ROWS)]
        earlier, later = (np.concatenate(rows) for rows in zip(*found, strict=True))
        return self._verified(earlier, later)

    def pairs(self, earlier: Ints, later: Ints) -> _Pairs:
        """All pairs, one of each list and the first before the second, that are too close."""
        left, right = self._likely(self._first[later], self._first[earlier], later, earlier)
        in_order = left < right
        return self._verified(left[in_order], right[in_order])

    def _likely(
        self,
        later_bounds: FloatArray,
        earlier_bounds: FloatArray,
        later: Ints,
        earlier: Ints,
    ) -> tuple[Ints, Ints]:
        """The pairs (earlier, later) that neither the first nor the second bound excludes."""
        import torch

        bounds = torch.mm(torch.from_numpy(later_bounds), torch.from_numpy(earlier_bounds).T).numpy()
        places = np.flatnonzero(bounds >= self._least)
        rows, columns = np.divmod(places, len(earlier))
        left, right = earlier[columns], later[rows]
        likely = np.concatenate(
            [
                np.einsum("pd,pd->p", self._second[left[part]], self._second[right[part]]) >= self._least
                for part in _stretches(len(places))
            ]
            or [np.empty(0, dtype=bool)]
        )
        return left[likely], right[likely]

    def _verified(self, earlier: Ints, later: Ints) -> _Pairs:
        """The pairs whose cosine in double precision is at or above the threshold."""
        cosines = np.empty(len(earlier))
        for part in _stretches(len(earlier)):
            cosines[part] = dot_rows(self._rows[earlier[part]], self._rows[later[part]])
        return _Pairs(earlier, later, cosines).at(cosines >= self._threshold)


def dot_rows(left: FloatArray, right: FloatArray) -> NDArray[np.float64]:
    """Row by row dot products in double precision: (P, D), (P, D) -> (P,)."""
    cosines: NDArray[np.float64] = (left.astype(np.float64) * right).sum(axis=1)
    return cosines


def _stretches(count: int) -> list[slice]:
    return [slice(start, min(start + GATHERED, count)) for start in range(0, count, GATHERED)]


def principal_axes(sample: FloatArray) -> FloatArray:
    """(S, D) rows -> (D, D) orthonormal columns, those first along which the rows are longest."""
    _, axes = np.linalg.eigh(sample.T.astype(np.float64) @ sample)
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def shorten_rows(turned: FloatArray, coordinates: int) -> FloatArray:
    """(N, D) rows in principal coordinates -> (N, d + 1): d of them and the length of what is left out.

    Dot products of shortened rows are upper bounds of those of the rows, by the Cauchy-Schwarz inequality.
    """
    rest = turned[:, coordinates:]
    return np.column_stack([turned[:, :coordinates], np.sqrt(np.einsum("nd,nd->n", rest, rest))])


def choose_coordinates(turned: FloatArray, threshold: float) -> int:
    """The d of the first bound that makes the search cheapest, by how many pairs of a sample it lets pass."""
    trial = turned[:: max(1, len(turned) // TRIAL)]

    def cost(coordinates: int) -> float:
        bounds = shorten_rows(trial, coordinates) @ shorten_rows(turned, coordinates).T
        passed = float(np.mean(bounds >= threshold - SLACK)) - 1 / len(turned)  # less each with itself
        return coordinates + 1 + SCAN_COST + PAIR_COST * max(passed, 0.0)

    return min((d for d in COORDINATES if d < turned.shape[1]), default=turned.shape[1], key=cost)
