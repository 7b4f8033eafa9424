"""The crew of one: this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable

from unprompt.crew.work import Job, Made, Place, Work
from unprompt.networks.devices import choose_device, core_count


class Here:
    """This process does the work itself, with `cores` threads for images; None: one for each core."""

    def __init__(self, cores: int | None = None) -> None:
        self._place = Place(0, cores or core_count())

    def device(self, wanted: str) -> str:
        """As `choose_device`."""
        return choose_device(wanted)

    def do(
        self,
        work: Work[Job, Made],
        jobs: Iterable[Job],
        ordered: bool = True,
        most: Callable[[], int] | None = None,
    ) -> Generator[tuple[Job, Made], None, None]:
        """As `Crew.do`; it is always in order."""
        with work.open(self._place) as ready:
            most = most or (lambda: ready.ahead + 1)
            under_way: deque[tuple[Job, Callable[[], Made]]] = deque()
            for job in jobs:
                under_way.append((job, ready.begin(job)))
                while len(under_way) >= most():
                    yield _finished(*under_way.popleft())
            while under_way:
                yield _finished(*under_way.popleft())


def _finished(job: Job, finish: Callable[[], Made]) -> tuple[Job, Made]:
    return job, finish()
