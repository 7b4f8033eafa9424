"""Runs over folders for visitors: queued, one at a time, each into a RUN folder of its own.

They ask the models that answer visitors, so nothing is loaded twice. Each forward pass of a run is a question
of its own among those of visitors (`unprompt.serving.models`): who asks something meanwhile waits for one of
them, not for the run, and a run that is cancelled ends before the next. Files of a RUN are whole whenever
they are there, so an ended run can go on later, also by a server that is started later: of runs that are not
finished there are records, in a hidden folder beside the RUN folders.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from itertools import count
from pathlib import Path
from typing import TypeVar

from unprompt.errors import InputError, RunError, UnpromptError
from unprompt.runs.chunks import KIND
from unprompt.runs.config import PredictConfig
from unprompt.serving.models import Models
from unprompt.serving.server_folders import folder_below, images_below
from unprompt.serving.stops import AbandonedError
from unprompt.storage.damage import OTHER_RECORD
from unprompt.storage.files import read_json, write_json

Answer = TypeVar("Answer")

CHUNK = 8  # images between two looks at how far a run is, and what a cancelled run can lose
MOST_WAITING = 20
BEGUN = ".begun"  # in the folder of RUN folders: NAME.json for each run that is not finished
_STAMP = re.compile(r"^\d{8}-\d{6}-")  # what the names of RUN folders begin with


class State(Enum):
    """Where a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"  # by an earlier server: cancelled, failed, or ended with the server


@dataclass(frozen=True)
class BatchRun:
    """A run as it stands now.

    `name`: of its RUN folder, `folder`. `label`: what to call its images. `source`: None for one that an
    earlier server finished, and where it is no longer below the root. `total`: 0 until the images are
    counted. `owner`: who began it. `problems`: images that could not be read. `message`: why it failed or
    cannot go on. `turn`: the larger, the later in the queue.
    """

    name: str
    label: str
    folder: Path
    source: Path | None
    owner: str
    state: State
    done: int = 0
    total: int = 0
    problems: int = 0
    seconds: float = 0.0
    message: str = ""
    turn: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs, and so can be cancelled."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def can_go_on(self) -> bool:
        """Whether it was ended before it was finished; one of images that cannot be read is finished."""
        ended = self.state in (State.FAILED, State.CANCELLED, State.UNFINISHED)
        return ended and self.source is not None and not (self.folder / KIND.record).exists()


class BatchRuns:
    """The runs below `out`: those of earlier servers, and a queue that does new ones one after the other.

    `root`: resolved; all images are below it. A server that ends does not wait for the queue's thread.
    """

    def __init__(self, out: Path, models: Models, root: Path) -> None:
        self.out = out
        self._models = models
        self._root = root
        self._lock = threading.Lock()
        self._runs = {run.name: run for run in (*finished_runs(out), *unfinished_runs(out, root))}
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._turns = count(1)
        self._stop = threading.Event()  # the running run's
        self._worker = threading.Thread(target=self._work, name="unprompt-batch-runs", daemon=True)
        self._worker.start()

    def runs(self) -> list[BatchRun]:
        """All runs as they stand, the newest first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: run.name, reverse=True)

    def begin(self, source: Path, label: str, images: int, owner: str = "") -> BatchRun:
        """Queue a run over a folder of `images` images, unless its owner has one open there: then it is that.

        A button can be clicked twice. Raises RunError where MOST_WAITING runs wait already, or where `out`
        cannot be written.
        """
        with self._lock:
            if owner and (before := open_run(source, owner, self._runs.values())):
                return before
            if sum(run.state is State.WAITING for run in self._runs.values()) >= MOST_WAITING:
                raise RunError(f"{MOST_WAITING} runs are waiting already; begin yours when some are done")
            folder = self._new_folder(label)
            run = BatchRun(
                folder.name, label, folder, source, owner, State.WAITING, total=images, turn=next(self._turns)
            )
            try:
                self._write_record(run)
            except RunError:
                self._remove_empty(run)
                raise
            self._runs[run.name] = run
        self._queue.put(run.name)
        return run

    def go_on(self, name: str) -> None:
        """Queue a run again that was ended before it was finished; what it has done is kept.

        Others are left alone. One fails whose record cannot be written.
        """
        with self._lock:
            run = self._runs[name]
            if not run.can_go_on:
                return
            try:
                self._write_record(run)
            except RunError as error:
                self._runs[name] = replace(run, state=State.FAILED, message=str(error))
                return
            self._runs[name] = replace(run, state=State.WAITING, message="", turn=next(self._turns))
        self._queue.put(name)

    def cancel(self, name: str) -> None:
        """Take a run out of the queue, or end it at its next step. A run that is over stays what it is."""
        with self._lock:
            run = self._runs[name]
            if not run.is_open:
                return
            self._runs[name] = replace(run, state=State.CANCELLED)
            if run.state is State.RUNNING:
                self._stop.set()
            else:
                self._remove_empty(run)

    def _new_folder(self, label: str) -> Path:
        """Make an empty RUN folder whose name says when and of what; the time is first, for sorting."""
        slug = re.sub(r"[^\w-]+", "-", label).strip("-")[-40:] or "images"
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{slug}"
        for number in range(1, MOST_WAITING + 100):
            folder = self.out / (stem if number == 1 else f"{stem}-{number}")
            if folder.name in self._runs:  # cancelled in this second
                continue
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"{folder} cannot be made: {error.strerror}") from error
            return folder
        raise RunError(f"too many runs have begun in this second in {self.out}; try again")

    def _record(self, run: BatchRun) -> Path:
        return self.out / BEGUN / f"{run.name}.json"

    def _write_record(self, run: BatchRun) -> None:
        """Note, beside the RUN folder, what a later server has to know to go on with it. Raises RunError."""
        path = self._record(run)
        try:
            run.folder.mkdir(exist_ok=True)  # it may have been removed, where nothing was done yet
            write_json(path, {"label": run.label, "source": str(run.source), "images": run.total})
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror}") from error

    def _remove_empty(self, run: BatchRun) -> None:
        """Remove a cancelled run's folder and record where nothing is done yet."""
        with suppress(OSError):  # a folder that is not empty
            run.folder.rmdir()
        if not run.folder.exists():
            self._remove_record(run)

    def _remove_record(self, run: BatchRun) -> None:
        with suppress(OSError):  # where nothing can be written any more; then it says nothing new
            self._record(run).unlink(missing_ok=True)

    def _work(self) -> None:
        """The queue's thread."""
        while True:
            name = self._queue.get()
            with self._lock:
                run = self._runs[name]
                if run.state is not State.WAITING:  # cancelled while it waited
                    continue
                self._stop = stop = threading.Event()
                self._runs[name] = replace(run, state=State.RUNNING)
            try:
                self._do(run, stop)
            except AbandonedError:
                pass
            except UnpromptError as error:
                self._note(run, stop, state=State.FAILED, message=str(error))
            except Exception as error:  # noqa: BLE001  told to whoever began the run; the next one begins
                message = f"{type(error).__name__}: {error}"
                self._note(run, stop, state=State.FAILED, message=message)
            with self._lock:
                if self._runs[name].state is State.CANCELLED:  # and does not wait again already
                    self._remove_empty(run)

    def _do(self, run: BatchRun, stop: threading.Event) -> None:
        """Do a run. Raises AbandonedError soon after `stop` is set, and what `predict` raises."""
        from unprompt.runs.predict import predict
        from unprompt.serving.in_turn import members_in_turn

        def take(call: Callable[[], Answer]) -> Answer:
            if stop.is_set():
                raise AbandonedError(run.name)
            return self._models.ask(lambda loaded: call()).result()

        assert run.source is not None
        # What lies there may have changed since the run was begun.
        images_below(self._root, str(run.source.relative_to(self._root)))
        loaded = self._models.ask(lambda loaded: loaded).result()
        result = predict(
            run.source,
            run.folder,
            PredictConfig(bundle=loaded.bundle.name, device=loaded.device, chunk=CHUNK),
            progress=lambda step, done, total: self._note(run, stop, done=done, total=total),
            loaded=members_in_turn(loaded, take),
        )
        self._remove_record(run)
        with self._lock:  # also where it was cancelled behind its last step
            self._runs[run.name] = replace(
                self._runs[run.name],
                state=State.DONE,
                done=result.images,
                total=result.images,
                problems=len(result.problems),
                seconds=round(result.seconds, 1),
            )

    def _note(self, run: BatchRun, stop: threading.Event, **what: object) -> None:
        """Change how a run stands; what one says that was cancelled does not count."""
        with self._lock:
            if not stop.is_set():
                self._runs[run.name] = replace(self._runs[run.name], **what)  # type: ignore[arg-type]


def open_run(source: Path, owner: str, runs: Iterable[BatchRun]) -> BatchRun | None:
    """The run over a folder that its owner has begun and that waits or runs; None where there is none."""
    return next((run for run in runs if run.is_open and (run.source, run.owner) == (source, owner)), None)


def count_before(run: BatchRun, runs: Iterable[BatchRun]) -> int:
    """How many of the runs come before one that waits, the one that is done now among them."""
    return sum(other.is_open and other.turn < run.turn for other in runs)


def finished_runs(out: Path) -> Iterator[BatchRun]:
    """The finished RUN folders in a folder; others, and what cannot be read, are passed over."""
    for record in sorted(out.glob(f"*/{KIND.record}")):
        folder = record.parent
        try:
            said = read_json(record)
            images = int(said["images"])
            yield BatchRun(
                folder.name,
                _STAMP.sub("", folder.name),
                folder,
                None,
                "",
                State.DONE,
                done=images,
                total=images,
                problems=int(said["problems"]),
                seconds=float(said["seconds"]),
            )
        except OTHER_RECORD:
            continue


def unfinished_runs(out: Path, root: Path) -> Iterator[BatchRun]:
    """The runs in a folder that earlier servers began and did not finish.

    Those are passed over whose RUN folder somebody has removed, and records that cannot be read. A run whose
    images are no longer below the resolved root cannot go on.
    """
    for record in sorted((out / BEGUN).glob("*.json")):
        folder = out / record.stem
        if not folder.is_dir() or (folder / KIND.record).exists():
            continue
        try:
            said = read_json(record)
            label, written, images = str(said["label"]), str(said["source"]), int(said["images"])
        except OTHER_RECORD:
            continue
        source: Path | None = None
        message = ""
        try:
            source = folder_below(root, written)
        except InputError:
            message = f"there is no folder '{label}' below the root any more"
        yield BatchRun(
            folder.name, label, folder, source, "", State.UNFINISHED, total=images, message=message
        )
