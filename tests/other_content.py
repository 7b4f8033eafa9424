"""Files that change between a kill and the next start, as badly as they can: same name, size and time."""

from __future__ import annotations

import os
from pathlib import Path


def put_other_content(path: Path, keep_time: bool = True) -> None:
    """Give a file other bytes of the same number; `keep_time`: and set its time of change back."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    if keep_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def touch(path: Path) -> None:
    """Give a file another time and the same bytes, as a copy has."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
