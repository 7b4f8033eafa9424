"""The one shape of work that is shared out: what is done to each of many jobs, and by whom.

A command says what is to be done as a `Work`: settings that can be sent anywhere, which load their models
where they are opened. A `Crew` has it done to jobs, most often chunks of images, and gives back what came of
each. So the same recipe runs here and on many machines, and the command alone writes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Job = TypeVar("Job")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Where a worker works. `number`: which of a machine's workers it is. `cores`: those that it may use."""

    number: int
    cores: int


@dataclass(frozen=True)
class Ready(Generic[Job, Made]):
    """A worker with its models loaded.

    `begin`: takes up a job without waiting for it -> what waits for it and finishes it; jobs are finished in
    the order in which they were begun. `ahead`: so many jobs begun beside the one that is waited for keep
    every core busy.
    """

    begin: Callable[[Job], Callable[[], Made]]
    ahead: int = 0


class Work(Protocol[Job, Made]):
    """What is done to each job. Where others than this process do it, it is pickled, so it holds settings."""

    @property
    def wants_gpu(self) -> bool:
        """Whether a worker of a cluster should have a GPU."""

    def open(self, place: Place) -> AbstractContextManager[Ready[Job, Made]]:
        """Load what is needed, and get ready."""


class Crew(Protocol):
    """Who does the work."""

    def device(self, wanted: str) -> str:
        """The device on which the workers compute: "auto" -> what they have. Raises ConfigError."""

    def do(
        self,
        work: Work[Job, Made],
        jobs: Iterable[Job],
        ordered: bool = True,
        most: Callable[[], int] | None = None,
    ) -> Generator[tuple[Job, Made], None, None]:
        """Jobs with what was made of each, as they are done; `ordered`: in their order.

        The first job is asked for when a worker is ready, so that work which cannot begin begins nothing.
        `most`: how many jobs may be under way at this moment; None: as many as keep the workers busy. Close
        the iterator to end the work early.
        """
