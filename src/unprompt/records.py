"""The typed records that stages exchange. They check themselves when made; rows are matched by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from unprompt.errors import InputError, agreed, counted, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    Rows = NDArray[np.int64]  # numbers of rows, from 0
    TakeRows = Callable[[Rows], FloatArray]  # M of them -> the rows (M, 384)

DIM = 384  # width of all-MiniLM-L6-v2, and so of every embedding
BLOCK = 1000  # images whose embeddings are in memory together where all of them need not be


def unit_rows(vectors: NDArray[np.floating], what: str = "embeddings") -> FloatArray:
    """Scale each row to length 1.

    Shapes: (N, D) -> (N, D) float32. Raises InputError where a row is zero or not finite, since such a row
    has no direction and a cosine with it means nothing.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)  # (N,)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if bad.size:
        raise InputError(
            f"{bad.size} of {len(rows)} {what} {agreed(bad.size, 'are')} zero or not finite, first: row "
            f"{bad[0]}"
        )
    unit: FloatArray = (rows / lengths[:, None]).astype(np.float32)
    return unit


def check_unique(ids: Sequence[str], what: str) -> None:
    """Raise InputError that names the first id standing twice in `ids`."""
    if len(set(ids)) != len(ids):
        doubled = [image_id for image_id, count in Counter(ids).items() if count > 1]
        raise InputError(
            f"{counted(len(doubled), 'id')} {agreed(len(doubled), 'stand')} more than once in {what}, "
            f"first: {doubled[0]}"
        )


def first_rows(texts: Sequence[str]) -> NDArray[np.int64]:
    """The rows of different texts, each the first that has it, in order."""
    row_by_text: dict[str, int] = {}
    for row, text in enumerate(texts):
        row_by_text.setdefault(text, row)
    return np.fromiter(row_by_text.values(), dtype=np.int64, count=len(row_by_text))


def rows_of(ids: Sequence[str], wanted: Sequence[str], what: str) -> list[int]:
    """Positions of the `wanted` ids in `ids`; raises InputError that counts and names the missing."""
    row_by_id = {image_id: row for row, image_id in enumerate(ids)}
    missing = [image_id for image_id in wanted if image_id not in row_by_id]
    if missing:
        raise InputError(
            f"{part_of(len(missing), len(wanted), 'image')} {agreed(len(missing), 'have')} no {what}, "
            f"first: {missing[0]}"
        )
    return [row_by_id[image_id] for image_id in wanted]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Prompt embeddings by image id.

    `ids`: N different strings. `vectors`: (N, 384) float32, finite. Members and encoders make unit rows;
    files from elsewhere may not have them, so what relies on unit length calls `unit()`.
    """

    ids: tuple[str, ...]
    vectors: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "vectors", np.asarray(self.vectors, dtype=np.float32))
        if self.vectors.shape != (len(self.ids), DIM):
            raise InputError(
                f"embeddings have shape {self.vectors.shape}, expected ({len(self.ids)}, {DIM}) for "
                f"{counted(len(self.ids), 'id')}"
            )
        check_unique(self.ids, "the embeddings")
        bad = np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))
        if bad.size:
            raise InputError(
                f"{part_of(bad.size, len(self.ids), 'embedding')} {agreed(bad.size, 'hold')} NaN or "
                f"infinity, first: {self.ids[bad[0]]}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, ids: Sequence[str]) -> Embeddings:
        """The rows of `ids`, in that order. Raises InputError naming the first missing id."""
        return Embeddings(tuple(ids), self.vectors[rows_of(self.ids, ids, "embedding")])

    def unit(self) -> Embeddings:
        """The same rows scaled to length 1."""
        return Embeddings(self.ids, unit_rows(self.vectors))

    def blocks(self, size: int = BLOCK) -> Iterator[Embeddings]:
        """The same, `size` images after the other."""
        for start in range(0, len(self), size):
            yield Embeddings(self.ids[start : start + size], self.vectors[start : start + size])


@dataclass(frozen=True, eq=False)
class LazyEmbeddings:
    """Prompt embeddings by image id that lie on the disk, or are computed, until some are asked for.

    `ids`: N different strings. `take`: numbers of rows -> these rows.
    """

    ids: tuple[str, ...]
    take: TakeRows

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, rows: Rows) -> Embeddings:
        """Some rows, in memory. Raises InputError where they are no embeddings."""
        return Embeddings(tuple(self.ids[row] for row in rows.tolist()), self.take(rows))

    def at(self, ids: Sequence[str]) -> LazyEmbeddings:
        """The rows of `ids`, in that order. Raises InputError naming the first missing id."""
        rows = np.array(rows_of(self.ids, ids, "embedding"), dtype=np.int64)
        return LazyEmbeddings(tuple(ids), lambda some: self.take(rows[some]))

    def blocks(self, size: int = BLOCK) -> Iterator[Embeddings]:
        """All of them, `size` images after the other."""
        for start in range(0, len(self), size):
            yield self.some(np.arange(start, min(start + size, len(self))))


AnyEmbeddings: TypeAlias = Embeddings | LazyEmbeddings


@dataclass(frozen=True)
class Prompts:
    """Prompts by image id: `ids` are N different strings, `texts` N strings."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "texts", tuple(self.texts))
        if len(self.ids) != len(self.texts):
            raise InputError(f"{counted(len(self.ids), 'id')} but {counted(len(self.texts), 'prompt')}")
        check_unique(self.ids, "the prompts")

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, ids: Sequence[str]) -> Prompts:
        """The prompts of `ids`, in that order. Raises InputError naming the first missing id."""
        return Prompts(tuple(ids), tuple(self.texts[row] for row in rows_of(self.ids, ids, "prompt")))


@dataclass(frozen=True)
class Problem:
    """One image that could not be read, and why, in words for the person who has to mend it."""

    image_id: str
    file: str
    problem: str
