"""What is printed, so that no terminal obeys it."""

from __future__ import annotations

from typing import Any, TextIO

from unprompt.errors import shown


class Printed:
    """A stream that shows what others have in names and prompts for a terminal, see `errors.shown`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; its lines stay lines."""
        return self._stream.write(shown(text, lines=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def message(text: str) -> str:
    """What is told on stderr: one line, or one and more that are indented."""
    first, *more = text.split("\n  ")
    return "\n  ".join(map(shown, (first, *more)))
