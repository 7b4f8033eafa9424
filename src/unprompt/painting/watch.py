"""How far a painting is, and the wish that it ends: told in one thread, looked at and asked for in others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StoppedError(Exception):
    """Somebody asked for the painting to end. It is raised inside the painting, for nobody to see."""


class Watch:
    """Goes with one painting. `done` of `total` steps are taken; 0 of 0 where nothing is known yet."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self._stopped = False
        self._hang_up: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def tell(self, done: int, total: int) -> None:
        """Note that `done` of `total` steps are taken. Raises StoppedError after `stop`."""
        self.done, self.total = done, total
        self.check()

    def check(self) -> None:
        """Raise StoppedError after `stop`."""
        if self._stopped:
            raise StoppedError

    def stop(self) -> None:
        """Have the painting end: at its next step, or at once where it waits for another machine."""
        with self._lock:
            self._stopped = True
            hang_up = self._hang_up
        if hang_up is not None:
            hang_up()

    @contextmanager
    def waiting(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """A wait for another machine, which `stop` ends by `hang_up`, from its own thread.

        Raises StoppedError in place of what goes wrong by that.
        """
        with self._lock:
            self.check()
            self._hang_up = hang_up
        try:
            yield
        except Exception as error:
            if self._stopped:
                raise StoppedError from error
            raise
        finally:
            with self._lock:
                self._hang_up = None
