"""Places where results are to go."""

from __future__ import annotations

from pathlib import Path

from unprompt.errors import RunError


def check_place(path: Path, is_file: bool = False) -> None:
    """Raise RunError for a place where nothing can be written, whatever rights there are.

    That is one below a file, or below a link that leads nowhere, and such a link itself. `is_file`: a folder
    is none either.
    """
    if is_file and path.is_dir():
        raise RunError(f"{path} is a folder; name a file in it")
    for place in (path, *path.parents):
        if place.is_symlink() and not place.exists():
            raise RunError(f"{place} is a link that leads nowhere; remove it, or name another place")
        if place.exists():
            if place != path and not place.is_dir():
                raise RunError(f"{path} cannot be written: {place} is a file; name another place")
            return
