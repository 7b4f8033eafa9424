"""Drawings of files in batches, for what names or describes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from unprompt.doodles.drawing import Doodle
from unprompt.doodles.read import find_units
from unprompt.errors import InputError, agreed
from unprompt.records import Problem

EMPTY = "it is empty: nothing is drawn there"


def drawn_batches(paths: Sequence[Path], size: int, problems: list[Problem]) -> Iterator[list[Doodle]]:
    """The drawings of files and folders, up to `size` at a time, each key once.

    What cannot be read, is empty or has another's key gets a row in `problems`. InputError at the end where
    there was nothing else, and at once for a path that is not there or is of no known kind.
    """
    units = [(path, unit) for path in paths for unit in find_units(path)]
    drawn = ((path, doodle) for path, unit in units for doodle, _ in unit.read(problems))
    keys: set[str] = set()
    batch: list[Doodle] = []
    for path, doodle in drawn:
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
        hold = agreed(len(paths), "hold")
        raise InputError(f"{', '.join(map(str, paths))} {hold} no drawing that can be used{first}")
