"""Round trips: images whose prompts are known -> the tags' cosines, and which tags the prompts name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.easy_diffuser.tags import find_mentions
from unprompt.errors import InputError, UnreadableImageError
from unprompt.progress import Progress, silent
from unprompt.records import Problem, Prompts
from unprompt.storage.images import ImageFile, read_file
from unprompt.text.english import counted, none_readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.bundle.loaded import LoadedBundle

    Bools = NDArray[np.bool_]

BATCH = 64  # images in memory; the tags are embedded anew for each batch


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """N images and T tags: `cosines` (N, T) float32 of image and tag, `there` (N, T): whether the prompt
    names the tag's concept. `ids`: of the images, in the order of the rows."""

    ids: tuple[str, ...]
    cosines: NDArray[np.float32]
    there: Bools

    def __post_init__(self) -> None:
        if self.cosines.shape != self.there.shape or len(self.cosines) != len(self.ids):
            raise InputError(
                f"{counted(len(self.ids), 'image')} with cosines of shape {self.cosines.shape} and truths of "
                f"shape {self.there.shape}"
            )

    def at(self, rows: NDArray[np.int64]) -> RoundTrips:
        """Some of the images."""
        return RoundTrips(tuple(self.ids[row] for row in rows), self.cosines[rows], self.there[rows])


def make_round_trips(
    images: Sequence[ImageFile],
    prompts: Prompts,
    tags: Sequence[str],
    loaded: LoadedBundle,
    progress: Progress = silent,
) -> tuple[RoundTrips, tuple[Problem, ...]]:
    """Look at images with known prompts, matched by id; those that cannot be read become problems.

    `progress` is told images done and in all. Raises InputError where none can be read, and for an image
    without a prompt.
    """
    ids: list[str] = []
    rows: list[NDArray[np.float32]] = []
    problems: list[Problem] = []
    for start in range(0, len(images), BATCH):
        decoded = []
        for file in images[start : start + BATCH]:
            try:
                decoded.append(read_file(file))
                ids.append(file.image_id)
            except UnreadableImageError as error:
                problems.append(Problem(file.image_id, file.name, str(error)))
        if decoded:
            rows.append(loaded.likeness(decoded, tags))
        progress("looking", min(start + BATCH, len(images)), len(images))
    if not rows:
        if not problems:
            raise InputError("there is no image with a prompt")
        why = f"{problems[0].file}: {problems[0].problem}"
        raise InputError(none_readable(len(images), "image", why))
    there = find_mentions(prompts.at(ids).texts, tags)
    return RoundTrips(tuple(ids), np.concatenate(rows), there), tuple(problems)
