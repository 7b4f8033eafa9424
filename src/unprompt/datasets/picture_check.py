"""Opening a data set's pictures: how large they are, and which cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from unprompt.errors import UnreadableImageError
from unprompt.progress import StepBars
from unprompt.records import Problem
from unprompt.storage.images import ImageFile, open_file
from unprompt.storage.parts import ROW_GROUP

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True)
class PictureCheck:
    """What opening `opened` pictures showed.

    `sizes`: how many have each size, the most frequent first. `problems`: those that cannot be read, by id.
    """

    opened: int
    sizes: tuple[tuple[Size, int], ...]
    problems: tuple[Problem, ...]


def check_pictures(images: Sequence[ImageFile], workers: int = 2) -> PictureCheck:
    """Decode each picture as training would and count the sizes; `workers` threads share the work.

    They take one row group of a part at a time, in the order of the files: read by id, which says nothing of
    the place, nearly every picture would cost the reading of its whole row group.
    """
    groups = [list(group) for _, group in groupby(sorted(images, key=_place), key=_row_group)]
    sizes: Counter[Size] = Counter()
    problems = []
    with (
        ThreadPoolExecutor(workers) as pool,
        StepBars("image") as bars,
    ):
        done = 0
        bars.show("opening images", done, len(images))
        for looked_at in pool.map(_look, groups):
            for found in looked_at:
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    sizes[found] += 1
            done += len(looked_at)
            bars.show("opening images", done, len(images))
    return PictureCheck(
        opened=len(images),
        sizes=tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        problems=tuple(sorted(problems, key=lambda problem: problem.image_id)),
    )


def _place(image: ImageFile) -> tuple[Path, int]:
    return image.local_path, image.row or 0


def _row_group(image: ImageFile) -> tuple[Path, int]:
    return image.local_path, (image.row or 0) // ROW_GROUP


def _look(images: Sequence[ImageFile]) -> list[Size | Problem]:
    return [_look_at(image) for image in images]


def _look_at(image: ImageFile) -> Size | Problem:
    try:
        with open_file(image) as opened:
            return opened.size
    except UnreadableImageError as error:
        return Problem(image.image_id, image.name, str(error))
