"""Work that several processes do together, where each keeps what it has done."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from unprompt.errors import RunError


@contextmanager
def killed_worker_told() -> Iterator[None]:
    """Raise RunError, which says how to go on, where one of a pool's processes dies in this block."""
    try:
        yield
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process was killed, most likely for memory; run the same command again with fewer "
            "--workers, what is done stays done"
        ) from error
