"""A file of JSON values, a line each, that only grows: to keep more costs what is new, however much there is.

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


class Journal:
    """The file at `path`, of which no more is there than was begun and appended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, size: int) -> bool:
        """Whether so many bytes as were written are still there."""
        return not size or (self.path.exists() and self.path.stat().st_size >= size)

    def read(self, size: int) -> list[Any]:
        """The values in the first `size` bytes, which are there."""
        if not size:
            return []
        with self.path.open("rb") as stream:
            return [json.loads(line) for line in stream.read(size).splitlines()]

    def begin(self, size: int) -> None:
        """Get ready to write after the first `size` bytes; 0 starts anew."""
        with self.path.open("ab") as stream:
            stream.truncate(size)

    def append(self, values: Iterable[Any]) -> int:
        """Write values to the disk; returns the size that counts from now on.

        Raises RunError where the disk is full.
        """
        content = "".join(f"{json.dumps(value)}\n" for value in values).encode()
        with full_disk_told(self.path), self.path.open("ab") as stream:
            if content:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())  # before the record that counts these bytes
            return stream.tell()
