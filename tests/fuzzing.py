"""Damaged and hostile inputs by the thousand: how they are made, and what a reader may do with one.

A reader of a stranger's file answers, or raises one of unprompt.errors, within bounded time and memory.
Everything else is an escape. The tests of the rooms take a few hundred inputs from a fixed seed; `make fuzz`
runs all attacks for minutes and keeps the inputs of escapes.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from unprompt.errors import UnpromptError

SECONDS = 10.0  # of a processor, for one input; the largest honest ones here take a hundredth of it
GIGABYTES = 4  # of addresses: an input that would take all memory ends with an error, not with the machine
MEGABYTES = 600  # that one input may add to the most that this process ever had
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER = 96  # bytes of a file's beginning in which most numbers stand


class TookTooLongError(BaseException):
    """An input has taken SECONDS; no Exception, so that nobody takes it for a decoder's."""


@dataclass(frozen=True)
class Attack:
    """`seeds`: honest inputs, by names that end as files of the kind do. `read`: what is attacked."""

    name: str
    seeds: Sequence[tuple[str, bytes]]
    read: Callable[[str, bytes], object]


@dataclass(frozen=True)
class Escape:
    """An input that did more than it may: made of the seed `name`, and `what` it did."""

    attack: str
    name: str
    content: bytes
    what: str


def run(attack: Attack, random: Random, count: int) -> Iterator[Escape | None]:
    """`count` inputs, one after the other: what escaped, or None."""
    for _ in range(count):
        name, content = random.choice(attack.seeds)
        _, other = random.choice(attack.seeds)
        yield try_one(attack, name, mutate(content, other, random))


def try_one(attack: Attack, name: str, content: bytes) -> Escape | None:
    """What one input does that it may not; None where it does nothing of the kind."""
    before, started = _most_memory(), time.process_time()
    what = ""
    try:
        with _alarm(), _little_memory():
            attack.read(name, content)
    except UnpromptError:
        pass
    except TookTooLongError:
        what = f"took over {SECONDS:g} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        what = f"raised {type(error).__name__}: {str(error)[:200]}"
    taken, more = time.process_time() - started, _most_memory() - before
    if not what and taken > SECONDS:
        what = f"took {taken:.1f} s"
    if not what and more > MEGABYTES:
        what = f"took {more:,.0f} MB more than any before"
    return Escape(attack.name, name, content, what) if what else None


def mutate(content: bytes, other: bytes, random: Random) -> bytes:
    """One to four damages of an honest input; `other` is one that parts are taken from."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        if not damaged:
            break
        random.choice(DAMAGES)(damaged, other, random)
    return bytes(damaged)


def _flip(content: bytearray, other: bytes, random: Random) -> None:
    for _ in range(random.choice((1, 1, 2, 8))):
        content[_place(content, random)] ^= 1 << random.randrange(8)


def _set(content: bytearray, other: bytes, random: Random) -> None:
    content[_place(content, random)] = random.randrange(256)


def _cut(content: bytearray, other: bytes, random: Random) -> None:
    del content[random.randrange(len(content)) :]


def _number(content: bytearray, other: bytes, random: Random) -> None:
    """An extreme number in place of one in the header, or anywhere."""
    width = random.choice((1, 2, 4, 8))
    order = random.choice(("little", "big"))
    number = random.choice(EXTREMES) & ((1 << 8 * width) - 1)
    place = _place(content, random)
    content[place : place + width] = number.to_bytes(width, order)  # type: ignore[arg-type]


def _drop(content: bytearray, other: bytes, random: Random) -> None:
    place = _place(content, random)
    del content[place : place + random.randrange(1, 33)]


def _double(content: bytearray, other: bytes, random: Random) -> None:
    place = _place(content, random)
    piece = content[place : place + random.randrange(1, 65)]
    content[place:place] = piece * random.choice((1, 2, 50))


def _splice(content: bytearray, other: bytes, random: Random) -> None:
    start = random.randrange(len(other) + 1)
    place = _place(content, random)
    content[place : place + random.randrange(64)] = other[start : start + random.randrange(64)]


def _digits(content: bytearray, other: bytes, random: Random) -> None:
    """In a text, an absurd number or word in place of a number."""
    places = [n for n, value in enumerate(content) if 48 <= value <= 57]
    if not places:
        return _number(content, other, random)
    start = end = random.choice(places)
    while end < len(content) and 48 <= content[end] <= 57:
        end += 1
    content[start:end] = random.choice(WORDS)
    return None


DAMAGES = (_flip, _set, _cut, _number, _drop, _double, _splice, _digits)
WORDS = (
    b"-1", b"0", b"1e309", b"1e12", b"NaN", b"null", b"99999999999999999999", b"4294967296", b'"x"', b"[]",
    b"{}", b"-0.0", b"1e-320", b"[[[[[[[[", b"9" * 5000,
)  # fmt: skip


def _place(content: bytearray, random: Random) -> int:
    """Somewhere in a file, half the time in its header."""
    end = min(len(content), HEADER) if random.random() < 0.5 else len(content)
    return random.randrange(end) if end else 0


def _most_memory() -> float:
    """The most megabytes that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _alarm() -> Iterator[None]:
    """Raise TookTooLongError in this block after SECONDS, where the code in it lets signals through."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let code in this block ask for GIGABYTES more than the process has, and then raise MemoryError."""
    pages = Path("/proc/self/statm")
    if not pages.exists():  # not on Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (GIGABYTES << 30), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
