"""Quick, Draw!'s own files of strokes: one JSON object a line, as raw or as simplified drawings."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.errors import InputError
from unprompt.records import Problem
from unprompt.storage.unpacking import open_packed

SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
LONGEST_LINE = 32 * 2**20  # bytes; a drawing of a million points has some ten million


def read_ndjson(path: Path, problems: list[Problem] | None = None) -> Iterator[Doodle]:
    """The drawings of a file, also of a gzipped one, in its order.

    Each line has `drawing`, a list of strokes `[[x …], [y …]]` (simplified) or `[[x …], [y …], [t …]]` (raw);
    and `word`, `key_id`, `countrycode`, `recognized`, `caption` where it is known. A drawing without a
    `key_id` is called by the file's name and its line. For what is no drawing InputError says the line; or,
    where there is a list of `problems`, it is told there and the others are read.
    """
    stem = path.name.partition(".")[0]
    try:
        with open_packed(path) if path.suffix == ".gz" else path.open("rb") as opened:
            for number, line in enumerate(_lines(opened), 1):
                if line.isspace():
                    continue
                try:
                    yield read_line(line, f"{stem}-{number}")
                except InputError as error:
                    if problems is None:
                        raise InputError(f"{path}, line {number}: {error}") from error
                    problems.append(Problem(f"{stem}-{number}", path.name, f"line {number}: {error}"))
    except (OSError, EOFError, zlib.error) as error:
        if problems is None:
            raise InputError(f"cannot read {path}: {error}") from error
        problems.append(Problem(stem, path.name, f"it cannot be read to its end: {error}"))


def read_line(line: bytes, key: str) -> Doodle:
    """The drawing of one line, called `key` where it has no name. InputError for what is none."""
    return _doodle(_entry(line), key)


def _lines(opened: IO[bytes]) -> Iterator[bytes]:
    """Lines, of one that is too long no more than shows that it is."""
    while line := opened.readline(LONGEST_LINE + 1):
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = opened.readline(LONGEST_LINE + 1)
        yield line


def _entry(line: bytes) -> Any:
    if len(line) > LONGEST_LINE:
        raise InputError(f"is longer than {LONGEST_LINE:,} bytes, which no drawing is")
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSON: {error}") from error


def _doodle(entry: Any, key: str) -> Doodle:
    if not isinstance(entry, dict) or not isinstance(entry.get("drawing"), list):
        raise InputError("no drawing there; a line is an object with `drawing`, a list of [[x …], [y …]]")
    strokes: list[Any] = []
    for number, stroke in enumerate(entry["drawing"]):
        if not isinstance(stroke, list) or len(stroke) < 2:
            raise InputError(f"stroke {number} is not [[x …], [y …]]")
        x, y = stroke[:2]
        if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
            raise InputError(f"stroke {number} has not as many x as y")
        if x:  # a stroke without a point is nothing that was drawn
            strokes.append(list(zip(x, y, strict=True)))
    known = entry.get("recognized")
    return Doodle(
        str(entry.get("key_id") or key),
        Drawing(tuple(strokes)),
        str(entry.get("word") or ""),
        str(entry.get("countrycode") or ""),
        known if isinstance(known, bool) else None,
        str(entry.get("caption") or ""),
    )
