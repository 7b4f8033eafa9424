"""The one thread in which models work, and the bounded queue in front of it.

Requests of the same kind that wait at the same time are answered by one call: while a forward pass runs,
those that come meanwhile gather for the next, and the busier the server is, the larger are its batches.
Whoever is answered with others often asks again at once, as they do: the first to come back waits until all
are back, or until nobody has come for a moment (LULL). Else it would have a call of its own, in the end every
second call. Who is alone waits for nobody. Everything but the work itself happens in the event loop's thread
and needs no locks.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from unprompt.errors import UnpromptError
from unprompt.progress import Tell
from unprompt.serving.one_thread import OneThread
from unprompt.serving.stops import AbandonedError, InterruptedWorkError, SkippedError
from unprompt.text.english import agreed

LONGEST_RETRY = 600  # seconds that Retry-After says at most
UNKNOWN_PACE = 1.0  # seconds that a job is taken to need before any is done
PACE_MEMORY = 0.8  # of the seconds a job takes: the share that older jobs have in the mean
LULL, QUIET_ROUNDS = 0.0005, 8  # seconds and rounds of the event loop, which can take long each


class BusyError(UnpromptError):
    """The queue is full, or too long. `retry_after`: about how many seconds it takes until there is room."""

    def __init__(self, taken: int, retry_after: int) -> None:
        super().__init__(
            f"{taken} {agreed(taken, 'requests are')} waiting or at work, more are not taken; try again in "
            f"{retry_after} s"
        )
        self.retry_after = retry_after


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of work. `work` takes items and a function to tell steps to, and gives an answer an item.

    `together`: items that one call takes at most, where they come from several requests. Answers must not
    depend on the other items. `can_stop`: `work` bears being interrupted, and to skip what it is at.
    """

    name: str
    work: Callable[[Sequence[Any], Tell], Sequence[Any]]
    together: int = 1
    can_stop: bool = False


class Course:
    """How far a call is. Written by the model's thread, read by the server's."""

    def __init__(self, name: str, is_wanted: Callable[[], bool], can_stop: bool = False) -> None:
        self.name = name
        self.can_stop = can_stop
        self.interrupted = False
        self.skipped = False
        self.started = time.monotonic()
        self.done = 0
        self.total = 0
        self._is_wanted = is_wanted

    def tell(self, done: int, total: int) -> None:
        """Note that `done` of `total` steps are taken.

        Raises AbandonedError where nobody waits any more, and what `interrupt` and `skip` asked for.
        """
        self.done, self.total = done, total
        if not self._is_wanted():
            raise AbandonedError(self.name)
        if self.interrupted:
            raise InterruptedWorkError(self.name)
        if self.skipped:
            self.skipped = False
            raise SkippedError(self.name)

    def interrupt(self) -> None:
        """Have the work end at its next step, where it can."""
        self.interrupted = self.can_stop

    def skip(self) -> None:
        """Have the work go on with its next picture, where it can."""
        self.skipped = self.can_stop

    @property
    def share(self) -> float:
        """From 0 to 1; 0 for work that has no steps."""
        return self.done / self.total if self.total else 0.0

    @property
    def seconds_left(self) -> float:
        """By the pace so far; 0 as long as nothing is known."""
        taken = time.monotonic() - self.started
        return taken * (1 / self.share - 1) if self.share else 0.0


@dataclass(frozen=True, eq=False)
class _Job:
    """One request's items, and the future that its answers will be set on."""

    kind: Kind
    items: Sequence[Any]
    answers: asyncio.Future[Sequence[Any]]


class Worker:
    """Runs jobs one call after another, first come, first served. `course`: of the call that runs now."""

    def __init__(
        self, capacity: int, thread: OneThread | None = None, longest_wait: float = math.inf
    ) -> None:
        """`longest_wait`: seconds that a job may have to wait for its turn, by the pace of those before it.

        `thread`: the one in which the models were loaded, if they were not loaded in the main thread.

        Where two threads have used the models, OpenMP keeps a team of threads for each: more than there are
        cores, so that they no longer wait by spinning, and one prompt takes a third longer.
        """
        self.capacity = capacity
        self.longest_wait = longest_wait
        self.course: Course | None = None
        self._thread = thread or OneThread("model")
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._taken = 0
        self._company = 1  # jobs that the last call answered
        self._last_came = 0.0  # by the monotonic clock
        self._quiet_rounds: int | None = None  # since then; None while nobody waits for company
        self._pace: float | None = None  # seconds a job, in the recent mean; none is done yet

    @property
    def taken(self) -> int:
        """How many requests wait or are at work."""
        return self._taken

    async def run(self, kind: Kind, items: Sequence[Any]) -> Sequence[Any]:
        """Answers to items, in order. Cancelling this drops a job that waits and stops one that runs.

        Raises BusyError where the queue is full, or a turn would come too late, and what the work raises.
        """
        wait = self._taken * (UNKNOWN_PACE if self._pace is None else self._pace)
        is_long = self._pace is not None and wait > self.longest_wait
        if is_long or self._taken >= self.capacity:
            until_room = wait - self.longest_wait if is_long else wait
            raise BusyError(self._taken, max(1, min(LONGEST_RETRY, math.ceil(until_room))))
        job = _Job(kind, items, asyncio.get_running_loop().create_future())
        self._taken += 1
        self._waiting.append(job)
        self._gather()
        try:
            return await job.answers
        finally:
            self._taken -= 1

    async def close(self) -> None:
        """Drop what waits, stop what runs at its next step, and wait for the thread to end."""
        for job in (*self._waiting, *self._running):
            job.answers.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    def _gather(self) -> None:
        """Begin the next call when as many wait as were answered last, or nobody has come for a moment."""
        if self._running or not self._waiting:
            return
        if len(self._waiting) >= self._company:
            self._next()
            return
        self._last_came = time.monotonic()
        if self._quiet_rounds is None:
            asyncio.get_running_loop().call_soon(self._look_again)
        self._quiet_rounds = 0

    def _look_again(self) -> None:
        """A round of the event loop later."""
        if self._quiet_rounds is None:
            return
        self._quiet_rounds += 1
        if self._quiet_rounds >= QUIET_ROUNDS and time.monotonic() - self._last_came >= LULL:
            self._next()
        else:
            asyncio.get_running_loop().call_soon(self._look_again)

    def _next(self) -> None:
        """Begin the next call, where none runs and something waits."""
        self._quiet_rounds = None
        self._waiting = [job for job in self._waiting if not job.answers.done()]
        if self._running or not self._waiting:
            return
        turn = self._turn()
        self._waiting = [job for job in self._waiting if job not in turn]
        self._running = turn
        kind = turn[0].kind
        self.course = Course(
            kind.name, lambda: not all(job.answers.cancelled() for job in turn), kind.can_stop
        )
        items = [item for job in turn for item in job.items]
        call = asyncio.get_running_loop().run_in_executor(self._thread, kind.work, items, self.course.tell)
        call.add_done_callback(partial(self._finish, turn, time.monotonic()))

    def _turn(self) -> list[_Job]:
        """The job that waits longest, and those of its kind that fit into one call with it."""
        first = self._waiting[0]
        turn, size = [first], len(first.items)
        for job in self._waiting[1:]:
            if job.kind is first.kind and size + len(job.items) <= first.kind.together:
                turn.append(job)
                size += len(job.items)
        return turn

    def _finish(self, turn: Sequence[_Job], started: float, call: asyncio.Future[Sequence[Any]]) -> None:
        """Hand out what a call gave, then begin the next."""
        self.course = None
        self._running = []
        self._company = len(turn)
        seconds = (time.monotonic() - started) / len(turn)
        before = seconds if self._pace is None else self._pace
        self._pace = PACE_MEMORY * before + (1 - PACE_MEMORY) * seconds
        error = call.exception()
        answers = iter(() if error else call.result())
        for job in turn:
            its_own = [next(answers) for _ in job.items] if error is None else []
            if job.answers.done():  # whoever asked has gone
                continue
            if error:
                job.answers.set_exception(error)
            else:
                job.answers.set_result(its_own)
        self._gather()
