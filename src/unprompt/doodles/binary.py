"""Quick, Draw!'s binary files: simplified drawings in few bytes, one after the other, of one category."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.errors import InputError
from unprompt.records import Problem
from unprompt.storage.unpacking import open_packed

SUFFIXES = (".bin", ".bin.gz")
# As the data set's example for Python unpacks them, little-endian and without gaps: key, country, whether it
# was recognised, seconds since 1970, number of strokes; then of each stroke how many points, all x, all y.
HEAD = struct.Struct("<Q2sbIH")
COUNT = struct.Struct("<H")


def read_binary(path: Path, word: str = "", problems: list[Problem] | None = None) -> Iterator[Doodle]:
    """The drawings of a .bin file, also of a gzipped one, in its order; the file does not say their `word`.

    A file that ends within a drawing has lost that one: InputError, after the others were given; or a row of
    `problems` where there is such a list. Nothing in it says where the next drawing begins after a damaged
    one, so a file that is none of this kind shows as one that ends too early.
    """
    place = 0
    try:
        with open_packed(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while head := stream.read(HEAD.size):
                place += 1
                yield _read_one(stream, head, word)
    except (OSError, EOFError, zlib.error, InputError) as error:
        key = f"{path.name.partition('.')[0]}-{place}"
        if problems is None:
            raise InputError(f"{path}, drawing {place}: {error}") from error
        problems.append(Problem(key, path.name, f"drawing {place}: {error}"))


def _read_one(stream: IO[bytes], head: bytes, word: str) -> Doodle:
    if len(head) < HEAD.size:
        raise InputError("the file ends within it")
    key, country, recognised, _, count = HEAD.unpack(head)
    strokes = []
    for _ in range(count):
        (points,) = COUNT.unpack(_read_all(stream, COUNT.size))
        numbers = np.frombuffer(_read_all(stream, 2 * points), np.uint8)
        if points:
            strokes.append(numbers.reshape(2, points).T.astype(np.float64))
    letters = country.decode("ascii", "replace").strip("\0 ")
    return Doodle(str(key), Drawing(tuple(strokes)), word, letters, bool(recognised))


def _read_all(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise InputError("the file ends within it")
    return content
