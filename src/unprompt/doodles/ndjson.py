"""Quick, Draw!'s own files of strokes: one JSON object a line, as raw or as simplified drawings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.errors import InputError

SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl")


def read_ndjson(path: Path) -> Iterator[Doodle]:
    """The drawings of a file, also of a gzipped one, in its order.

    Each line has `drawing`, a list of strokes `[[x …], [y …]]` (simplified) or `[[x …], [y …], [t …]]` (raw);
    and `word`, `key_id`, `countrycode`, `recognized` where it is known. A drawing without a `key_id` is
    called by the file's name and its line. Raises InputError with the line's number for what is no drawing.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    stem = path.name.partition(".")[0]
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield _doodle(json.loads(line), f"{stem}-{number}")
                    except (InputError, ValueError) as error:
                        raise InputError(f"{path}, line {number}: {error}") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _doodle(entry: Any, key: str) -> Doodle:
    if not isinstance(entry, dict) or not isinstance(entry.get("drawing"), list):
        raise InputError("no drawing there; a line is an object with `drawing`, a list of [[x …], [y …]]")
    strokes = []
    for number, stroke in enumerate(entry["drawing"]):
        if not isinstance(stroke, list) or len(stroke) < 2:
            raise InputError(f"stroke {number} is not [[x …], [y …]]")
        x, y = stroke[:2]
        if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
            raise InputError(f"stroke {number} has not as many x as y")
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
