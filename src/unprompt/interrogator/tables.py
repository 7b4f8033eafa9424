"""Text features of whole lists of phrases, and which phrases lie nearest to images.

A table is made once for a list and a CLIP and kept in the user's cache. Ranking takes a batch of images: one
product with each table gives all similarities, and lists are merged by standing side by side in them, so no
table is copied.
"""

from __future__ import annotations

import hashlib
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.errors import CheckpointError
from unprompt.interrogator.vocabulary import shown_phrase
from unprompt.networks.checkpoints import cache_folder
from unprompt.progress import StepBars
from unprompt.storage.caching import make_once
from unprompt.storage.files import writing
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from torch import Tensor

    from unprompt.networks.text_tower import TextTower

ENTRY = "unprompt"  # the header's one entry: the whole key, of which the file's name has the beginning
ROWS = 1 << 14  # rows of a table that are turned from float16 to float32 at a time


@dataclass(frozen=True, eq=False)
class Table:
    """One list: its `phrases` (P) and their `features` (P, D), unit rows rounded to float16.

    They stay float16 on a GPU; on the CPU, where float16 is slow, they are kept as float32 of the same value.
    """

    kind: str
    phrases: tuple[str, ...]
    features: Tensor


def build_tables(tower: TextTower, vocabulary: Mapping[str, Sequence[str]]) -> dict[str, Table]:
    """A table for each kind of phrase, from the cache or encoded now.

    Warns of phrases that reach the end of the model's context: what stands beyond is not read.
    """
    tables = {}
    for kind, phrases in vocabulary.items():
        _warn_of_long(tower, kind, phrases)
        tables[kind] = Table(kind, tuple(phrases), text_features(tower, kind, phrases))
    return tables


def text_features(tower: TextTower, kind: str, phrases: Sequence[str]) -> Tensor:
    """The features (P, D) of a list of phrases on the tower's device, encoded once and kept in the cache.

    The file's name is the hash of the phrases and of the CLIP. A damaged or foreign file is made again with a
    warning; a cache folder that cannot be written only costs the time of encoding again.
    """
    key = hashlib.sha256("\n".join((tower.identity, *phrases)).encode()).hexdigest()
    path = cache_folder() / "phrases" / f"{kind}-{key[:20]}.safetensors"

    def read(path: Path) -> Tensor:
        like = tower.encode(phrases[:1])  # (1, D)
        return _read(path, key, (len(phrases), like.shape[1])).to(like.device)

    def write(path: Path, features: Tensor) -> None:
        _write(path, key, features)

    rounded = make_once(path, read, lambda: _encode(tower, kind, phrases), write, f"{kind} are encoded")
    return rounded.float() if rounded.device.type == "cpu" else rounded


def _encode(tower: TextTower, kind: str, phrases: Sequence[str]) -> Tensor:
    import torch

    with StepBars("phrase") as bars:
        features = tower.encode(
            phrases, progress=lambda _, done, total: bars.show(f"encoding {kind} (once)", done, total)
        )
    return features.to(torch.float16)


def _write(path: Path, key: str, features: Tensor) -> None:
    from safetensors.torch import save

    content = save({"features": features.cpu().contiguous()}, {ENTRY: key})
    with writing(path) as stream:
        stream.write(content)


def _read(path: Path, key: str, shape: tuple[int, int]) -> Tensor:
    """The float16 features in a file. Raises CheckpointError where they cannot be those of `key`."""
    import torch

    from unprompt.networks.state_dicts import read_metadata, read_safetensors

    if read_metadata(path).get(ENTRY) != key:
        raise CheckpointError(f"{path} belongs to other phrases or another CLIP")
    features = read_safetensors(path).get("features")
    if features is None or features.dtype != torch.float16 or tuple(features.shape) != shape:
        raise CheckpointError(f"{path} does not hold {shape[0]} rows of {shape[1]} float16 features")
    lengths = torch.linalg.vector_norm(features, dim=1, dtype=torch.float32)  # (P,)
    if not bool(((lengths - 1).abs() < 0.01).all()):  # float16 keeps a length to 0.001; NaN fails too
        raise CheckpointError(f"{path} has rows that are not of unit length")
    return features


def _warn_of_long(tower: TextTower, kind: str, phrases: Sequence[str]) -> None:
    # A token is at least one byte, so a shorter phrase need not be tokenized.
    long = [
        phrase for phrase in phrases if len(phrase.encode()) > tower.context - 3 and tower.is_full(phrase)
    ]
    if long:
        warnings.warn(
            f"{kind}: {part_of(len(long), len(phrases), 'phrase')} {agreed(len(long), 'fill')} CLIP's "
            f"{tower.context} tokens, what stands beyond them has no influence; first: "
            f"{shown_phrase(long[0])}",
            stacklevel=3,
        )


def similarities(features: Tensor, tables: Sequence[Table], step: int = ROWS) -> Tensor:
    """Cosines of B images with all phrases of several tables, one table's columns after another's.

    (B, D) float32 unit rows, on the tables' device -> (B, P) float32. `step`: rows of a table at a time.
    """
    import torch

    width = sum(len(table.phrases) for table in tables)
    cosines = torch.empty((len(features), width), dtype=torch.float32, device=features.device)
    column = 0
    for table in tables:
        for rows in table.features.split(step):
            cosines[:, column : column + len(rows)] = features @ rows.to(features.dtype).T
            column += len(rows)
    return cosines


def rank_columns(cosines: Tensor, count: int, chunk: int, reverse: bool = False) -> Tensor:
    """The columns of the `count` largest cosines of each row, best first: (B, P) -> (B, K), K <= count.

    As clip-interrogator chooses from P > chunk columns: of each of the n chunks it keeps the best chunk // n
    and takes the best of what is kept, so K may be less than `count`, and a phrase in a crowded chunk may be
    missed. `reverse` ranks the smallest first, in both passes; the reference forgets it in the second.
    """
    import torch

    width = cosines.shape[1]
    chunks = -(-width // chunk)
    keep = max(1, chunk // max(1, chunks))
    if chunks <= 1 or count <= keep:  # then each of the best `count` is also among the best of its chunk
        return cosines.topk(min(count, width), largest=not reverse).indices
    kept = torch.cat(
        [
            part.topk(min(keep, part.shape[1]), largest=not reverse).indices + number * chunk
            for number, part in enumerate(cosines.split(chunk, dim=1))
        ],
        dim=1,
    )  # (B, n * keep)
    best = cosines.gather(1, kept).topk(min(count, kept.shape[1]), largest=not reverse).indices
    return kept.gather(1, best)


@dataclass(frozen=True)
class Choice:
    """A phrase, the list it is from and its own similarity to the image."""

    kind: str
    phrase: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """The cosines (B, P) of `images` (B, D) with all phrases of some tables, each computed once."""

    images: Tensor
    tables: Sequence[Table]
    cosines: Tensor

    @classmethod
    def of(cls, images: Tensor, tables: Sequence[Table]) -> Ranking:
        """Rank B images, (B, D) float32 unit rows on the tables' device."""
        return cls(images, tables, similarities(images, tables))

    def nearest(
        self, count: int, chunk: int, kind: str | None = None, reverse: bool = False
    ) -> Iterator[list[Choice]]:
        """For each image its `count` nearest phrases (`reverse`: farthest) of a kind, or of all, best first.

        All means the lists side by side, so a chunk of phrases may reach over two of them.
        """
        starts, columns = self._starts, self._columns(kind)
        part = self.cosines[:, columns]
        order = rank_columns(part, count, chunk, reverse)  # (B, K)
        cosines = part.gather(1, order).tolist()
        for row, values in zip((order + columns.start).tolist(), cosines, strict=True):
            found = []
            for column, value in zip(row, values, strict=True):
                number = bisect_right(starts, column) - 1
                table = self.tables[number]
                found.append(Choice(table.kind, table.phrases[column - starts[number]], value))
            yield found

    def log_sums(self, scale: float, kind: str | None = None) -> list[float]:
        """The logarithm of the sum of exp(scale x cosine) over the phrases of a kind, or all, by image."""
        sums: list[float] = (scale * self.cosines[:, self._columns(kind)]).logsumexp(1).tolist()
        return sums

    @property
    def _starts(self) -> list[int]:
        """The first column of each table, and the end."""
        return list(accumulate((len(table.phrases) for table in self.tables), initial=0))

    def _columns(self, kind: str | None) -> slice:
        """Those of a kind, or all."""
        starts = self._starts
        if kind is None:
            return slice(0, starts[-1])
        number = [table.kind for table in self.tables].index(kind)
        return slice(starts[number], starts[number + 1])
