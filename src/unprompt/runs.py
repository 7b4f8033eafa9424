"""The RUN folder: what a run leaves behind, and what lets a killed one go on.

While a run is under way its finished chunks lie in RUN/.work, each written whole. They are removed after
run.json, which is written last: if it is there, the run is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import InputError, RunError
from unprompt.files import PARTS, read_arrays, read_json, write_arrays, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

FINISHED = "run.json"
WORK = ".work"
OUTPUTS = ("run.json", "submission.csv", "prompts.csv", "problems.csv", "report.html", "members", WORK)


class Level(IntEnum):
    """How much of the bundle an image got."""

    FULL = 0  # every member
    CHEAPEST = 1  # the cheapest member alone: the deadline was near
    PRIOR = 2  # no member: the deadline had come


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


class RunFolder:
    """A RUN folder that this process has opened for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / WORK

    def _chunk_path(self, number: int) -> Path:
        return self.work / f"chunk-{number:06d}.npz"

    def has_full_chunk(self, number: int) -> bool:
        """Whether a chunk is done with all members. What a deadline cut short is worth doing again."""
        path = self._chunk_path(number)  # a file that is there is whole
        return path.exists() and not read_arrays(path, ("levels",))["levels"].any()

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

    def read_chunk(self, number: int, members: Sequence[str]) -> Chunk:
        """Read a finished chunk back."""
        names = [f"member:{name}" for name in members]
        arrays = read_arrays(self._chunk_path(number), ["prompts", "problems", "levels", *names])
        return Chunk(
            embeddings={name: arrays[f"member:{name}"] for name in members},
            prompts=tuple(str(text) for text in arrays["prompts"]),
            problems=tuple(str(text) for text in arrays["problems"]),
            levels=arrays["levels"],
        )

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write run.json and remove the work folder."""
        write_json(self.path / FINISHED, record)
        shutil.rmtree(self.work, ignore_errors=True)


def fingerprint(plan: Mapping[str, Any]) -> str:
    """A short hash of what a run is to do; runs with the same one may go on from each other's chunks."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:20]


@contextmanager
def opened(path: Path, plan: Mapping[str, Any], overwrite: bool) -> Iterator[tuple[RunFolder, bool]]:
    """Open RUN for the work that `plan` describes; yields the folder and whether it goes on from earlier.

    Raises RunError where RUN is finished, was begun with another plan, belongs to something else, or is
    being written by another process. `overwrite` removes what another run left there, and nothing else; an
    unfinished run of the same plan goes on all the same, since it ends with the same bytes.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; name a folder for the run with --out")
    mine = any((path / name).exists() for name in (FINISHED, WORK))
    if path.is_dir() and not mine and any(path.iterdir()):
        raise RunError(f"{path} is not empty and not a run of unprompt; name another folder with --out")
    try:
        (path / WORK).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    with _locked(path / WORK / "lock", path):
        folder = RunFolder(path)
        plan_path = folder.work / "plan.json"
        finished = (path / FINISHED).exists()
        begun = _known_fingerprint(plan_path)
        resumed = begun == fingerprint(plan) and not finished
        if not overwrite and finished:
            with suppress(OSError):
                shutil.rmtree(folder.work)
            raise RunError(
                f"{path} holds a finished run; add --overwrite to replace it, or name another folder"
            )
        if not overwrite and begun is not None and not resumed:
            raise RunError(
                f"{path} was begun with other images, another bundle or another version of unprompt; "
                "run what was begun, or add --overwrite to start anew"
            )
        for part in path.rglob(PARTS):  # what a killed process had begun to write
            part.unlink()
        if not resumed:
            _remove_outputs(path)
            write_json(plan_path, {"fingerprint": fingerprint(plan), **plan})
        yield folder, resumed


def _known_fingerprint(plan_path: Path) -> str | None:
    try:
        return str(read_json(plan_path).get("fingerprint"))
    except InputError:
        return None


def _remove_outputs(path: Path) -> None:
    for name in OUTPUTS:  # run.json first: without it nothing that is left counts as finished
        target = path / name
        if name == WORK:
            for file in target.glob("*"):
                if file.name != "lock":
                    file.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


@contextmanager
def _locked(lock: Path, path: Path) -> Iterator[None]:
    """Hold a lock that the system drops when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs into one folder are then the user's own care
        yield
        return
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"another unprompt is writing {path}; wait for it or name another folder"
            ) from None
        yield
