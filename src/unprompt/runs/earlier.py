"""What a finished RUN knows of images that have not changed since: the work that need not be done again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt import __version__
from unprompt.bundle.bundles import Bundle, own_states
from unprompt.errors import InputError, RunError
from unprompt.runs.chunks import KIND, Kept, Level, member_paths
from unprompt.storage.files import (
    PROMPTS_HEADER,
    check_whole,
    read_arrays,
    read_json,
    read_rows,
    read_table,
    write_table,
)
from unprompt.storage.images import ImageFile, file_state
from unprompt.storage.remote import AnyPath, path_below
from unprompt.storage.training_texts import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import Rows, TakeRows

IMAGES = "images.csv"
FROM_FILE = "from_file.csv"
HEADER = ("imgId", "file", "bytes", "modified")  # the time in nanoseconds since 1970

Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Earlier:
    """The images that have a guess, and what they gave; a deadline left some to the cheapest member."""

    files: tuple[ImageFile, ...]
    kept: Kept

    @property
    def known(self) -> tuple[ImageFile, ...]:
        """Those that need not be looked at again."""
        levels = self.kept.levels
        return tuple(file for file, level in zip(self.files, levels, strict=True) if level == Level.FULL)


def image_rows(pictures: Iterable[Picture]) -> dict[str, Row]:
    """By id, which file each image is from, by its path from its root, and how that file is now: the rows of
    images.csv.

    Taken before images are looked at, so that one which changes meanwhile is looked at again. A path that no
    file below the root can have, as tables may name one, has no row.
    """
    rows = {}
    for picture in pictures:
        with suppress(ValueError):
            rows[picture.file.image_id] = _row(picture.file, picture.root)
    return rows


def write_images(path: Path, rows: Iterable[Row]) -> None:
    """Write images.csv."""
    write_table(path, HEADER, iter(rows))


def _row(file: ImageFile, root: AnyPath) -> Row:
    size, modified = file_state(file.path)
    folder = path_below(file.path.parent, root)
    return file.image_id, (folder / file.name).as_posix(), str(size), str(modified)


def read_earlier(
    run: Path, files: Sequence[ImageFile], rows: Mapping[str, Row], bundle: Bundle, uses_file_prompts: bool
) -> Earlier | None:
    """What a finished RUN says of those of the files that it has seen as they are.

    `rows`: what `image_rows` says of the files. An image whose file's own prompt stands in the place of a
    guess counts only if that is wanted now too, `uses_file_prompts`: the guess is not kept. None where there
    is no finished RUN. Raises RunError for one of another bundle or version, or of models that have changed,
    InputError for one whose files cannot be read.
    """
    if not (run / KIND.record).exists():
        return None
    record = read_json(run / KIND.record)
    same = record.get("bundle") == json.loads(json.dumps(bundle.as_dict()))
    if not same or record.get("unprompt") != __version__:
        raise RunError(
            f"{run} is of another bundle or another version of unprompt, so nothing can be added to it; add "
            "--overwrite in place of --update, or name another folder"
        )
    before, now = record.get("files"), own_states(bundle)
    if isinstance(before, dict) and before != now:
        changed = next(path for path in {**before, **now} if before.get(path) != now.get(path))
        raise RunError(
            f"{changed} has changed since {run} was made, so nothing can be added to it; add --overwrite in "
            "place of --update, or name another folder"
        )
    row_by_id = {row["imgId"]: tuple(row[name] for name in HEADER) for row in _read(run / IMAGES, HEADER)}
    prompt_by_id = {row["imgId"]: row["prompt"] for row in _read(run / "prompts.csv", PROMPTS_HEADER)}
    own_by_id = {row["imgId"]: row["prompt"] for row in _read(run / FROM_FILE, PROMPTS_HEADER)}
    paths = member_paths(run, bundle)
    tables = {name: read_arrays(path, ("ids", "levels")) for name, path in paths.items()}
    for path in paths.values():
        check_whole(path)
    place_by_id = {
        name: {str(image_id): place for place, image_id in enumerate(table["ids"])}
        for name, table in tables.items()
    }

    def level_of(file: ImageFile) -> Level:
        image_id = file.image_id
        has_guess = (
            not file.absent
            and image_id in prompt_by_id
            and (uses_file_prompts or prompt_by_id[image_id] != own_by_id.get(image_id))
            and image_id in rows
            and row_by_id.get(image_id) == rows[image_id]
            and all(image_id in places for places in place_by_id.values())
        )
        if not has_guess:
            return Level.PRIOR
        return Level(max(tables[name]["levels"][places[image_id]] for name, places in place_by_id.items()))

    level_by_file = {file: level for file in files if (level := level_of(file)) is not Level.PRIOR}

    def rows_of(name: str, path: Path) -> TakeRows:
        places = np.array([place_by_id[name][file.image_id] for file in level_by_file], dtype=np.int64)
        return lambda rows: read_rows(path, places[rows])

    return Earlier(
        tuple(level_by_file),
        Kept(
            {name: rows_of(name, path) for name, path in paths.items()},
            prompts=[prompt_by_id[file.image_id] for file in level_by_file],
            problems=[""] * len(level_by_file),
            levels=np.array(list(level_by_file.values()), dtype=np.int8),
        ),
    )


def _read(path: Path, header: Sequence[str]) -> list[dict[str, str]]:
    """A table's rows; none where it has none, or is not there."""
    try:
        return read_table(path, header).rows
    except InputError:
        return []


def rows_in_order(levels: NDArray[np.int8], files: Sequence[ImageFile], order: Sequence[ImageFile]) -> Rows:
    """The rows of `files`, whose levels are `levels`, in the order of the same files in `order`.

    Of a file that stands there twice that row is taken which got more of the bundle, the first of equals.
    """
    row_by_id: dict[str, int] = {}
    for row in np.argsort(levels, kind="stable").tolist():
        row_by_id.setdefault(files[row].image_id, row)
    return np.array([row_by_id[file.image_id] for file in order], dtype=np.int64)
