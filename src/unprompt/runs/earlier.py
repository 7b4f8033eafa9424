"""What a finished RUN knows of images that have not changed since: the work that need not be done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unprompt import __version__
from unprompt.bundle.bundles import Bundle
from unprompt.errors import InputError, RunError
from unprompt.runs.chunks import KIND, Chunk, Level
from unprompt.storage.files import PROMPTS_HEADER, read_arrays, read_json, read_table, write_table
from unprompt.storage.images import ImageFile, file_state
from unprompt.storage.remote import AnyPath, path_below

IMAGES = "images.csv"
HEADER = ("imgId", "file", "bytes", "modified")  # the time in nanoseconds since 1970


@dataclass(frozen=True)
class Earlier:
    """The images of `files` that need not be looked at again, and what they gave."""

    files: tuple[ImageFile, ...]
    chunk: Chunk


def write_images(path: Path, files: Sequence[ImageFile], root: AnyPath) -> None:
    """Write images.csv: which file each image is from. `root`: what the files' paths are relative to."""
    write_table(path, HEADER, (_row(file, root) for file in files))


def _row(file: ImageFile, root: AnyPath) -> tuple[str, str, str, str]:
    size, modified = file_state(file.path)
    folder = path_below(file.path.parent, root)
    return file.image_id, (folder / file.name).as_posix(), str(size), str(modified)


def read_earlier(run: Path, files: Sequence[ImageFile], root: AnyPath, bundle: Bundle) -> Earlier | None:
    """What a finished RUN says of those of the files that it has seen as they are, with the whole bundle.

    None where there is no finished RUN. Raises RunError for one of another bundle or version, InputError for
    one whose files cannot be read.
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
    row_by_id = {row["imgId"]: tuple(row[name] for name in HEADER) for row in _read(run / IMAGES, HEADER)}
    prompt_by_id = {row["imgId"]: row["prompt"] for row in _read(run / "prompts.csv", PROMPTS_HEADER)}
    tables = {
        spec.name: read_arrays(run / "members" / f"{spec.name}.npz", ("ids", "embeddings", "levels"))
        for spec in bundle.members
    }
    place_by_id = {
        name: {str(image_id): place for place, image_id in enumerate(table["ids"])}
        for name, table in tables.items()
    }

    def is_known(file: ImageFile) -> bool:
        image_id = file.image_id
        return (
            not file.absent
            and image_id in prompt_by_id
            and row_by_id.get(image_id) == _row(file, root)
            and all(
                image_id in places and tables[name]["levels"][places[image_id]] == Level.FULL
                for name, places in place_by_id.items()
            )
        )

    known = tuple(filter(is_known, files))
    embeddings = {
        name: table["embeddings"][[place_by_id[name][file.image_id] for file in known]]
        for name, table in tables.items()
    }
    return Earlier(
        known,
        Chunk(
            embeddings,
            prompts=tuple(prompt_by_id[file.image_id] for file in known),
            problems=("",) * len(known),
            levels=np.zeros(len(known), dtype=np.int8),
        ),
    )


def _read(path: Path, header: Sequence[str]) -> list[dict[str, str]]:
    """A table's rows; none where it has none, or is not there."""
    try:
        return read_table(path, header).rows
    except InputError:
        return []


def join_in_order(chunks: Sequence[Chunk], files: Sequence[ImageFile], order: Sequence[ImageFile]) -> Chunk:
    """Chunks of `files` as one chunk, whose rows are in the order of the same files in `order`."""
    row_by_id = {file.image_id: row for row, file in enumerate(files)}
    rows = [row_by_id[file.image_id] for file in order]
    prompts = [prompt for chunk in chunks for prompt in chunk.prompts]
    problems = [problem for chunk in chunks for problem in chunk.problems]
    return Chunk(
        {
            name: np.concatenate([chunk.embeddings[name] for chunk in chunks])[rows]
            for name in chunks[0].embeddings
        },
        tuple(prompts[row] for row in rows),
        tuple(problems[row] for row in rows),
        np.concatenate([chunk.levels for chunk in chunks])[rows],
    )
