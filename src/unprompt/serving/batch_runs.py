"""Runs over folders for visitors: queued, one at a time, each in a process and a RUN folder of its own.

A process, since it can be ended at any moment, gives its memory back, and leaves the models that answer
people at once alone. Files of a RUN are whole whenever they are there, so an ended run can go on later.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any

from unprompt.errors import RunError
from unprompt.runs.chunks import KIND
from unprompt.runs.config import PredictConfig
from unprompt.storage.damage import OTHER_RECORD
from unprompt.storage.files import read_json

MOST_WAITING = 20
_STAMP = re.compile(r"^\d{8}-\d{6}-")  # what the names of RUN folders begin with


class State(Enum):
    """Where a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class BatchRun:
    """A run as it stands now.

    `name`: of its RUN folder, `folder`. `label`: what to call its images. `source`: None for one that an
    earlier server did. `total`: 0 until the images are counted. `owner`: who began it. `problems`: images
    that could not be read. `message`: why it failed.
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

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs, and so can be cancelled."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def can_go_on(self) -> bool:
        """Whether it was ended before it was finished."""
        return self.state in (State.FAILED, State.CANCELLED) and self.source is not None


class BatchRuns:
    """The runs below `out`: those of earlier servers, and a queue that does new ones one after the other."""

    def __init__(self, out: Path, bundle: str = PredictConfig.bundle, device: str = "auto") -> None:
        self.out = out
        self._job = {"bundle": bundle, "device": device}
        self._lock = threading.Lock()
        self._runs = {run.name: run for run in finished_runs(out)}
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None  # the running run's
        self._worker = threading.Thread(target=self._work, name="unprompt-batch-runs", daemon=True)
        self._worker.start()

    def runs(self) -> list[BatchRun]:
        """All runs as they stand, the newest first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: run.name, reverse=True)

    def begin(self, source: Path, label: str, images: int, owner: str = "") -> BatchRun:
        """Queue a run over a folder of `images` images.

        Raises RunError where MOST_WAITING runs wait already, or where `out` cannot be written.
        """
        with self._lock:
            if sum(run.state is State.WAITING for run in self._runs.values()) >= MOST_WAITING:
                raise RunError(f"{MOST_WAITING} runs are waiting already; begin yours when some are done")
            folder = self._new_folder(label)
            run = BatchRun(folder.name, label, folder, source, owner, State.WAITING, total=images)
            self._runs[run.name] = run
        self._queue.put(run.name)
        return run

    def go_on(self, name: str) -> None:
        """Queue a cancelled or failed run again; what it has done is kept. Others are left alone."""
        with self._lock:
            run = self._runs[name]
            if not run.can_go_on:
                return
            self._runs[name] = replace(run, state=State.WAITING, message="")
        self._queue.put(name)

    def cancel(self, name: str) -> None:
        """Take a run out of the queue, or end its process. A run that is over stays what it is."""
        with self._lock:
            run = self._runs[name]
            if not run.is_open:
                return
            if run.state is State.RUNNING and self._process is not None:
                self._process.terminate()
            self._runs[name] = replace(run, state=State.CANCELLED)

    def close(self) -> None:
        """Cancel all that waits or runs, and wait for the end of it."""
        for run in self.runs():
            self.cancel(run.name)
        self._queue.put(None)
        self._worker.join()

    def _new_folder(self, label: str) -> Path:
        """Make an empty RUN folder whose name says when and of what; the time is first, for sorting."""
        slug = re.sub(r"[^\w-]+", "-", label).strip("-")[-40:] or "images"
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{slug}"
        for number in range(1, MOST_WAITING + 100):
            folder = self.out / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"{folder} cannot be made: {error.strerror}") from error
            return folder
        raise RunError(f"too many runs have begun in this second in {self.out}; try again")

    def _work(self) -> None:
        """The queue's thread."""
        while (name := self._queue.get()) is not None:
            with tempfile.TemporaryFile() as log:
                with self._lock:
                    run = self._runs[name]
                    if run.state is not State.WAITING:  # cancelled while it waited
                        continue
                    self._runs[name] = replace(run, state=State.RUNNING)
                    self._process = self._start(run, log)
                with self._process as process:
                    self._follow(name, process, log)

    def _start(self, run: BatchRun, log: IO[bytes]) -> subprocess.Popen[bytes]:
        job = self._job | {"source": str(run.source), "out": str(run.folder)}
        command = [sys.executable, "-m", "unprompt.serving.batch_worker", json.dumps(job)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def _follow(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """Take in what the process says until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            self._note(name, json.loads(line))
        code = process.wait()
        with self._lock:
            self._process = None
            run = self._runs[name]
            if run.state is State.RUNNING:  # it ended without a word
                log.seek(0)
                last = log.read().decode(errors="replace").strip().splitlines()[-1:]
                message = " ".join([f"its process ended with code {code}", *last])
                self._runs[name] = replace(run, state=State.FAILED, message=message)

    def _note(self, name: str, said: Mapping[str, Any]) -> None:
        with self._lock:
            run = self._runs[name]
            if run.state is not State.RUNNING:  # cancelled: what it still says does not count
                return
            if "error" in said:
                run = replace(run, state=State.FAILED, message=str(said["error"]))
            elif "images" in said:
                run = _finished(run, said)
            else:
                run = replace(run, done=int(said["done"]), total=int(said["total"]))
            self._runs[name] = run


def _finished(run: BatchRun, said: Mapping[str, Any]) -> BatchRun:
    """A run with the counts that its process, or its record, says at the end."""
    images = int(said["images"])
    return replace(
        run,
        state=State.DONE,
        done=images,
        total=images,
        problems=int(said["problems"]),
        seconds=float(said["seconds"]),
    )


def finished_runs(out: Path) -> Iterator[BatchRun]:
    """The finished RUN folders in a folder; others, and what cannot be read, are passed over."""
    for record in sorted(out.glob(f"*/{KIND.record}")):
        folder = record.parent
        try:
            said = read_json(record)
            run = BatchRun(folder.name, _STAMP.sub("", folder.name), folder, None, "", State.DONE)
            yield _finished(run, said)
        except OTHER_RECORD:
            continue
