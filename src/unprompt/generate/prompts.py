"""New prompts as an exact, resumable stream: an engine writes drafts, the stream keeps the good ones.

prompts.csv gets the columns imgId, prompt, source and seed; beside it lies its record, prompts.csv.json, from
which the stream goes on when more prompts are asked for. While the work is under way, it lies in the folder
.prompts.csv.work: the rows so far, and how many of their bytes count. So the file for 2,000 prompts has the
same bytes whether it was made at once, from a file of 1,000, or by runs that were killed.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from unprompt import __version__
from unprompt.errors import InputError, RunError
from unprompt.networks.checkpoints import sha256_of
from unprompt.progress import Progress, silent
from unprompt.storage.files import (
    PARTS,
    csv_line,
    full_disk_told,
    read_json,
    read_text,
    write_bytes,
    write_json,
    writing,
)
from unprompt.storage.resumable import PROGRESS, hold_work
from unprompt.storage.tables import parse_csv
from unprompt.text.english import counted

HEADER = ("imgId", "prompt", "source", "seed")
DUPLICATE = "duplicate"  # why a draft is dropped whose text was kept before, in whatever case
PATIENCE = 10_000  # drafts in a row that give no prompt, after which an endless engine is given up
SAVE_SECONDS = 2.0  # between two saves: what a kill can cost, or a batch of drafts that are made together
NOUN = "list of new prompts"  # what is written here
ROWS = "rows.csv"
SAMPLES = 3


@dataclass(frozen=True)
class Draft:
    """One attempt of an engine: number `number` of its stream, counted from 0.

    `text` is the cleaned prompt. `rejected` says in two or three words why it is not one ("too short"), and
    is empty where it is. `source` says where the text comes from, `seed` makes it again (None: a file).
    `ends_batch`: the next draft is made with others, which may take minutes.
    """

    number: int
    image_id: str
    text: str
    source: str
    seed: int | None
    rejected: str = ""
    ends_batch: bool = field(default=False, compare=False)


class PromptEngine(Protocol):
    """What writes prompts. Draft number n depends on the engine's settings and on n, on nothing else."""

    def settings(self) -> Mapping[str, Any]:
        """All that decides the stream, as JSON: two engines with the same settings write the same drafts."""

    def drafts(self, start: int) -> Iterator[Draft]:
        """The drafts from number `start` on; endless, except for a file's."""


@dataclass(frozen=True)
class PromptsResult:
    """What `extend_prompts` left at `path`.

    `count` prompts are there, `added` of them new; `drafts` were looked at for them since the stream began,
    of which `rejected` gives, by reason, those that were dropped. `samples` are the first few prompts.
    """

    path: Path
    count: int
    added: int
    drafts: int
    rejected: Mapping[str, int]
    samples: tuple[str, ...]


@dataclass(frozen=True)
class _State:
    """How far a stream has come. `plan` is all that decides it, `size` the bytes of the rows so far."""

    plan: Mapping[str, Any]
    count: int
    next_number: int
    rejected: Mapping[str, int]
    size: int


def extend_prompts(
    out: Path,
    engine: PromptEngine,
    count: int | None,
    overwrite: bool = False,
    patience: int | None = PATIENCE,
    progress: Progress = silent,
) -> PromptsResult:
    """Write the first `count` good prompts of an engine's stream to the prompts.csv `out`.

    Good is a draft that its engine has not rejected and whose text was not kept before, compared without
    case. For an engine that ends, `count` None takes all it has, and `patience` None lets any number of
    drafts in a row be dropped. `progress` is told how many prompts there are.

    Raises RunError where `out` was made with other settings, holds more than `count` prompts already, is not
    this function's, is being written by another process, or where the engine's patience runs out; InputError
    where an engine ends with fewer than `count`, in which case `out` holds what there was.
    """
    if out.suffix != ".csv":
        raise RunError(f"{out} must end in .csv: prompts are written as a prompts.csv")
    if out.is_dir():
        raise RunError(f"{out} is a folder; name a file, for instance {out / 'prompts.csv'}")
    work = _work_folder(out)
    with hold_work(work, out, NOUN, overwrite):
        plan = json.loads(json.dumps({"unprompt": __version__, **engine.settings()}))
        state = before = _opened(out, plan, count, overwrite)
        if state.count != count:
            state = _append(out, engine, state, count, patience, progress)
        if (work / ROWS).exists():
            _publish(out, state)
    if count is not None and state.count < count:
        raise InputError(
            f"there are only {counted(state.count, 'prompt')} to be had, not {count} "
            f"({describe_rejected(state.rejected)}); {out} has them all"
        )
    return PromptsResult(
        path=out,
        count=state.count,
        added=state.count - before.count,
        drafts=state.count + sum(state.rejected.values()),
        rejected=state.rejected,
        samples=tuple(islice(_texts(out), SAMPLES)),
    )


def describe_rejected(rejected: Mapping[str, int]) -> str:
    """Reasons with their counts, the most frequent first: "dropped: 12 too short, 3 duplicate"."""
    if not rejected:
        return "none dropped"
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    return "dropped: " + ", ".join(f"{number} {reason}" for reason, number in ordered)


def _work_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.work")


def _record_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def _opened(out: Path, plan: Mapping[str, Any], count: int | None, overwrite: bool) -> _State:
    """Get ready to go on: the state, and its rows in the work folder unless they are already in `out`."""
    work = _work_folder(out)
    rows = work / ROWS
    for part in out.parent.glob(f".{_record_path(out).name}{PARTS[1:]}"):
        part.unlink()  # what a killed process had begun to write
    begun = _read_state(work / PROGRESS)
    if begun and not rows.exists() and out.exists() and out.stat().st_size == begun.size:
        _publish(out, begun)  # killed between its steps
        begun = None
    whole = begun is not None and rows.exists() and rows.stat().st_size >= begun.size
    if begun and whole and not (overwrite and _objection(out, begun, plan, count)):
        _checked(out, begun, plan, count)
        os.truncate(rows, begun.size)  # a killed process may have written more than it had saved
        return begun
    for left in (work / PROGRESS, rows):
        left.unlink(missing_ok=True)
    if out.exists() and not overwrite:
        finished = _checked(out, _finished(out), plan, count)
        if finished.count != count:
            with out.open("rb") as original, writing(rows) as copy:
                shutil.copyfileobj(original, copy, 1 << 20)
            _save(work, finished)
        return finished
    header = csv_line(HEADER)
    new = _State(plan, 0, 0, {}, len(header))
    write_bytes(rows, header)
    _save(work, new)
    return new


def _finished(out: Path) -> _State:
    """The state that the record of a whole file describes."""
    path = _record_path(out)
    state = _read_state(path)
    if state is None:
        raise RunError(
            f"{out} is there, but not its record {path.name}, so it cannot be extended; "
            "name another --out, or add --overwrite to replace it"
        )
    if read_json(path).get("sha256") != sha256_of(out):
        raise RunError(
            f"{out} was changed after it was written, so it cannot be extended; "
            "name another --out, or add --overwrite to make it anew"
        )
    return state


def _checked(out: Path, state: _State, plan: Mapping[str, Any], count: int | None) -> _State:
    if objection := _objection(out, state, plan, count):
        raise RunError(objection)
    return state


def _objection(out: Path, state: _State, plan: Mapping[str, Any], count: int | None) -> str:
    """Why a stream cannot go on from `state`; empty where it can."""
    if state.plan != plan:
        changed = [key for key in (*state.plan, *plan) if state.plan.get(key) != plan.get(key)]
        what = ", ".join(
            f"{key} was {_short(state.plan.get(key))}, is {_short(plan.get(key))}"
            for key in dict.fromkeys(changed)
        )
        return (
            f"{out} was begun with other settings ({what}); "
            "give those, name another --out, or add --overwrite to start anew"
        )
    if count is not None and state.count > count:
        return (
            f"{out} has {counted(state.count, 'prompt')} already, more than the {count} asked for; "
            "ask for at least as many, name another --out, or add --overwrite to start anew"
        )
    return ""


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _append(
    out: Path,
    engine: PromptEngine,
    state: _State,
    count: int | None,
    patience: int | None,
    progress: Progress,
) -> _State:
    """Write rows from `state` on until there are `count`, or the engine ends; the state then."""
    work = _work_folder(out)
    rejected = Counter(state.rejected)
    kept, number, in_vain = state.count, state.next_number, 0
    seen = {text.casefold() for text in _texts(work / ROWS)}
    progress("prompts", kept, count or 0)
    with full_disk_told(out), (work / ROWS).open("ab") as rows:

        def save() -> _State:
            rows.flush()
            os.fsync(rows.fileno())  # before the progress that counts these bytes
            saved = _State(state.plan, kept, number, dict(rejected), rows.tell())
            _save(work, saved)
            return saved

        def drafts() -> Iterator[Draft]:
            try:
                yield from engine.drafts(number)
            except (Exception, KeyboardInterrupt):
                save()  # a language model has worked on its last batch for minutes
                raise

        saved_at = time.monotonic()
        for draft in drafts():
            number = draft.number + 1
            key = draft.text.casefold()
            if reason := draft.rejected or (DUPLICATE if key in seen else ""):
                rejected[reason] += 1
                in_vain += 1
            else:
                seen.add(key)
                seed = "" if draft.seed is None else str(draft.seed)
                rows.write(csv_line((draft.image_id, draft.text, draft.source, seed)))
                kept += 1
                in_vain = 0
                progress("prompts", kept, count or 0)
            if kept == count:
                break
            if patience is not None and in_vain >= patience:
                save()
                raise RunError(
                    f"{counted(in_vain, 'draft')} in a row gave no new prompt, after {kept} that did "
                    f"({describe_rejected(rejected)}); ask for {kept} with --count, or change the settings"
                )
            if draft.ends_batch or time.monotonic() - saved_at > SAVE_SECONDS:
                save()
                saved_at = time.monotonic()
        return save()


def _publish(out: Path, state: _State) -> None:
    """Put finished rows in their place, write their record, forget the progress. Can be done again."""
    work = _work_folder(out)
    if (work / ROWS).exists():
        (work / ROWS).replace(out)
    write_json(_record_path(out), {**asdict(state), "sha256": sha256_of(out)})
    (work / PROGRESS).unlink()


def _save(work: Path, state: _State) -> None:
    write_json(work / PROGRESS, asdict(state))


def _read_state(path: Path) -> _State | None:
    """A state that was saved, or None where there is none."""
    if not path.exists():
        return None
    saved = read_json(path)
    try:
        return _State(**{name: saved[name] for name in _State.__dataclass_fields__})
    except KeyError:
        raise RunError(
            f"{path} is not the record of a stream of prompts; name another --out, or move it away"
        ) from None


def _texts(path: Path) -> Iterator[str]:
    """The prompts of a file that this module wrote.

    They are read one by one, as there may be millions, up to the first that is longer than csv takes. How
    long that is, is the process's to say.
    """
    read = 0
    with path.open(encoding="utf-8", newline="") as stream:
        try:
            for row in islice(csv.reader(stream), 1, None):
                yield row[1]
                read += 1
        except csv.Error:
            yield from (row["prompt"] for row in parse_csv(read_text(path), path, HEADER).rows[read:])
