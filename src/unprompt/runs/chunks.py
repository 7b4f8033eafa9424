"""The RUN folder: what a run leaves behind, and the finished chunks that let a killed one go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.records import DIM
from unprompt.storage import resumable as folders
from unprompt.storage.files import read_arrays, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.bundle.bundles import Bundle
    from unprompt.records import FloatArray, Rows, TakeRows
    from unprompt.storage.sources import Sources

KIND = folders.FolderKind(
    noun="run",
    record="run.json",
    outputs=(
        *("submission.csv", "prompts.csv", "from_file.csv", "problems.csv"),
        *("images.csv", "report.html", "members"),
    ),
    more=", --update to do the images that are new",
)


class Level(IntEnum):
    """How much of the bundle an image got."""

    FULL = 0  # every member
    CHEAPEST = 1  # the cheapest member alone: the deadline was near
    PRIOR = 2  # no member: the deadline had come, or the image could not be read


def member_paths(run: Path, bundle: Bundle) -> dict[str, Path]:
    """Where a RUN keeps the embeddings of a bundle's members, by their names."""
    return {spec.name: run / "members" / f"{spec.name}.npz" for spec in bundle.members}


@dataclass(frozen=True, eq=False)
class Chunk:
    """The finished work on n consecutive images.

    `embeddings`: by member (n, 384) unit rows; where a member did not see an image they hold what stands in
    for it. `prompts`: n texts, empty where there is none. `problems`: n texts, empty where the image was
    read. `levels`: (n,) of Level.
    """

    embeddings: dict[str, FloatArray]
    prompts: tuple[str, ...]
    problems: tuple[str, ...]
    levels: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Kept:
    """The finished work on n images as a Chunk has it, but that the embeddings stay on the disk.

    `embeddings`: by member what reads some of its rows.
    """

    embeddings: dict[str, TakeRows]
    prompts: Sequence[str]
    problems: Sequence[str]
    levels: NDArray[np.int8]

    def at(self, rows: Rows) -> Kept:
        """Some of the images, in another order."""

        def pick(take: TakeRows) -> TakeRows:
            return lambda some: take(rows[some])

        return Kept(
            {name: pick(take) for name, take in self.embeddings.items()},
            [self.prompts[row] for row in rows],
            [self.problems[row] for row in rows],
            self.levels[rows],
        )


def join(parts: Sequence[Kept], members: Sequence[str]) -> Kept:
    """The images of several parts, one part's after the other's."""
    starts = np.cumsum([0, *(len(part.levels) for part in parts)])

    def joined(name: str) -> TakeRows:
        def take(rows: Rows) -> FloatArray:
            found = np.empty((len(rows), DIM), dtype=np.float32)
            numbers = np.searchsorted(starts, rows, side="right") - 1  # of the parts that have them
            for number in np.unique(numbers):
                here = numbers == number
                found[here] = parts[number].embeddings[name](rows[here] - starts[number])
            return found

        return take

    return Kept(
        {name: joined(name) for name in members},
        [prompt for part in parts for prompt in part.prompts],
        [problem for part in parts for problem in part.problems],
        np.concatenate([part.levels for part in parts]),
    )


class RunFolder:
    """A RUN folder that this process has opened for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / folders.WORK

    def _chunk_path(self, number: int) -> Path:
        return self.work / f"chunk-{number:06d}.npz"

    def level_of(self, number: int) -> Level | None:
        """How much of the bundle a finished chunk got; None where there is none."""
        path = self._chunk_path(number)  # a file that is there is whole
        return Level(int(read_arrays(path, ("levels",))["levels"].max())) if path.exists() else None

    def write_chunk(self, number: int, chunk: Chunk) -> None:
        """Keep a finished chunk."""
        arrays: dict[str, NDArray[Any]] = {f"member:{name}": rows for name, rows in chunk.embeddings.items()}
        write_arrays(
            self._chunk_path(number),
            prompts=np.array(chunk.prompts, dtype=np.str_),
            problems=np.array(chunk.problems, dtype=np.str_),
            levels=chunk.levels,
            **arrays,
        )

    def read_chunk(self, number: int, members: Sequence[str]) -> Kept:
        """Read a finished chunk back."""
        path = self._chunk_path(number)
        arrays = read_arrays(path, ("prompts", "problems", "levels"))

        def rows_of(array: str) -> TakeRows:
            return lambda rows: read_arrays(path, (array,))[array][rows]

        return Kept(
            embeddings={name: rows_of(f"member:{name}") for name in members},
            prompts=[str(text) for text in arrays["prompts"]],
            problems=[str(text) for text in arrays["problems"]],
            levels=arrays["levels"],
        )

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write run.json and remove the work folder."""
        folders.finish(self.path, KIND, record)


@contextmanager
def open_run(
    path: Path,
    plan: Mapping[str, Any],
    overwrite: bool,
    update: bool = False,
    sources: Sources | None = None,
) -> Iterator[tuple[RunFolder, bool]]:
    """Open RUN for the work that `plan` describes; yields the folder and whether it goes on from earlier.

    Raises RunError as `folders.open_folder` does.
    """
    with folders.open_folder(path, KIND, plan, overwrite, update, sources) as resumed:
        yield RunFolder(path), resumed
