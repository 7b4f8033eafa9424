"""Text features of whole lists of phrases, and which phrases lie nearest to images.

A table is made once for a list and a CLIP and kept in the user's cache, or in a folder that can be carried to
another machine. Ranking takes a batch of images: one product with each table gives all similarities, and
lists are merged by standing side by side in them, so no table is copied.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import CheckpointError, RunError, UnpromptError
from unprompt.interrogator.vocabulary import shown_phrase
from unprompt.networks.checkpoints import cache_folder
from unprompt.progress import Progress, StepBars
from unprompt.storage.caching import make_once
from unprompt.storage.files import writing
from unprompt.storage.places import in_reach
from unprompt.storage.resumable import fill_array
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from unprompt.networks.text_tower import TextTower

ENTRY = "unprompt"  # of a table's header, the only one: safetensors writes several in any order
ROWS = 1 << 14  # rows of a table that are turned from float16 to float32 at a time
BUCKET = 4096  # phrases that are encoded between two saves; on two cores 3 minutes of a ViT-H-14


@dataclass(frozen=True, eq=False)
class Table:
    """One list: its `phrases` (P) and their `features` (P, D), unit rows rounded to float16.

    They stay float16 on a GPU; on the CPU, where float16 is slow, they are kept as float32 of the same value.
    """

    kind: str
    phrases: tuple[str, ...]
    features: Tensor


@dataclass(frozen=True)
class TableKey:
    """What a table's file is of: the hash of its phrases, in order, and the identity of the CLIP."""

    kind: str
    phrases: str
    clip: str
    both: str

    @classmethod
    def of(cls, tower: TextTower, kind: str, phrases: Sequence[str]) -> TableKey:
        """The key of a list by the text tower of a CLIP."""
        own = hashlib.sha256("\n".join(phrases).encode()).hexdigest()
        both = hashlib.sha256("\n".join((tower.identity, *phrases)).encode()).hexdigest()
        return cls(kind, own, tower.identity, both)

    @property
    def file(self) -> str:
        """The table's name in any folder."""
        return f"{self.kind}-{self.both[:20]}.safetensors"

    @property
    def header(self) -> dict[str, str]:
        """What the file says of itself: all hashes, the one first of which its name has the beginning."""
        return {ENTRY: f"{self.both} {self.phrases} {self.clip}"}

    def foreign(self, header: Mapping[str, str]) -> str:
        """What a table with that header is of instead ("other phrases"); "" where it is this key's."""
        both, *parts = header.get(ENTRY, "").split(" ", 2)
        if both == self.both:
            return ""
        if len(parts) != 2:
            return "other phrases or another CLIP"
        told = ["other phrases"] if parts[0] != self.phrases else []
        return " and ".join([*told, *(["another CLIP"] if parts[1] != self.clip else [])])


def build_tables(
    tower: TextTower, vocabulary: Mapping[str, Sequence[str]], folder: Path | None = None
) -> dict[str, Table]:
    """A table for each kind of phrase, from `folder` or the cache, or encoded now.

    Warns of phrases that reach the end of the model's context, as what stands beyond is not read, and where
    `folder` has tables of other phrases or another CLIP in place of the ones that are wanted. Raises RunError
    for a folder that is not there and cannot be made.
    """
    if folder is not None:
        _warn_of_missing(folder, [TableKey.of(tower, *each) for each in vocabulary.items()])
    tables = {}
    for kind, phrases in vocabulary.items():
        _warn_of_long(tower, kind, phrases)
        tables[kind] = Table(kind, tuple(phrases), text_features(tower, kind, phrases, folder))
    return tables


def text_features(tower: TextTower, kind: str, phrases: Sequence[str], folder: Path | None = None) -> Tensor:
    """The features (P, D) of a list of phrases on the tower's device, encoded once and kept.

    They are kept in `folder`, or, without one and where it cannot be written, in the cache; what either has
    is taken. The file's name is the hash of the phrases and of the CLIP. A damaged or foreign file is made
    again with a warning; a cache folder that cannot be written only costs the time of encoding again.
    """
    key = TableKey.of(tower, kind, phrases)
    kept = cached = cache_folder() / "phrases" / key.file
    if folder is not None and can_write(folder):
        kept = folder / key.file

    def read(path: Path) -> Tensor:
        like = tower.encode(phrases[:1])  # (1, D)
        return _read(path, key, (len(phrases), like.shape[1])).to(like.device)

    def taken(path: Path) -> Tensor | None:
        if not in_reach(path):
            return None
        try:
            return read(path)
        except UnpromptError as error:
            warnings.warn(f"{error}; not taken", stacklevel=2)
            return None

    def make() -> Tensor:
        found = taken(cached) if kept != cached else None
        return _encode(tower, kind, phrases, kept) if found is None else found

    def write(path: Path, features: Tensor) -> None:
        _write(path, key, features)
        _array(path).unlink(missing_ok=True)

    rounded = taken(folder / key.file) if folder is not None and kept == cached else None
    if rounded is None:
        rounded = make_once(kept, read, make, write, f"{kind} are encoded")
    return rounded.float() if rounded.device.type == "cpu" else rounded


def can_write(folder: Path) -> bool:
    """Whether tables can be put into a folder, which is made if need be; false where its disk is read-only.

    Raises RunError for a folder that is not there and cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"the folder of tables {folder} is not there and cannot be made: {error.strerror}; name another"
        ) from error
    return os.access(folder, os.W_OK)


def _encode(tower: TextTower, kind: str, phrases: Sequence[str], path: Path) -> Tensor:
    """The features (P, D), float16, bucket by bucket, so that a kill costs no more than one of them.

    Buckets are cut from the phrases in lexicographic order, as those that begin alike are encoded together.
    What is done lies beside `path`; where it cannot be kept, all is encoded at once.
    """
    import torch

    step = f"encoding {kind} (once)"
    like = tower.encode(phrases[:1])  # (1, D)
    order = sorted(range(len(phrases)), key=phrases.__getitem__)
    with StepBars("phrase") as bars:

        def tell_from(start: int) -> Progress:
            return lambda _, count, __: bars.show(step, start + count, len(order))

        def buckets(done: int) -> Iterator[tuple[int, NDArray[Any]]]:
            for start in range(done, len(order), BUCKET):
                some = [phrases[row] for row in order[start : start + BUCKET]]
                features = tower.encode(some, tell_from(start))
                yield start, features.to(torch.float16).cpu().numpy()

        shape = (len(phrases), like.shape[1])
        instead = "name a folder that can with --tables"
        try:
            fill_array(_array(path), shape, np.float16, buckets, BUCKET, instead, step, bars.show)
            ordered = np.load(_array(path))
        except RunError:  # told when the table itself cannot be written
            ordered = np.concatenate([rows for _, rows in buckets(0)])
    features = np.empty_like(ordered)
    features[order] = ordered
    return torch.from_numpy(features).to(like.device)


def _array(path: Path) -> Path:
    """Where a table's rows lie until its file is written, in the order in which they are encoded."""
    return path.with_suffix(".npy")


def _write(path: Path, key: TableKey, features: Tensor) -> None:
    from safetensors.torch import save

    content = save({"features": features.cpu().contiguous()}, key.header)
    with writing(path) as stream:
        stream.write(content)


def _read(path: Path, key: TableKey, shape: tuple[int, int]) -> Tensor:
    """The float16 features in a file. Raises CheckpointError where they cannot be those of `key`."""
    import torch

    from unprompt.networks.state_dicts import read_metadata, read_safetensors

    if other := key.foreign(read_metadata(path)):
        raise CheckpointError(f"{path} belongs to {other}")
    features = read_safetensors(path).get("features")
    if features is None or features.dtype != torch.float16 or tuple(features.shape) != shape:
        raise CheckpointError(f"{path} does not hold {shape[0]} rows of {shape[1]} float16 features")
    lengths = torch.linalg.vector_norm(features, dim=1, dtype=torch.float32)  # (P,)
    if not bool(((lengths - 1).abs() < 0.01).all()):  # float16 keeps a length to 0.001; NaN fails too
        raise CheckpointError(f"{path} has rows that are not of unit length")
    return features


def _warn_of_missing(folder: Path, keys: Sequence[TableKey]) -> None:
    """Say in one line which tables a folder lacks, if it has others, or can be given none."""
    missing = [key for key in keys if not in_reach(folder / key.file)]
    others = [(key, path) for key in missing for path in sorted(folder.glob(f"{key.kind}-*.safetensors"))]
    kept = can_write(folder)
    if not missing or (kept and not others):
        return
    there = f" ({_describe_other(*others[0])})" if others else ""
    then = "taken from the cache or encoded now" + (", and kept there" if kept else "")
    warnings.warn(
        f"{part_of(len(missing), len(keys), 'table')} {agreed(len(missing), 'are')} not in {folder}, "
        f"first: {missing[0].kind}{there}; {then}",
        stacklevel=2,
    )


def _describe_other(key: TableKey, path: Path) -> str:
    """What a table of the same kind is, that is not the one that is wanted."""
    from unprompt.networks.state_dicts import read_metadata

    try:
        other = key.foreign(read_metadata(path))
    except CheckpointError:
        return f"{path.name} is cut short or damaged"
    return f"{path.name} belongs to {other}" if other else f"{path.name} has to be called {key.file}"


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
    """The cosines (B, P) of B images with all phrases of some tables, each computed once.

    Each image is answered for K times in a row, once for each of its captions: `images` are (B x K, D), and
    so many are the answers.
    """

    images: Tensor
    tables: Sequence[Table]
    cosines: Tensor
    times: int

    @classmethod
    def of(cls, images: Tensor, tables: Sequence[Table], times: int = 1) -> Ranking:
        """Rank B images, (B, D) float32 unit rows on the tables' device; `times`: K."""
        return cls(images.repeat_interleave(times, 0), tables, similarities(images, tables), times)

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
            yield from repeat(found, self.times)

    def log_sums(self, scale: float, kind: str | None = None) -> list[float]:
        """The logarithm of the sum of exp(scale x cosine) over the phrases of a kind, or all, by image."""
        sums = (scale * self.cosines[:, self._columns(kind)]).logsumexp(1)  # (B,)
        answers: list[float] = sums.repeat_interleave(self.times).tolist()
        return answers

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
