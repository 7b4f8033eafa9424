"""Work for tests that every process can do without a model: squares of numbers; and models that are tiny."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unprompt.crew.work import Place, Ready
from unprompt.errors import CheckpointError, InputError


@dataclass(frozen=True)
class Squares:
    """Each job is a number, and its square is made of it, beside the process that made it.

    `fail_at`: the number that it refuses. `lost_at`: the number from which on a worker's machine is lost, and
    the file `lost` is there from then on; Ray's own process of the machine that is not lost is `spared`, and
    its workers wait for that. `closed`: it cannot be opened.
    """

    fail_at: int | None = None
    lost_at: int | None = None
    lost: Path = Path()
    spared: int = 0
    closed: bool = False
    wants_gpu: bool = False

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[int, tuple[int, int]]]:
        """Get ready."""
        if self.closed:
            raise CheckpointError("the squares are closed")

        def begin(number: int) -> Callable[[], tuple[int, int]]:
            if number == self.fail_at:
                raise InputError(f"{number} has no square here")
            return partial(finish, number)

        def finish(number: int) -> tuple[int, int]:
            if self.lost_at is not None and number >= self.lost_at:
                if os.getppid() != self.spared:
                    self.lost.touch()
                    os.kill(os.getppid(), signal.SIGKILL)  # Ray's own process of this machine
                    time.sleep(3600)  # which does not come to its end, as nothing on the machine does
                while not self.lost.exists():
                    time.sleep(0.05)
            return number * number, os.getpid()

        yield Ready(begin, ahead=2)


def interrogating(world: Path) -> dict[str, Path]:
    """Which models `interrogate` has in the tests."""
    return {"checkpoint": world / "clip", "captioner": world / "blip", "phrases": world / "lists"}
