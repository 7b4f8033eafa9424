"""A crew of several processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any

from unprompt.crew.ledger import Ledger
from unprompt.crew.work import Job, Made, Place, Ready, Work
from unprompt.networks.devices import choose_device, core_count
from unprompt.storage.processes import killed_worker_told, spawning

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

AHEAD = 4  # jobs given to each worker before it has asked for them
WINDOW = 2 * AHEAD  # jobs for each worker that may be under way or waiting for one before them


class Processes:
    """`count` processes, each with the work open."""

    def __init__(self, count: int) -> None:
        self._count = count

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
        """As `Crew.do`. Raises RunError where a worker is killed from outside, as for memory."""
        context = spawning()
        numbers = context.Value("i", 0)
        others = multiprocessing.active_children()
        pool = ProcessPoolExecutor(self._count, context, initializer=_begin_worker, initargs=(work, numbers))
        ledger: Ledger[Job, Made] = Ledger(jobs, ordered, most)
        under_way: dict[Future[Made], int] = {}
        try:
            with killed_worker_told():
                while not ledger.is_over:
                    while len(under_way) < AHEAD * self._count and (
                        taken := ledger.take(WINDOW * self._count)
                    ):
                        number, job = taken
                        under_way[pool.submit(_do_in_worker, job)] = number
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        yield from ledger.finish(under_way.pop(future), future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
                    process.join()


_ready: Callable[[], Ready[Any, Any]]  # of a worker process: the same at every call
_open = ExitStack()


def _begin_worker(work: Work[Any, Any], numbers: Synchronized[int]) -> None:
    global _ready
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the main process, which ends the workers
    threading.Thread(target=_end_with_main_process, daemon=True).start()
    with numbers.get_lock():
        place = Place(numbers.value, core_count())
        numbers.value += 1
    # Opened with the first job: an error here would only break the pool, and say nothing to the user.
    _ready = cache(lambda: _open.enter_context(work.open(place)))


def _end_with_main_process() -> None:
    """Workers whose main process was killed would else wait for work for ever."""
    main_process = multiprocessing.parent_process()
    assert main_process is not None
    wait_for([main_process.sentinel])
    os._exit(1)


def _do_in_worker(job: Any) -> Any:
    return _ready().begin(job)()
