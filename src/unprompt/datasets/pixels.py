"""A data set's images at the size that the network sees, as bytes.

Decoding costs more than training a small network does, so images are decoded once where the disk has room:
into one array in the user's cache folder, which trainings of the same data set and size share, and which
goes when the last of them is done.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.datasets.pairs import PairSide
from unprompt.errors import InputError, UnreadableImageError
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.storage.files import hold_shared, remove_unheld
from unprompt.storage.images import ImageFile, image_states, open_file
from unprompt.storage.parts import ROW_GROUP
from unprompt.storage.places import in_reach
from unprompt.storage.remote import AnyPath
from unprompt.storage.resumable import fill_array, fingerprint, rows_filled
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.datasets.dataset import Dataset
    from unprompt.networks.preprocess import Preprocess

    Bytes = NDArray[np.uint8]

SAVE = 512  # images between two saves: what a kill can cost
FORMAT = 1  # of the cached arrays


class Pixels(ABC):
    """N images of S x S pixels, by row of their data set. It can be sent to other processes."""

    decoded: bool  # whether reading a row costs no decoding

    def discard(self) -> None:
        """Remove what was kept on the disk to read these images faster; they are read no more after it."""
        return

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, row: int) -> Bytes:
        """One image, (S, S, 3) uint8. Raises InputError where it cannot be read."""

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Bytes:
        """Some images, (B, S, S, 3) uint8, in the order of `rows`. Raises InputError as `[]` does."""
        return np.stack([self[int(row)] for row in rows])


class DecodedPixels(Pixels):
    """Images in an .npy file of shape (N, S, S, 3), of which the system keeps in memory what fits."""

    decoded = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._array = np.load(path, mmap_mode="r")
        self._hold = hold_shared(path)

    def __reduce__(self) -> tuple[type[DecodedPixels], tuple[Path]]:
        return type(self), (self._path,)  # a pickled memory map would carry all of its bytes

    def __len__(self) -> int:
        return len(self._array)

    def discard(self) -> None:
        """Remove the file, if no other training reads it: the last one to call this does."""
        remove_unheld(self._path, self._hold)

    def __getitem__(self, row: int) -> Bytes:
        return np.array(self._array[row])

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Bytes:
        some: Bytes = self._array[np.asarray(rows, dtype=np.int64)]
        return some


@dataclass(frozen=True)
class EncodedPixels(Pixels):
    """Images that are decoded each time they are asked for.

    Slow for parts in random order: each image costs the reading of its row group.
    """

    dataset: AnyPath
    files: tuple[ImageFile, ...]
    preprocess: Preprocess
    decoded = False

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Bytes:
        fitted = _fitted(self.files[row], self.preprocess)
        if isinstance(fitted, str):
            raise _unreadable(self.dataset, len(self), [f"{self.files[row].image_id} ({fitted})"])
        return fitted


def open_pixels(
    dataset: Dataset | PairSide,
    preprocess: Preprocess,
    where: str,
    cache: Path,
    progress: Progress = silent,
) -> Pixels:
    """The images of a data set, or of one side of pairs, at the size of `preprocess`, row by row.

    `where`: "yes" decodes all into the folder `cache` first, "no" decodes each when it is asked for, "auto"
    decodes all where that takes at most half the free space of the cache's disk. The array is
    `cache/{size}px-{fingerprint}.npy`; the fingerprint is that of ids, file names, sizes and times, and of
    what is seen of each image. It stays until it is discarded. A call that is killed goes on where it was.
    `progress` is told images done and in all.

    Where several processes train together, the first one opens and the others follow when it has.

    Raises InputError where images cannot be read, RunError where the cache cannot be written, the disk is
    full, or another process is filling the same array.
    """
    encoded = EncodedPixels(dataset.path, dataset.images, preprocess)
    if where == "no":
        return encoded
    array = _array_of(dataset, preprocess, cache)
    if not in_reach(array):
        if where == "auto" and not _has_room(array, encoded):
            return encoded
        _fill(array, encoded, progress)
    return DecodedPixels(array)


def discard_decoded(dataset: Dataset | PairSide, preprocess: Preprocess, cache: Path) -> None:
    """Remove the array that `open_pixels` keeps of these images, if there is one that nobody reads."""
    array = _array_of(dataset, preprocess, cache)
    if in_reach(array):
        DecodedPixels(array).discard()


def _array_of(dataset: Dataset | PairSide, preprocess: Preprocess, cache: Path) -> Path:
    return cache / f"{preprocess.size}px-{images_fingerprint(dataset, preprocess)}.npy"


def images_fingerprint(dataset: Dataset | PairSide, preprocess: Preprocess) -> str:
    """Names arrays that are made of these images as they are seen; mean and std have no part in it."""
    plan = {
        "images": image_states(dataset.images),
        "size": preprocess.size,
        "crop": preprocess.crop,
        "format": FORMAT,
    }
    if isinstance(dataset, PairSide):  # files of the two sides may have the same names, sizes and times
        plan["side"] = dataset.side
    return fingerprint(plan)


def _has_room(array: Path, encoded: EncodedPixels) -> bool:
    """Whether what is left to decode takes at most half the free space. No folder to write to has none."""
    folder = array.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    left = len(encoded) - rows_filled(array)
    return os.access(folder, os.W_OK) and 2 * left * _bytes_each(encoded) <= shutil.disk_usage(folder).free


def _bytes_each(encoded: EncodedPixels) -> int:
    return 3 * encoded.preprocess.size**2


def _fill(array: Path, encoded: EncodedPixels, progress: Progress) -> None:
    """Decode all images into `array`."""
    side, total = encoded.preprocess.size, len(encoded)
    order = sorted(range(total), key=lambda row: (str(encoded.files[row].path), encoded.files[row].row or 0))

    def make(done: int) -> Iterator[tuple[int, Bytes | str]]:
        for row, fitted in _decoded(encoded, order[done:]):
            if isinstance(fitted, str):
                yield row, f"{encoded.files[row].image_id} ({fitted})"
            else:
                yield row, fitted[None]

    shape, instead = (total, side, side, 3), "decode images as they are needed (decoded no)"
    # Images that are mended have another fingerprint: nobody would go on from an array with problems.
    if problems := fill_array(array, shape, np.uint8, make, SAVE, instead, "decoding", progress):
        raise _unreadable(encoded.dataset, total, problems)


def _decoded(encoded: EncodedPixels, rows: Sequence[int]) -> Iterator[tuple[int, Bytes | str]]:
    """Each of `rows` with its image or what is wrong with it, in order, decoded by all cores."""

    def group_of(numbered: tuple[int, int]) -> tuple[Any, ...]:
        number, row = numbered
        file = encoded.files[row]
        return (number // ROW_GROUP,) if file.row is None else (file.path, file.row // ROW_GROUP)

    def decode(row: int) -> Bytes | str:
        return _fitted(encoded.files[row], encoded.preprocess)

    with ThreadPoolExecutor(core_count(), "unprompt-decode") as pool:
        under_way: Iterator[tuple[int, Bytes | str]] = iter(())
        for _, group in groupby(enumerate(rows), group_of):
            first, *others = (row for _, row in group)
            # The first image of a part's row group loads the group; decoded here, while the threads are at
            # the group before, it lets none of them load it a second time.
            image = decode(first)
            yield from under_way
            yield first, image
            under_way = zip(others, pool.map(decode, others), strict=True)
        yield from under_way


def _fitted(file: ImageFile, preprocess: Preprocess) -> Bytes | str:
    """What the network sees of an image, or why it cannot be read."""
    try:
        with open_file(file, reduced=True) as image:
            return preprocess.fit(image)
    except UnreadableImageError as error:
        return str(error)


def _unreadable(dataset: AnyPath, total: int, problems: Sequence[str]) -> InputError:
    return InputError(
        f"{part_of(len(problems), total, 'image')} of {dataset} cannot be read, first: {problems[0]}; "
        f"remove {agreed(len(problems), 'them')} from the data set"
    )
