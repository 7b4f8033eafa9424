"""Folders on a server's machine that visitors may name: only below a root, and no link leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

from unprompt.errors import InputError
from unprompt.storage.images import ImageFile, find_images, image_endings
from unprompt.text.english import agreed, part_of

MOST_FOLDERS = 200  # offered for choice; others can be typed
DEEPEST = 6


def resolved_root(root: Path) -> Path:
    """The root itself, links in its own path followed. Raises InputError where it is not a folder."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; name one that holds folders of images with --root")
    return root.resolve()


def folder_below(root: Path, name: str) -> Path:
    """The folder that `name` means below a resolved root; "" and "." are the root.

    Raises InputError for one that is missing, is no folder, or lies outside, by "..", from "/" or by a link.
    """
    try:
        written = root / name
        folder = (written if written.is_dir() else root / name.strip()).resolve(strict=True)
        there = folder.is_dir()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):  # missing, no permission, a NUL or too long, links in a circle
        raise InputError(f"there is no folder '{name}' below the root") from None
    if not folder.is_relative_to(root):  # before anything is said of what is there
        raise InputError(f"there is no folder '{name}' below the root")
    if not there:
        raise InputError(f"'{name}' is a file; name the folder that holds it")
    return folder


def images_below(root: Path, name: str) -> list[ImageFile]:
    """The images of a folder below a resolved root.

    Raises InputError as `folder_below` and `find_images` do, and where an image is a link that leads out.
    """
    folder = folder_below(root, name)
    try:
        files = find_images(folder, same_stems=True)
    except InputError as error:
        first = next(iter(folders_with_images(folder, most=1)), ".")
        if first == ".":  # where the root lies on the server's machine is not told
            raise InputError(str(error).replace(str(folder), f"'{name}'")) from None
        inside = f"{name.strip().rstrip('/')}/{first}" if folder != root else first
        raise InputError(f"'{name}' holds no images itself; choose a folder in it: '{inside}'") from None
    outside = [file for file in files if not file.local_path.resolve().is_relative_to(root)]
    if outside:
        raise InputError(
            f"{part_of(len(outside), len(files), 'image')} in '{name}' {agreed(len(outside), 'lead')} out of "
            f"the root by a link, first: {outside[0].path.name}; put a copy in its place"
        )
    return files


def folders_with_images(root: Path, most: int = MOST_FOLDERS) -> list[str]:
    """Names, relative to the root, of up to `most` folders that hold image files or parquet parts, sorted.

    Links are not followed, hidden folders and what lies more than DEEPEST folders down are passed over.
    """
    found: list[str] = []
    for here, inside, names in os.walk(root):
        folder = Path(here)
        depth = len(folder.relative_to(root).parts)
        inside[:] = sorted(one for one in inside if not one.startswith(".")) if depth < DEEPEST else []
        if any(Path(one).suffix.lower() in {*image_endings(), ".parquet"} for one in names):
            found.append(str(folder.relative_to(root)))
        if len(found) == most:
            break
    return sorted(found)
