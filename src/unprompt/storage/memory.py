"""How much memory images may take while they are decoded, all threads together, and giving it back.

A large image is not refused for its size: it waits until there is room. One that is larger than all the room
there is comes alone.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from unprompt.storage.memory_config import MemoryConfig

SHARE = 0.25  # of the memory that is free when the first image is opened
UNKNOWN = 4 << 30  # bytes taken to be free where the system does not say
GIGABYTE = 1e9
UNLIMITED = 1 << 60  # what control groups of version 1 say where there is no limit, or more


class Room:
    """Bytes of which threads take some for a while, first come, first served.

    Whoever wants more than there is at all is let in alone, so nobody waits for ever. A thread takes part
    once at a time.
    """

    def __init__(self, size: int | None = None) -> None:
        """`size`: bytes; None: a share of what is free when somebody first asks."""
        self.wanted = self._size = size
        self._taken = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def resize(self, size: int | None) -> None:
        """Another size from here on, as in `__init__`."""
        with self._changed:
            self.wanted = self._size = size
            self._changed.notify_all()

    @contextmanager
    def part(self) -> Iterator[Part]:
        """Nothing yet of the room; what is taken by it is given back when the block ends in any way."""
        part = Part(self)
        try:
            yield part
        finally:
            self._leave(part.size)

    def _enter(self, size: int) -> None:
        """Wait until there is room for `size` bytes, and take them."""
        with self._changed:
            place = object()
            self._queue.append(place)
            try:
                self._changed.wait_for(lambda: self._queue[0] is place and self._has_room(size))
                self._taken += size
            finally:
                self._queue.remove(place)
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        if self._taken == 0:
            return True
        if self._size is None:
            self._size = int(SHARE * free_memory())
        return self._taken + size <= self._size

    def _leave(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


class Part:
    """What one thread has of a room."""

    def __init__(self, room: Room) -> None:
        self.size = 0
        self._room = room

    def take(self, size: int) -> None:
        """Wait until there is room for `size` bytes; whoever has some already need not ask again."""
        if not self.size and size:
            self._room._enter(size)
            self.size = size


IMAGES = Room()  # the process's, as its memory is


def use_memory(config: MemoryConfig) -> None:
    """Have images take as much memory from here on as the settings say."""
    IMAGES.resize(None if config.memory is None else int(config.memory * GIGABYTE))


def free_memory() -> int:
    """Bytes that this process could still take: of the machine, and of its container's limit."""
    free = [UNKNOWN]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = [1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:")))]
    for limit, used, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        with suppress(OSError, ValueError):
            folder = Path("/sys/fs/cgroup")
            most = int((folder / limit).read_text())  # "max" where there is none: a ValueError
            if most < UNLIMITED:
                free.append(most - int((folder / used).read_text()) + _cached(folder / stat))
    return max(0, min(free))


def _cached(stat: Path) -> int:
    """Bytes of files that the system keeps in memory and gives up for others."""
    named = dict(line.split(maxsplit=1) for line in stat.read_text().splitlines())
    return int(named.get("total_inactive_file", named.get("inactive_file", 0)))


def give_back() -> None:
    """Have the allocator return to the system what is free; glibc keeps it, other systems need no telling."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    with suppress(OSError, AttributeError):  # musl has none
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return trim
    return None
