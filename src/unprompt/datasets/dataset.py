"""Data sets of prompts and images: the forms that can be read, and their record.

- parts: part-00000.parquet … as `unprompt render` writes them, or parquet files by others with a column of
  images and one of prompts, and with imgId or without;
- folder: images/ and prompts.csv, as the competition's and `render --as-folder`; or both in one folder;
- train: train.csv and train_images/, as the public 80,000-image set of the competition;
- Hugging Face's imagefolder, DiffusionDB's parts, webdatasets, and images with a text beside each, as
  `unprompt interrogate --txt` writes prompts: see `datasets/layouts.py`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.datasets.layouts import (
    PROMPT_COLUMNS,
    Found,
    find_diffusiondb,
    find_metadata,
    folders_of,
    have_texts,
    prompt_column,
    read_diffusiondb,
    read_imagefolder,
    read_shards,
    read_texts,
)
from unprompt.errors import InputError
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.archives import is_archive
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import read_embeddings, read_prompts, read_table, read_text
from unprompt.storage.images import (
    DATASET_RECORD,
    ImageFile,
    find_archives,
    find_images,
    has_images,
    images_in_parts,
)
from unprompt.storage.matching import fit_prompts, paths_by_id
from unprompt.storage.parts import (
    column_types,
    find_parts_below,
    ids_of_rows,
    read_columns,
    read_text_column,
)
from unprompt.storage.remote import AnyPath
from unprompt.storage.resumable import WORK
from unprompt.text.english import agreed, counted, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unprompt.records import FloatArray

IMAGE_COLUMNS = ("image_name", "image", "file_name", "filename", "image_id", "imgId", "image_path", "path")
PROMPTS_FILES = ("prompts.csv", "prompts.jsonl")
EMBEDDINGS = "embeddings.npz"  # beside prompts.csv in the folder form
TEXT = ".txt"


@dataclass(frozen=True, eq=False)
class Dataset:
    """N images with their prompts, in the order of their ids.

    `images`: where each is, decoded by `images.read_file`. `prompts`: of the same ids, in the same order.
    `embeddings`: the same, or None where the data set has none.
    """

    path: AnyPath
    images: tuple[ImageFile, ...]
    prompts: Prompts
    embeddings: Embeddings | None

    def __len__(self) -> int:
        return len(self.images)


def read_dataset(path: AnyPath) -> Dataset:
    """Read a data set of any of the forms; images are only listed, not decoded.

    Raises InputError for another kind of folder, a part that is not whole, images without prompts, prompts
    without images and doubled ids.
    """
    if path.is_file() and path.suffix == ".parquet":
        return _read_parts(path, [path])
    if path.is_file() and is_archive(path):
        return _dataset_of(path, read_shards(path, [path]))
    if not path.is_dir():
        raise InputError(
            f"{path} is {'no data set' if path.exists() else 'not there: it does not exist'}; "
            "name a data set's folder, a .parquet, a .tar or a .zip"
        )
    parts = find_parts_below(path)
    if parts:
        return _read_parts(path, parts)
    if _prompts_file(path) and (path / "images").is_dir():
        return _read_folder(path, path / "images")
    if (path / "train.csv").exists() and (path / "train_images").is_dir():
        return _read_train(path)
    if has_images(path, recursive=True):
        return _read_loose(path)
    archives = find_archives(path)
    if archives:
        return _dataset_of(path, read_shards(path, archives))
    raise _unknown(path)


def read_what_is_there(path: AnyPath) -> Dataset:
    """Read a data set to work with it, and warn where it is one of ours that is not finished.

    Raises InputError as `read_dataset` does.
    """
    dataset = read_dataset(path)
    # In a store nothing is ever being written by us, and each question to one takes its time.
    if isinstance(path, Path) and (path / WORK).is_dir() and not (path / DATASET_RECORD).exists():
        warnings.warn(
            f"{path} is not finished, and only {counted(len(dataset), 'image')} of it will be taken; "
            "run again what was writing it to have them all",
            stacklevel=2,
        )
    return dataset


def _unknown(path: AnyPath) -> InputError:
    return InputError(
        f"{path} is no data set: expected part-00000.parquet …, or prompts.csv with images/, "
        "or train.csv with train_images/, or images with metadata.csv (.jsonl, .parquet), whose columns are "
        "file_name and prompt, or DiffusionDB's part-000001/ or part-000001.zip, or .tar shards, "
        "or images with a .txt beside each"
    )


def _prompts_file(path: AnyPath) -> AnyPath | None:
    """The prompts of a folder, prompts.csv or prompts.jsonl."""
    return next((file for name in PROMPTS_FILES if (file := path / name).is_file()), None)


def _read_loose(path: AnyPath) -> Dataset:
    """Images in a folder and those below it, with prompts in any way that says which is whose."""
    images = find_images(path, recursive=True)
    folders = folders_of(path, images)
    if metadata := find_metadata(folders):
        return _dataset_of(path, read_imagefolder(path, images, metadata))
    if tables := find_diffusiondb(folders):
        return _dataset_of(path, read_diffusiondb(path, images, tables))
    if have_texts(images):
        return _dataset_of(path, read_texts(path, images))
    if _prompts_file(path):
        return _read_folder(path, path)
    raise _unknown(path)


def _dataset_of(path: AnyPath, found: Found) -> Dataset:
    images, texts = found
    prompts = Prompts(tuple(image.image_id for image in images), tuple(texts))
    images = sorted(images, key=lambda image: image.image_id)
    return Dataset(path, tuple(images), prompts.at([image.image_id for image in images]), None)


def _read_parts(path: AnyPath, parts: Sequence[AnyPath]) -> Dataset:
    images = images_in_parts(parts)
    with_embeddings = all("embedding" in column_types(part) for part in parts)
    prompt = prompt_column(parts[0], list(column_types(parts[0])))
    texts = [text or "" for part in parts for text in read_text_column(part, prompt)]
    prompts = Prompts(tuple(chain.from_iterable(ids_of_rows(parts))), tuple(texts))
    ids = [image.image_id for image in images]
    embeddings = None
    if with_embeddings:
        vectors = np.concatenate([_embeddings_in(part) for part in parts])
        embeddings = Embeddings(prompts.ids, vectors).at(ids)
    return Dataset(path, tuple(images), prompts.at(ids), embeddings)


def _embeddings_in(part: AnyPath) -> FloatArray:
    """The column `embedding` of a part, (n, 384). Raises InputError where it holds something else."""
    import polars as pl

    column = read_columns(part, ("embedding",))["embedding"]
    try:
        vectors: FloatArray = column.cast(pl.Array(pl.Float32, DIM)).to_numpy()
    except damaged_table() as error:
        raise InputError(
            f"{part}: the column 'embedding' holds {column.dtype}, expected {DIM} numbers a row, the "
            "prompt's by all-MiniLM-L6-v2; rename or remove another model's"
        ) from error
    return vectors


def _read_folder(path: AnyPath, folder: AnyPath) -> Dataset:
    source = _prompts_file(path)
    assert source is not None
    images, prompts = _paired(path, folder, read_prompts(source))
    embeddings = None
    if (path / EMBEDDINGS).exists():
        try:
            embeddings = read_embeddings(path / EMBEDDINGS).at(prompts.ids)
        except InputError as error:
            raise InputError(f"{path / EMBEDDINGS}: {error}; remove the file, or make it anew") from error
    return Dataset(path, images, prompts, embeddings)


def _read_train(path: AnyPath) -> Dataset:
    images, prompts = _paired(path, path / "train_images", _read_train_csv(path / "train.csv"))
    return Dataset(path, images, prompts, None)


def _read_train_csv(path: AnyPath) -> Prompts:
    """A table of images' names (with or without folder and ending) and prompts, by whatever they call it."""
    table = read_table(path, ())
    named = []
    for what, columns in (("image", IMAGE_COLUMNS), ("prompt", PROMPT_COLUMNS)):
        there = [column for column in columns if column in table.columns]
        if not there:
            raise InputError(
                f"{path} has no column for the {what} (its header is '{','.join(table.columns)}'); "
                f"expected one of: {', '.join(columns)}"
            )
        named.append([row[there[0]] for row in table.rows])
    names, prompts = named
    empty = [
        line for line, *pair in zip(table.lines, names, prompts, strict=True) if not all(map(str.strip, pair))
    ]
    if empty:
        raise InputError(
            f"{path}, line {empty[0]}: {counted(len(empty), 'row')} without an image name or without a prompt"
        )
    try:
        return Prompts(tuple(name.strip() for name in names), tuple(prompts))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def texts_beside(folder: Path) -> dict[str, str]:
    """The .txt files of a folder, by their stems; white space around the text does not count.

    Raises InputError for one that is not UTF-8; a byte-order mark is accepted.
    """
    return {
        path.stem: read_text(path).strip()
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == TEXT and not path.name.startswith(".") and path.is_file()
    }


def check_no_lonely_texts(folder: Path, stems: Iterable[str], images: Sequence[ImageFile]) -> None:
    """Raise InputError, with a count and the first, for .txt files that no image stands beside."""
    lonely = sorted(set(stems) - {image.image_id for image in images})
    if lonely:
        raise InputError(
            f"{counted(len(lonely), 'text')} in {folder} {agreed(len(lonely), 'have')} no image beside "
            f"{agreed(len(lonely), 'them')}, first: {lonely[0]}{TEXT}; move {agreed(len(lonely), 'them')} "
            "elsewhere or add the images"
        )


def _paired(path: AnyPath, folder: AnyPath, prompts: Prompts) -> tuple[tuple[ImageFile, ...], Prompts]:
    """The images of `folder` and their prompts, once it is sure that each has the other."""
    images = find_images(folder, recursive=True)
    prompts = fit_prompts(prompts, paths_by_id(images, folder))
    image_ids, prompt_ids = {image.image_id for image in images}, set(prompts.ids)
    lonely = sorted(image_ids - prompt_ids)
    if lonely:
        raise InputError(
            f"{part_of(len(lonely), len(images), 'image')} in {path} {agreed(len(lonely), 'have')} no "
            f"prompt, first: {lonely[0]}"
        )
    lost = sorted(prompt_ids - image_ids)
    if lost:
        raise InputError(
            f"{part_of(len(lost), len(prompts), 'prompt')} in {path} {agreed(len(lost), 'have')} no image, "
            f"first: {lost[0]}"
        )
    return tuple(images), prompts.at([image.image_id for image in images])
