"""Folders that a command fills in steps: a RUN, a DATASET. Killed at any time, it can go on.

While the work is under way its finished steps lie in FOLDER/.work, each written whole. They are removed
after the folder's record, which is written last: if it is there, the work is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import InputError, RunError
from unprompt.storage.files import PARTS, locked, read_json, write_json

WORK = ".work"


@dataclass(frozen=True)
class FolderKind:
    """What a command leaves in its folder.

    `noun`: what to call it. `record`: the file that is written last. `outputs`: patterns of everything else
    that it writes there. `inputs`: what decides the result, for the message that says that it changed.
    """

    noun: str
    record: str
    outputs: tuple[str, ...]
    inputs: str


def fingerprint(plan: Mapping[str, Any]) -> str:
    """A short hash of what is to be done; work with the same one may go on from what was done before."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:20]


@contextmanager
def opened(path: Path, kind: FolderKind, plan: Mapping[str, Any], overwrite: bool) -> Iterator[bool]:
    """Open a folder for the work that `plan` describes; yields whether it goes on from an earlier start.

    Raises RunError where the folder is finished, was begun with another plan, belongs to something else, or
    is being written by another process. `overwrite` removes what the same kind of work left there, and
    nothing else; unfinished work of the same plan goes on all the same, since it ends with the same bytes.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; name a folder for the {kind.noun} with --out")
    mine = any((path / name).exists() for name in (kind.record, WORK))
    if path.is_dir() and not mine and any(path.iterdir()):
        raise RunError(
            f"{path} is not empty and not a {kind.noun} of unprompt; name another folder with --out"
        )
    work = path / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    with locked(work / "lock", path):
        plan_path = work / "plan.json"
        finished = (path / kind.record).exists()
        begun = _known_fingerprint(plan_path)
        resumed = begun == fingerprint(plan) and not finished
        if not overwrite and finished:
            with suppress(OSError):
                shutil.rmtree(work)
            raise RunError(
                f"{path} holds a finished {kind.noun}; add --overwrite to replace it, or name another folder"
            )
        if not overwrite and begun is not None and not resumed:
            raise RunError(
                f"{path} was begun with other {kind.inputs} or another version of unprompt; "
                "run what was begun, or add --overwrite to start anew"
            )
        for part in path.rglob(PARTS):  # what a killed process had begun to write
            part.unlink()
        if not resumed:
            _remove_outputs(path, kind)
            write_json(plan_path, {"fingerprint": fingerprint(plan), **plan})
        yield resumed


def finish(path: Path, kind: FolderKind, record: Mapping[str, Any]) -> None:
    """Write the record and remove the work folder."""
    write_json(path / kind.record, record)
    shutil.rmtree(path / WORK, ignore_errors=True)


def _known_fingerprint(plan_path: Path) -> str | None:
    try:
        return str(read_json(plan_path).get("fingerprint"))
    except InputError:
        return None


def _remove_outputs(path: Path, kind: FolderKind) -> None:
    # The record first: without it nothing that is left counts as finished.
    for pattern in (kind.record, *kind.outputs, f"{WORK}/*"):
        for target in sorted(path.glob(pattern)):
            if target.is_dir():
                shutil.rmtree(target)
            elif target != path / WORK / "lock":
                target.unlink()
