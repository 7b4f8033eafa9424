"""Where the pictures go that a web UI makes of images' prompts, whatever the images are called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from unprompt.errors import ConfigError, InputError
from unprompt.storage.files import LONGEST_NAME
from unprompt.storage.images import ImageFile

PNG = ".png"
_DIGEST = 8  # hexadecimal digits that tell cut names apart


def picture_places(images: Sequence[ImageFile], out: Path) -> list[Path]:
    """OUT/IMAGE.png of each image, always within `out`; a name that would be too long is cut.

    Raises ConfigError where a picture would take the place of one of the images, InputError for ids of data
    sets that are no names below a folder.
    """
    wrong = [image.image_id for image in images if not _is_below(PurePath(image.image_id))]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(images)} ids cannot name a picture below a folder, first: "
            f"'{one_line(wrong[0])}'; give these images other ids"
        )
    places = [out / _place(image.image_id) for image in images]
    files = {os.path.realpath(image.local_path) for image in images}
    over = [place for place in places if os.path.realpath(place) in files]
    if over:
        raise ConfigError(
            f"{len(over)} of {len(places)} pictures would replace an image, first: {one_line(str(over[0]))}; "
            "name another folder with --out"
        )
    return places


def _is_below(path: PurePath) -> bool:
    return bool(path.name) and ".." not in path.parts


def _place(image_id: str) -> PurePath:
    """An id as a path below a folder, with its ending."""
    path = PurePath(image_id)
    path = path.relative_to(path.anchor)
    name = path.name + PNG
    if len(os.fsencode(name)) > LONGEST_NAME:
        digest = hashlib.sha256(os.fsencode(image_id)).hexdigest()[:_DIGEST]
        room = LONGEST_NAME - len(f"-{digest}{PNG}")
        name = f"{os.fsencode(path.name)[:room].decode('utf-8', 'ignore')}-{digest}{PNG}"
    return path.with_name(name)


def one_line(name: str) -> str:
    """A name as a terminal shows it on one line: control characters, line breaks too, are escaped."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
