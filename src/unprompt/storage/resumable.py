"""Folders, files and arrays that are filled in steps: killed at any time, the work can go on.

A folder (a RUN, a DATASET) has its finished steps in FOLDER/.work, each written whole. They are removed after
the folder's record, which is written last: if it is there, the work is complete. A single file has a hidden
folder beside it as long as it is not finished, and an array lies in one until it is whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import ChangedError, InputError, RunError
from unprompt.progress import Progress, silent
from unprompt.storage.damage import OTHER_RECORD
from unprompt.storage.files import PARTS, full_disk_told, locked, read_json, write_json
from unprompt.storage.sources import SOURCES, Sources, describe_change

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Blocks = Iterator[tuple[int, NDArray[Any] | str]]

WORK = ".work"
LOCK = "lock"
PLAN, UPDATE, FINGERPRINT = "plan.json", "update", "fingerprint"
HOLDS = "holds"  # in the plan and in the record: the noun of the folder's kind
OWNER = "owner.json"  # in the hidden folder of a file: the noun of what the file will be
ARRAY = "array.npy"  # an array that is not whole
PROGRESS = "progress.json"  # what an unfinished file or array keeps of how far it has come


@dataclass(frozen=True)
class FolderKind:
    """What a command leaves in its folder.

    `noun`: what to call it; it stands in the folder, too, and tells kinds with the same record apart, so
    each has its own. `record`: the file that is written last. `outputs`: patterns of everything else that it
    writes there. `more`: what else the message about a finished one offers: ", --option to do this".
    """

    noun: str
    record: str
    outputs: tuple[str, ...]
    more: str = field(default="", kw_only=True)


def fingerprints(plan: Mapping[str, Any]) -> dict[str, str]:
    """A short hash of each part of a plan: enough to say later which has changed."""
    return {name: fingerprint({name: part}) for name, part in plan.items()}


def fingerprint(plan: Mapping[str, Any]) -> str:
    """A short hash of what is to be done; work with the same one may go on from what was done before."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:20]


@contextmanager
def open_folder(
    path: Path,
    kind: FolderKind,
    plan: Mapping[str, Any],
    overwrite: bool,
    update: bool = False,
    sources: Sources | None = None,
) -> Iterator[bool]:
    """Open a folder for the work that `plan` describes; yields whether it goes on from an earlier start.

    `sources`: the files that the work is made of, where their names in the plan say too little.

    Raises RunError where the folder is finished, belongs to something else, or is being written by another
    process; ChangedError where it was begun with another plan or with files that have changed since.
    `overwrite` removes what the same kind of work left there, and nothing else; unfinished work of the same
    plan goes on all the same, since it ends with the same bytes.
    `update`: a finished folder stays as it is, until the work is done and its files are replaced one by one.
    Work that ends with an error before any of it was kept leaves no folder that was not there before.
    """
    _check_place(path, kind)
    work = path / WORK
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    with locked(work / LOCK, path):
        plan_path = work / PLAN
        finished = (path / kind.record).exists()
        begun = _known_plan(plan_path)
        updating = finished and update
        sources = sources or Sources()
        change = "" if begun is None else describe_change(begun, plan) or sources.go_on(work)
        resumed = begun is not None and not change and finished == updating
        if not overwrite and finished and not updating:
            if begun is None or not read_json(plan_path).get(UPDATE):
                shutil.rmtree(work, ignore_errors=True)
            raise _finished(path, kind)
        if not overwrite and not updating and begun is not None and not resumed:
            change = change or "other settings"
            raise ChangedError(
                f"{path} was begun with {change}; run what was begun, or add --overwrite to start anew",
                change,
            )
        for part in list(path.rglob(PARTS)):  # what a killed process had begun to write
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)  # it may have been in a folder that has just gone
        if not resumed:
            _remove(path, (f"{WORK}/*",) if updating else (kind.record, *kind.outputs, f"{WORK}/*"))
            sources.begin(work)
            more = {UPDATE: True} if updating else {}
            write_json(plan_path, {FINGERPRINT: fingerprint(plan), HOLDS: kind.noun, **more, **plan})
        try:
            yield resumed
        except BaseException:
            begun_outputs = not updating and any(True for one in kind.outputs for _ in path.glob(one))
            if {one.name for one in work.iterdir()} <= {LOCK, PLAN, SOURCES} and not begun_outputs:
                shutil.rmtree(work, ignore_errors=True)
                with suppress(OSError):  # one that is not empty
                    for folder in missing:
                        folder.rmdir()
            raise


def as_begun(path: Path, plan: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The plan, with one part as unfinished work in the folder has it that was begun with the same others.

    For a part which changes nothing in the result, but in which the steps that are done were cut.
    """
    begun = _known_plan(path / WORK / PLAN) or {}
    same = part in begun and not describe_change(begun, {**plan, part: begun[part]})
    return {**plan, part: begun[part]} if same else dict(plan)


def check_folder(path: Path, kind: FolderKind, overwrite: bool) -> None:
    """Raise RunError for a finished folder, unless `overwrite`, and for one that belongs to something else.

    `open_folder` says the same; this is for what has much to do before it can say what its plan is. One with
    a work folder that a kill has left is `open_folder`'s to clear up.
    """
    _check_place(path, kind)
    if not overwrite and (path / kind.record).exists() and not (path / WORK).exists():
        raise _finished(path, kind)


def _check_place(path: Path, kind: FolderKind) -> None:
    """Raise RunError for a file, and for a folder that belongs to something else."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; name a folder for the {kind.noun} with --out")
    mine = any((path / name).exists() for name in (kind.record, WORK))
    if path.is_dir() and not mine and any(path.iterdir()):
        raise RunError(
            f"{path} is not empty and not a {kind.noun} of unprompt; name another folder with --out"
        )
    for told in (path / kind.record, path / WORK / PLAN):
        other = _what_it_holds(told)
        if other not in (None, kind.noun):
            raise RunError(f"{path} holds a {other}, not a {kind.noun}; name another folder with --out")


def _what_it_holds(told: Path) -> str | None:
    """The noun of the kind of folder that a plan or a record is of; None where it does not say."""
    try:
        noun = read_json(told).get(HOLDS)
    except InputError:
        return None
    return noun if isinstance(noun, str) else None


def _finished(path: Path, kind: FolderKind) -> RunError:
    return RunError(
        f"{path} holds a finished {kind.noun}; add --overwrite to replace it{kind.more}, or name another "
        "folder"
    )


def finish(path: Path, kind: FolderKind, record: Mapping[str, Any]) -> None:
    """Write the record and remove the work folder."""
    write_json(path / kind.record, {HOLDS: kind.noun, **record})
    shutil.rmtree(path / WORK, ignore_errors=True)


def write_folder(folder: Path, write: Callable[[Path], None], out: Path | None = None) -> None:
    """Have `write` fill a folder under another name first, so that one that is there is whole.

    It is one of the outputs of the work in the folder `out` (None: the one that it stands in).
    """
    part = (out or folder.parent) / WORK / folder.name
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write(part)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    part.rename(folder)


@contextmanager
def hold_work(work: Path, out: Path, noun: str, overwrite: bool = False) -> Iterator[None]:
    """Hold the hidden folder `work` of a file `out` that is written in steps; `noun`: what `out` will be.

    What the steps need to go on is the caller's `work`/progress.json; where that is gone in the end, the
    folder goes. Raises RunError where it cannot be written, where another process holds it, and where it has
    unfinished work on something else, which `overwrite` removes.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    with locked(work / LOCK, out):
        other = _what_it_holds(work / OWNER) if (work / PROGRESS).exists() else None
        if other not in (None, noun):
            if not overwrite:
                raise RunError(
                    f"{out} was begun as a {other}, not as a {noun}; run what was begun, name another --out, "
                    "or add --overwrite to start anew"
                )
            _remove(work, (PROGRESS, "*"))
        for part in work.glob(PARTS):  # what a killed process had begun to write
            part.unlink()
        write_json(work / OWNER, {HOLDS: noun})
        try:
            yield
        finally:
            if not (work / PROGRESS).exists():
                shutil.rmtree(work, ignore_errors=True)


def fill_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    make: Callable[[int], Blocks],
    save: int,
    instead: str,
    step: str,
    progress: Progress = silent,
) -> list[str]:
    """Write an .npy of N rows, `shape` (N, ...), in steps; returns what is wrong with which rows.

    `make`: how many rows are done -> the others, in an order that is always the same, as they come: a row's
    number, and the values (B, ...) from there on or a text that says what is wrong with that row. The array
    gets its name when it is whole and nothing is wrong. Until then it lies in a folder beside `path`; `save`:
    so many rows are made between two saves, which is what a kill can cost.

    Raises RunError where the disk is full, another process fills the array, or the folder cannot be written;
    `instead` is what else can then be done.
    """
    work = _filling(path)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with locked(work / LOCK, path, instead), full_disk_told(path):
            if path.exists():  # made by another process, just now
                problems = []
            else:
                problems = _fill(work, shape, dtype, make, save, partial(progress, step))
                if not problems:
                    (work / ARRAY).replace(path)
            shutil.rmtree(work)
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror}"
        raise RunError(f"{reason}; set XDG_CACHE_HOME to a folder that can, or {instead}") from error
    return problems


def rows_filled(path: Path) -> int:
    """How many rows of an array are done that `fill_array` has begun and not finished."""
    return _read_filled(_filling(path))[0]


def _filling(path: Path) -> Path:
    return path.with_suffix(".filling")


def _read_filled(work: Path) -> tuple[int, list[str]]:
    """How many rows are done, in the order of filling, and what was wrong with which of them."""
    try:
        record = read_json(work / PROGRESS)
        return (int(record["done"]), list(record["problems"])) if (work / ARRAY).exists() else (0, [])
    except OTHER_RECORD:
        return 0, []


def _fill(
    work: Path,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    make: Callable[[int], Blocks],
    save: int,
    tell: Callable[[int, int], None],
) -> list[str]:
    """Make what is not there yet; what is wrong with which rows.

    Bytes are written to the file and not through a memory map: on a full disk that would end the process.
    """
    array, total = work / ARRAY, shape[0]
    done, problems = _read_filled(work)
    if not done:
        (work / PROGRESS).unlink(missing_ok=True)  # it may speak of an array that is gone
        np.lib.format.open_memmap(array, "w+", dtype, shape)
    row_bytes = math.prod(shape[1:]) * np.dtype(dtype).itemsize
    start = array.stat().st_size - total * row_bytes  # the header's length
    saved = done
    tell(done, total)
    with array.open("r+b") as stream:
        for row, values in make(done):
            if isinstance(values, str):
                problems.append(values)
                done += 1
            else:
                stream.seek(start + row * row_bytes)
                stream.write(values.tobytes())
                done += len(values)
            if done - saved >= save or done == total:
                stream.flush()
                os.fsync(stream.fileno())  # before the record that counts these rows
                write_json(work / PROGRESS, {"done": done, "problems": problems})
                saved = done
            tell(done, total)
    return problems


def _known_plan(plan_path: Path) -> dict[str, Any] | None:
    """The plan of the work that was begun, as JSON has it; None where there is none."""
    try:
        known = read_json(plan_path)
    except InputError:
        return None
    return {name: part for name, part in known.items() if name not in (FINGERPRINT, HOLDS, UPDATE)}


def _remove(path: Path, patterns: Sequence[str]) -> None:
    # The record comes first: without it nothing that is left counts as finished.
    for pattern in patterns:
        for target in sorted(path.glob(pattern)):
            if target.is_dir():
                shutil.rmtree(target)
            elif target.name != LOCK:
                target.unlink()
