"""Files packed by gzip, of which no more is unpacked than an honest one of their size holds."""

from __future__ import annotations

import gzip
import io
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LEAST = 1 << 22  # bytes that any file may unpack to
TIMES = 100  # its size that a larger one may: texts of numbers have five, gzip makes a thousand of zeros


def open_packed(path: Path) -> IO[bytes]:
    """The unpacked bytes of a gzipped file.

    Reading raises OSError, EOFError or zlib.error where it is damaged, and OSError where it unpacks to far
    more than any honest file does.
    """
    most = max(LEAST, TIMES * path.stat().st_size)
    return cast(IO[bytes], io.BufferedReader(_Bounded(path, most)))


class _Bounded(io.RawIOBase):
    def __init__(self, path: Path, most: int) -> None:
        self._unpacked = gzip.GzipFile(path)
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = self._unpacked.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError("it unpacks to far more than any honest file of its size")
        return count

    def close(self) -> None:
        with closing(self._unpacked):
            super().close()
