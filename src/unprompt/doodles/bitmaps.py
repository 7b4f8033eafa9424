"""Quick, Draw!'s bitmaps of 28 x 28 pixels, white on black: .npy files of one category, .npz of several."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.colouring_pages.clean import find_lines
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.picture import LIKELY, SURE, trace_lines
from unprompt.errors import InputError
from unprompt.records import Problem
from unprompt.storage.array_headers import check_packed, load_array
from unprompt.storage.damage import DAMAGED_ARRAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bitmaps = NDArray[np.uint8]

SUFFIXES = (".npy", ".npz")
SIDE = 28
ENLARGED = 8  # times, before lines are thinned: a line's edges are grey, which says where it is


def read_bitmaps(path: Path, word: str = "") -> Iterator[tuple[str, Bitmaps]]:
    """The word and the bitmaps (N, 28, 28) of each array of a file; of a .npy file the word is `word`.

    Rows may also be 784 numbers, as Google's files have them. InputError for arrays of another kind; those of
    Sketch-RNN's files hold Python objects, which nothing here unpickles.
    """
    try:
        if not zipfile.is_zipfile(path):
            yield word, _shaped(load_array(path, mapped=True), path)
            return
        check_packed(path)
        with np.load(path, allow_pickle=False) as loaded:
            for name in loaded.files:
                yield name, _shaped(loaded[name], path)
    except DAMAGED_ARRAYS as error:
        why = str(error)
        if "pickle" in why.lower() or "Object arrays" in why:
            why = "it holds Python objects, as Sketch-RNN's files do; take the data set's .ndjson files"
        raise InputError(f"{path} cannot be read as bitmaps: {why}") from error


def _shaped(array: NDArray[Any], path: Path) -> Bitmaps:
    flat = array.ndim == 2 and array.shape[1] == SIDE**2
    if array.dtype != np.uint8 or not (flat or (array.ndim == 3 and array.shape[1:] == (SIDE, SIDE))):
        raise InputError(
            f"{path} has an array {array.shape} of {array.dtype}; bitmaps are (N, {SIDE}, {SIDE}) of uint8"
        )
    return array.reshape(-1, SIDE, SIDE)


def trace_bitmap(bitmap: NDArray[np.uint8]) -> Drawing:
    """The strokes of a bitmap (H, W), white on black, in its pixels; an empty one has none."""
    height, width = bitmap.shape
    size = (width * ENLARGED, height * ENLARGED)
    large = np.asarray(Image.fromarray(bitmap).resize(size, Image.Resampling.BICUBIC))
    lines = find_lines(np.divide(large, 255, dtype=np.float32), LIKELY, SURE)
    if not lines.any():
        return Drawing(())
    return trace_lines(lines)[0].moved(1 / ENLARGED)


def trace_bitmaps(path: Path, word: str = "", problems: list[Problem] | None = None) -> Iterator[Doodle]:
    """The bitmaps of a file as strokes, in order. A damaged file is a row of `problems` where there are such,
    else InputError."""
    try:
        for name, bitmaps in read_bitmaps(path, word):
            stem = name or path.stem
            for row, bitmap in enumerate(bitmaps):
                yield Doodle(f"{stem}-{row}", trace_bitmap(bitmap), name)
    except InputError as error:
        if problems is None:
            raise
        problems.append(Problem(path.stem, path.name, str(error)))
