"""What is printed, so that no terminal obeys it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from unprompt.errors import shown


class Printed:
    """A stream that shows what others have in names and prompts for a terminal, see `errors.shown`."""

    def __init__(self, stream: TextIO) -> None:
        self.plain = stream

    def write(self, text: str) -> int:
        """Write a text; its lines stay lines."""
        return self.plain.write(shown(text, lines=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def print_table(text: str) -> None:
    """Print what a program reads back: as it is, unless a terminal shows it."""
    stream = sys.stdout
    if isinstance(stream, Printed) and not stream.isatty():
        stream.plain.write(text)
    else:
        stream.write(text)


@contextmanager
def found_is_printed(found: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """For work whose results are printed as JSON at its end: where it is interrupted or fails, what it has
    found until then is, with `"interrupted": true`, if `found` gives any."""
    try:
        yield
    except BaseException:  # Ctrl-C too; it goes on to whoever tells of it
        if some := found():
            print(json.dumps({**some, "interrupted": True}, ensure_ascii=False), flush=True)
        raise


def command(*words: object) -> str:
    """A command of unprompt's that a shell takes as it stands: "unprompt describe 'my pictures'"."""
    return shlex.join(("unprompt", *map(str, words)))


def message(text: str) -> str:
    """What is told on stderr: one line, or one and more that are indented."""
    first, *more = text.split("\n  ")
    return "\n  ".join(map(shown, (first, *more)))
