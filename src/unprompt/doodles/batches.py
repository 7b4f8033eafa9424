"""Drawings of files in batches, for what names or describes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unprompt.doodles.drawing import Doodle
from unprompt.doodles.read import read_doodles
from unprompt.errors import InputError
from unprompt.records import Problem

EMPTY = "it is empty: nothing is drawn there"


def drawn_batches(path: Path, size: int, problems: list[Problem]) -> Iterator[list[Doodle]]:
    """The drawings of a file or a folder, up to `size` at a time, each key once.

    What cannot be read, is empty or has another's key gets a row in `problems`. InputError at the end where
    there was nothing else.
    """
    keys: set[str] = set()
    batch: list[Doodle] = []
    for doodle in read_doodles(path, problems):
        if not doodle.drawing.strokes:
            problems.append(Problem(doodle.key, path.name, EMPTY))
        elif doodle.key in keys:
            problems.append(Problem(doodle.key, path.name, "the key is there twice; the first one counts"))
        else:
            keys.add(doodle.key)
            batch.append(doodle)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
    if not keys:
        first = f": {problems[0].image_id}: {problems[0].problem}" if problems else ""
        raise InputError(f"{path} holds no drawing that can be used{first}")
