"""Drawings of any kind of file or folder: the one reader.

Strokes: Quick, Draw!'s ndjson and .bin, SVG, a canvas's JSON, FS-COCO's arrays. Pixels, which are traced:
pictures, and bitmaps of 28 x 28 in .npy and .npz.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from unprompt.doodles import binary, bitmaps, ndjson
from unprompt.doodles.canvas import read_canvas
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.layouts import Sketch, find_sketches, read_vectors, split_of
from unprompt.doodles.picture import read_picture
from unprompt.doodles.svg import SUFFIX, read_svg_drawing
from unprompt.errors import InputError, UnreadableImageError
from unprompt.records import Problem
from unprompt.storage.array_headers import load_array
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.files import read_text
from unprompt.storage.images import find_images, image_endings, readable

JSON = ".json"
TOGETHER = 128  # pictures or sketches that are read together
# What Google's files are called where their folders became part of the name.
GOOGLES = re.compile(r"^(full[_/]|)(simplified|raw|binary|numpy_bitmap)[_/]")


def read_drawing(path: Path) -> Drawing:
    """The one drawing of a file of any kind, in its own units.

    InputError, with the file's name, for a file that cannot be read, holds several drawings or none, and for
    a picture on which nothing is drawn or which is no drawing.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name one drawing's file")
    first, *more = _take(_read_file(path, None), 2) or [None]
    if first is None:
        raise InputError(f"{path} holds no drawing")
    if more:
        raise InputError(f"{path} holds several drawings; name a file of one")
    return first.drawing


@dataclass(frozen=True)
class Unit:
    """Some drawings that are read together: a file, or a number of those of a folder.

    `files`: those that they are in. `read`: gives each with its split (train, validation, test, or "" where
    its set does not say) and takes the list of problems, see `read_doodles`.
    """

    files: tuple[Path, ...]
    read: Callable[[list[Problem] | None], Iterator[tuple[Doodle, str]]]


def read_doodles(path: Path, problems: list[Problem] | None = None) -> Iterator[Doodle]:
    """The drawings of a file or folder of any kind, one after the other.

    A folder is one in a layout of `layouts.py`, or holds files of strokes, one a category as Quick, Draw! has
    them or otherwise; or bitmaps; or pictures and SVGs, those in folders below it with the folder's name as
    their word; or where there is nothing of these, a canvas's JSON, with words as pictures have them. Of a
    folder with files of strokes, pictures beside them are passed over.

    `problems`: what cannot be read gets a row there, and all else is read; without such a list the first is
    InputError. A folder or file of no known kind always is.
    """
    for unit in find_units(path):
        for doodle, _ in unit.read(problems):
            yield doodle


def find_units(path: Path) -> list[Unit]:
    """What a file or folder is read in, in order, see `read_doodles`. InputError."""
    if not path.exists():
        raise InputError(f"{path} does not exist; name a file or folder of drawings")
    sketches = find_sketches(path)
    if sketches is not None:
        some = [sketches[start : start + TOGETHER] for start in range(0, len(sketches), TOGETHER)]
        return [Unit(_files_of(block), partial(_read_sketches, block)) for block in some]
    if path.is_file():
        return [Unit((path,), partial(_read_split_file, path))]
    return _units_of_folder(path)


def word_of(path: Path) -> str:
    """The category that the name of one of Quick, Draw!'s files says: full_binary_cat.bin is cat."""
    return GOOGLES.sub("", unquote(path.name.partition(".")[0])).replace("_", " ").strip()


def _take(doodles: Iterator[Doodle], count: int) -> list[Doodle | None]:
    return [doodle for _, doodle in zip(range(count), doodles, strict=False)]


def _files_of(sketches: list[Sketch]) -> tuple[Path, ...]:
    files = [sketch.strokes or (sketch.picture and sketch.picture.local_path) for sketch in sketches]
    return tuple(dict.fromkeys(path for path in files if path))


def _read_sketches(sketches: list[Sketch], problems: list[Problem] | None) -> Iterator[tuple[Doodle, str]]:
    for sketch in sketches:

        def read(sketch: Sketch = sketch) -> Doodle:
            return Doodle(sketch.key, sketch.read_drawing(), caption=sketch.caption)

        for doodle in _read_one(sketch.key, sketch.name, read, problems):
            yield doodle, sketch.split


def _read_split_file(path: Path, problems: list[Problem] | None) -> Iterator[tuple[Doodle, str]]:
    split = split_of(path.name)
    for doodle in _read_file(path, problems):
        yield doodle, split


def _units_of_folder(folder: Path) -> list[Unit]:
    every: list[list[Path]] = []
    for pattern in ("*", "**/*"):  # folders below are looked into where the folder itself holds nothing
        files = [path for path in sorted(folder.glob(pattern)) if path.is_file() and path.name[0] != "."]
        every.append(files)
        for suffixes in ((*ndjson.SUFFIXES, *binary.SUFFIXES), bitmaps.SUFFIXES):
            some = [path for path in files if path.name.lower().endswith(suffixes)]
            if some:
                return [Unit((path,), partial(_read_split_file, path)) for path in some]
        drawn = [path for path in files if path.suffix.lower() in (SUFFIX, *image_endings())]
        if drawn:
            return _single_drawings(folder, drawn)
    for files in every:  # last, as beside other drawings a .json mostly tells something about them
        if drawn := [path for path in files if path.suffix.lower() == JSON]:
            return _single_drawings(folder, drawn)
    kinds = ", ".join([*ndjson.SUFFIXES, *binary.SUFFIXES, *bitmaps.SUFFIXES, SUFFIX, JSON, ".png", ".jpg"])
    raise InputError(f"{folder} holds no drawings (looked for {kinds} and other pictures)")


def _single_drawings(folder: Path, files: list[Path]) -> list[Unit]:
    """Files that hold one drawing each."""
    keys = _keys_of(folder, files)
    blocks = [files[start : start + TOGETHER] for start in range(0, len(files), TOGETHER)]
    return [Unit(tuple(block), partial(_read_singles, folder, block, keys)) for block in blocks]


def _keys_of(folder: Path, files: list[Path]) -> dict[Path, str]:
    """Pictures as `find_images` calls them, the others by their path."""
    keys = {path: readable(path.relative_to(folder).with_suffix("").as_posix()) for path in files}
    if any(path.suffix.lower() not in (SUFFIX, JSON) for path in files):
        keys |= {
            file.local_path: file.image_id for file in find_images(folder, recursive=True, same_stems=True)
        }
    return keys


def _read_singles(
    folder: Path, files: list[Path], keys: dict[Path, str], problems: list[Problem] | None
) -> Iterator[tuple[Doodle, str]]:
    for path in files:
        above = path.relative_to(folder).parts[:-1]
        split = next((split for name in above if (split := split_of(name))), "")
        word = "" if not above or split_of(above[-1]) else readable(above[-1]).replace("_", " ")

        def read(path: Path = path, word: str = word) -> Doodle:
            return Doodle(keys[path], _read_strokes(path), word)

        for doodle in _read_one(keys[path], readable(path.name), read, problems):
            yield doodle, split


def _read_file(path: Path, problems: list[Problem] | None) -> Iterator[Doodle]:
    name = path.name.lower()
    if name.endswith(ndjson.SUFFIXES):
        yield from ndjson.read_ndjson(path, problems)
    elif name.endswith(binary.SUFFIXES):
        yield from binary.read_binary(path, word_of(path), problems)
    elif name.endswith(bitmaps.SUFFIXES) and not _is_vectors(path):
        yield from bitmaps.trace_bitmaps(path, word_of(path), problems)
    else:
        stem = readable(path.stem)
        yield from _read_one(stem, readable(path.name), lambda: Doodle(stem, _read_strokes(path)), problems)


def _read_strokes(path: Path) -> Drawing:
    """The drawing of a file that holds one: SVG, a canvas's JSON, FS-COCO's array, a picture."""
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        drawing = read_svg_drawing(path)
        if not drawing.strokes:
            raise InputError(f"{path} shows no drawing: nothing in it is a line")
        return drawing
    if suffix == ".npy":
        return read_vectors(path)
    try:
        if suffix == JSON:
            return read_canvas(json.loads(read_text(path)))
        return read_picture(path)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    except (InputError, UnreadableImageError) as error:
        told = str(error)
        raise InputError(told if told.startswith(str(path)) else f"{path}: {told}") from error


def _is_vectors(path: Path) -> bool:
    """Whether a .npy file holds rows of three numbers."""
    if path.suffix.lower() != ".npy":
        return False
    try:
        array = load_array(path, mapped=True)
    except DAMAGED_ARRAYS:
        return False
    return array.ndim == 2 and array.shape[1] == 3


def _read_one(
    key: str, name: str, read: Callable[[], Doodle], problems: list[Problem] | None
) -> Iterator[Doodle]:
    try:
        yield read()
    except (InputError, UnreadableImageError) as error:
        if problems is None:
            raise
        problems.append(Problem(key, name, str(error)))
