"""Places where results are to go."""

from __future__ import annotations

import os
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


def in_reach(path: Path) -> bool:
    """Whether a file or folder is there and this process may read it.

    One in a locked folder is as good as not there, where `Path.exists` raises.
    """
    return os.access(path, os.R_OK)


def note_closed(folder: Path) -> str:
    """What to say behind the name of a folder that this process may not look into; "" of any other."""
    return "" if os.access(_nearest(folder), os.X_OK) else " (no permission to look into it)"


def check_writable(path: Path, instead: str) -> None:
    """Raise RunError for a folder that this process cannot write to, or make, and for a file in such a one.

    `instead`: what else to do.
    """
    there = _nearest(path)
    folder = there if there.is_dir() else there.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RunError(
            f"{path} cannot be written, for want of permission or as its disk is read-only; {instead}"
        )


def _nearest(path: Path) -> Path:
    """The path, or the nearest of the folders around it that is there and can be seen."""
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK))
