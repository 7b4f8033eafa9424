"""Files that only grow: to keep more costs what is new, however much there is.

How many of its bytes count is the caller's to keep, in a file that is written whole after them. What a killed
process had written beyond that is cut off when the work goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unprompt.storage.files import full_disk_told


class GrowingFile:
    """The file at `path`, of which no more is there than was begun and appended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, size: int) -> bool:
        """Whether so many bytes as were written are still there."""
        return not size or (self.path.exists() and self.path.stat().st_size >= size)

    def begin(self, size: int, head: bytes = b"") -> None:
        """Get ready to write after the first `size` bytes; 0 starts anew, with `head`.

        Raises RunError where the disk is full.
        """
        if size:
            os.truncate(self.path, size)
        else:
            self._write("wb", head)

    def append(self, content: bytes) -> int:
        """Write to the disk; returns the size that counts from now on. Raises RunError as `begin` does."""
        return self._write("ab", content)

    def _write(self, mode: str, content: bytes) -> int:
        with full_disk_told(self.path), self.path.open(mode) as stream:
            if content:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())  # before the record that counts these bytes
            return stream.tell()


class Journal(GrowingFile):
    """JSON values, a line each."""

    def read(self, size: int) -> list[Any]:
        """The values in the first `size` bytes, which are there."""
        if not size:
            return []
        with self.path.open("rb") as stream:
            return [json.loads(line) for line in stream.read(size).splitlines()]

    def note(self, values: Iterable[Any]) -> int:
        """Append values; returns and raises what `append` does."""
        return self.append("".join(f"{json.dumps(value)}\n" for value in values).encode())
