"""Drawings of files in batches, for what names or describes them, into a table or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt import __version__
from unprompt.doodles.drawing import Doodle
from unprompt.doodles.read import Unit, find_units
from unprompt.errors import InputError, agreed
from unprompt.interrogator.prompt_files import Row, Table, open_prompts
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.images import ImageFile, identify_images, readable

TWICE = "the key is there twice; the first one counts"
EMPTY = "it is empty: nothing is drawn there"


class Drawings:
    """The drawings of files and folders, in the order in which they are named. InputError for other paths."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._units: list[tuple[Path, Unit]] = [(path, unit) for path in paths for unit in find_units(path)]

    @property
    def files(self) -> list[ImageFile]:
        """The files that they are in."""
        return [ImageFile(readable(file.stem), file) for _, unit in self._units for file in unit.files]

    def batches(self, size: int, problems: list[Problem]) -> Iterator[list[Doodle]]:
        """Up to `size` at a time, each key once.

        What cannot be read, is empty or has another's key gets a row in `problems`. InputError at the end
        where there was nothing else.
        """
        drawn = ((path, doodle) for path, unit in self._units for doodle, _ in unit.read(problems))
        keys: set[str] = set()
        batch: list[Doodle] = []
        for path, doodle in drawn:
            if not doodle.drawing.strokes:
                problems.append(Problem(doodle.key, path.name, EMPTY))
            elif doodle.key in keys:
                problems.append(Problem(doodle.key, path.name, TWICE))
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
            hold = agreed(len(self._paths), "hold")
            raise InputError(f"{', '.join(map(str, self._paths))} {hold} no drawing that can be used{first}")


@dataclass(frozen=True)
class Work:
    """What is done with drawings.

    `step`: what it is called. `begin` loads what looks at them, and gives what makes a row of each drawing of
    a batch; it is called where there is something to do. `settings`: what else than the drawings decides the
    rows. `models`: its files.
    """

    step: str
    begin: Callable[[], Callable[[Sequence[Doodle]], Sequence[Row]]]
    settings: Mapping[str, Any]
    models: Iterable[Path]


def look_at_all(
    drawings: Drawings,
    size: int,
    work: Work,
    table: Table | None,
    overwrite: bool,
    progress: Progress = silent,
) -> tuple[tuple[Problem, ...], bool]:
    """Have all drawings looked at, up to `size` at a time; what could not be, and whether some were before.

    `table`: where each batch's rows are kept as soon as they are there. Killed and called again with the same
    drawings and `work`, it goes on: all files are read again, but drawings that have their rows are passed
    over. `progress`: told drawings done. Raises RunError for a table that is there, or was begun with
    something else, unless `overwrite`.
    """
    problems: list[Problem] = []
    look, done = None, 0
    if table is None:
        for batch in drawings.batches(size, problems):
            look = look or work.begin()
            look(batch)
            done += len(batch)
            progress(work.step, done, 0)
        return tuple(problems), False
    files = drawings.files
    plan = {"unprompt": __version__, **work.settings, "drawings": identify_images(files)}
    with open_prompts(table, files, plan, overwrite, work.models) as writer:
        noted = len(writer.problems)
        known = writer.done - noted  # drawings that have their rows
        for batch in drawings.batches(size, problems):
            todo = batch[max(known - done, 0) :]
            done += len(batch)
            if not todo:
                continue
            if look is None:
                look = work.begin()
                writer.start()  # a model that cannot be loaded leaves the place as it was
            writer.add(look(todo), problems[noted:])
            noted = len(problems)
            progress(work.step, done, 0)
        if problems[noted:]:
            if look is None:
                writer.start()
            writer.add([], problems[noted:])
        writer.finish()
        return writer.problems, writer.resumed
