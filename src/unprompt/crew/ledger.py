"""What a crew of several keeps of its jobs: which are to be handed out, under way, done, lost."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic

from unprompt.crew.work import Job, Made
from unprompt.errors import RunError

LOSSES = 3  # so many workers may be lost with one job; then it is the job that ends them


class Ledger(Generic[Job, Made]):
    """The jobs of one list, each with its number from 0 on.

    A job that was lost with its worker is handed out again before any other. `ordered`: what was made is
    given out in the jobs' order, and so kept until all before it is there.
    """

    def __init__(
        self, jobs: Iterable[Job], ordered: bool = True, most: Callable[[], int] | None = None
    ) -> None:
        """`most`: how many jobs may be under way at a moment."""
        self._jobs = enumerate(jobs)
        self._ordered = ordered
        self._most = most
        self._lost: list[tuple[int, Job]] = []  # a heap
        self._under_way: dict[int, Job] = {}
        self._done: dict[int, tuple[Job, Made]] = {}
        self._first = 0  # the first job that is not given out, where that goes by order
        self._losses: Counter[int] = Counter()
        self._all_taken = False

    @property
    def is_over(self) -> bool:
        """Whether every job is done."""
        return self._all_taken and not self._lost and not self._under_way

    def take(self, ahead: int) -> tuple[int, Job] | None:
        """The next job and its number, which are under way from now on; None where there is none now.

        `ahead`: of ordered jobs none is taken that is so many after the first that is not done.
        """
        if self._most is not None and len(self._under_way) >= self._most():
            return None
        if self._lost:
            number, job = heapq.heappop(self._lost)
        elif self._ordered and len(self._under_way) + len(self._done) >= ahead:
            return None
        else:
            following = next(self._jobs, None)
            if following is None:
                self._all_taken = True
                return None
            number, job = following
        self._under_way[number] = job
        return number, job

    def finish(self, number: int, made: Made) -> list[tuple[Job, Made]]:
        """Take in what was made of a job; returns the jobs that can be given out now, with theirs."""
        self._done[number] = (self._under_way.pop(number), made)
        if not self._ordered:
            return [self._done.pop(number)]
        given = []
        while self._first in self._done:
            given.append(self._done.pop(self._first))
            self._first += 1
        return given

    def lose(self, numbers: Sequence[int], reason: str) -> None:
        """Have jobs done again whose worker was lost. Raises RunError for one that ends its workers."""
        for number in numbers:
            heapq.heappush(self._lost, (number, self._under_way.pop(number)))
            self._losses[number] += 1
            if self._losses[number] >= LOSSES:
                raise RunError(
                    f"{LOSSES} workers were lost with the same job, most likely for memory ({reason}); what "
                    "is done stays done: run the same command again with fewer workers, or without --cluster"
                )
