"""How far long work is: one kind of function that is told, and the bars and lines that show it.

In a terminal these are tqdm's bars, in a notebook its cell's output, elsewhere (a log) a line a minute. All
of it goes to stderr or beside a cell's results, so that stdout is the work's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from unprompt.errors import shown as printable

if TYPE_CHECKING:
    from tqdm import tqdm

# Told the step of the work ("embedding prompts"), how much of it is done, and how much there is in all:
# 0 where nobody knows yet.
Progress = Callable[[str, int, int], None]
# Told how many of a work's steps are done, and of how many. It may end the work by raising; Progress may not.
Tell = Callable[[int, int], None]

MINUTE = 60.0  # seconds between two lines in a log
BLINK = 0.25  # seconds between two looks of a notebook's bar
SOON = 90.0  # seconds; what takes longer is told in minutes


def silent(step: str, done: int, total: int) -> None:
    """For callers who do not want to know."""


def untold(done: int, total: int) -> None:
    """For callers who do not want to know, and end nothing."""


@contextmanager
def shown(progress: Progress | bool, unit: str) -> Iterator[Progress]:
    """Whom a Python function tells: `progress` itself, or bars for True, in a terminal or a notebook only."""
    if callable(progress):
        yield progress
    elif progress and (in_notebook() or sys.stderr.isatty()):
        with StepBars(unit) as bars:
            yield bars.show
    else:
        yield silent


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter's, Kaggle's, Colab's, an editor's."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


class StepBars:
    """Progress for people: one bar for each step of the work, opened when the step begins.

    Where there is neither a terminal nor a notebook it is a line a minute instead. `unit`: what is counted,
    "image".
    """

    def __init__(self, unit: str) -> None:
        self._screen: _Screen
        if in_notebook():
            self._screen = _Cell()
        elif sys.stderr.isatty():
            self._screen = _Terminal(unit)
        else:
            self._screen = _Log()
        self._step = ""
        self._done = self._total = 0

    def __enter__(self) -> StepBars:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the step's bar; the next `show` opens another."""
        if self._step:
            self._screen.end()
        self._step = ""

    def show(self, step: str, done: int, total: int) -> None:
        """Tell how much of a step is done; what is done when it begins does not count for the rate.

        A step that was all done and is told less of is the next of the same name.
        """
        if step != self._step or done < self._done == self._total:
            self.close()
            self._screen.begin(printable(step), done, total)
            self._step = step
        self._done, self._total = done, total
        self._screen.move(done, total)


class _Screen(Protocol):
    """Where steps are shown, one after the other."""

    def begin(self, step: str, done: int, total: int) -> None: ...

    def move(self, done: int, total: int) -> None: ...

    def end(self) -> None: ...


class _Terminal:
    """tqdm's bars on stderr."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def begin(self, step: str, done: int, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=step, total=total, initial=done, unit=self._unit)

    def move(self, done: int, total: int) -> None:
        assert self._bar is not None
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def end(self) -> None:
        assert self._bar is not None
        self._bar.close()


class _Log:
    """A line a minute on stderr, whatever the step."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self._pace = _Pace("", 0)

    def begin(self, step: str, done: int, total: int) -> None:
        self._pace = _Pace(step, done)

    def move(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= MINUTE:
            self._told = now
            sys.stderr.write(f"{self._pace.line(done, total)}\n")
            sys.stderr.flush()

    def end(self) -> None:
        pass


class _Cell:
    """A bar in the output of a notebook's cell, which changes where it stands; where it is saved, a line.

    It needs no widgets, which not every notebook has, and which a saved notebook does not show.
    """

    def __init__(self) -> None:
        self._pace = _Pace("", 0)
        self._handle: Any = None
        self._looked = 0.0
        self._last = (0, 0)

    def begin(self, step: str, done: int, total: int) -> None:
        ipython: Any = import_module("IPython.display")
        self._pace, self._last = _Pace(step, done), (done, total)
        self._handle = ipython.display(self._look(ended=False), raw=True, display_id=True)
        self._looked = time.monotonic()

    def move(self, done: int, total: int) -> None:
        self._last = (done, total)
        now = time.monotonic()
        if now - self._looked >= BLINK:
            self._looked = now
            self._handle.update(self._look(ended=False), raw=True)

    def end(self) -> None:
        self._handle.update(self._look(ended=True), raw=True)

    def _look(self, ended: bool) -> dict[str, str]:
        """The bar as HTML, and as plain text; a step without an end in sight has a bar while it goes on."""
        done, total = self._last
        line = self._pace.line(done, total, ended)
        values = f' value="{done}" max="{total}"' if total else ""
        bar = "" if ended and not total else f'<progress{values} style="width: 20em"></progress> '
        return {"text/plain": line, "text/html": f"{bar}{escape(line)}"}


class _Pace:
    """A step that began with `first` done: how fast it goes."""

    def __init__(self, step: str, first: int) -> None:
        self._step, self._first = step, first
        self._begun = time.monotonic()

    def line(self, done: int, total: int, ended: bool = False) -> str:
        """ "drawing: 1,200 of 5,000, 20 a second, about 3 min left"; its time in all where it has `ended`."""
        seconds = time.monotonic() - self._begun
        parts = []
        if done or total:
            parts.append(f"{done:,}" + (f" of {total:,}" if total else ""))
        if (made := done - self._first) > 0 and seconds > 0:
            rate = made / seconds
            parts.append(f"{rate:,.0f} a second" if rate >= 100 else f"{rate:.3g} a second")
            if total > done and not ended:
                parts.append(f"about {_rough((total - done) / rate)} left")
        if ended:
            parts.append(f"{_rough(seconds)} in all")
        return f"{self._step}: {', '.join(parts)}" if parts else f"{self._step} …"


def _rough(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= SOON else f"{max(1, round(seconds))} s"
