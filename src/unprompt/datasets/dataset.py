"""Data sets of prompts and images: the four forms that can be read, and their record.

- parts: part-00000.parquet … as `unprompt render` writes them, or parquet files by others with the columns
  imgId, prompt and image;
- folder: images/ and prompts.csv, as the competition's and `render --as-folder`;
- train: train.csv and train_images/, as the public 80,000-image set of the competition;
- texts: images, each with its prompt in a .txt of the same stem beside it, as people keep captions for LoRA
  training, and as `unprompt interrogate --txt` writes prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unprompt.errors import InputError
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import read_embeddings, read_prompts, read_text
from unprompt.storage.images import ImageFile, find_images, has_images, images_in_parts
from unprompt.storage.parts import find_parts, read_columns
from unprompt.text.english import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

IMAGE_COLUMNS = ("image_name", "image", "file_name", "filename", "image_id", "imgId", "image_path", "path")
PROMPT_COLUMNS = ("prompt", "caption", "text")
EMBEDDINGS = "embeddings.npz"  # beside prompts.csv in the folder form
TEXT = ".txt"


@dataclass(frozen=True, eq=False)
class Dataset:
    """N images with their prompts, in the order of their ids.

    `images`: where each is, decoded by `images.read_file`. `prompts`: of the same ids, in the same order.
    `embeddings`: the same, or None where the data set has none.
    """

    path: Path
    images: tuple[ImageFile, ...]
    prompts: Prompts
    embeddings: Embeddings | None

    def __len__(self) -> int:
        return len(self.images)


def read_dataset(path: Path) -> Dataset:
    """Read a data set of any of the four forms; images are only listed, not decoded.

    Raises InputError for another kind of folder, a part that is not whole, images without prompts, prompts
    without images and doubled ids.
    """
    if path.is_file() and path.suffix == ".parquet":
        return _read_parts(path, [path])
    if not path.is_dir():
        raise InputError(f"{path} does not exist; name a data set's folder")
    parts = find_parts(path)
    if parts:
        return _read_parts(path, parts)
    if (path / "prompts.csv").exists() and (path / "images").is_dir():
        return _read_folder(path)
    if (path / "train.csv").exists() and (path / "train_images").is_dir():
        return _read_train(path)
    texts = texts_beside(path)
    if texts and has_images(path):
        return _read_texts(path, texts)
    raise InputError(
        f"{path} is no data set: expected part-00000.parquet …, or prompts.csv with images/, "
        "or train.csv with train_images/, or images with a .txt beside each"
    )


def _read_parts(path: Path, parts: Sequence[Path]) -> Dataset:
    images = images_in_parts(parts)
    with_embeddings = all("embedding" in pl.read_parquet_schema(part) for part in parts)
    columns = ["imgId", "prompt", *(["embedding"] if with_embeddings else [])]
    tables = [read_columns(part, columns) for part in parts]
    table = pl.concat([rows.select("imgId", "prompt").cast(pl.String) for rows in tables])
    prompts = Prompts(tuple(table["imgId"]), tuple(text or "" for text in table["prompt"]))
    ids = [image.image_id for image in images]
    embeddings = None
    if with_embeddings:
        vectors = np.concatenate(
            [rows["embedding"].cast(pl.Array(pl.Float32, DIM)).to_numpy() for rows in tables]
        )
        embeddings = Embeddings(prompts.ids, vectors).at(ids)
    return Dataset(path, tuple(images), prompts.at(ids), embeddings)


def _read_folder(path: Path) -> Dataset:
    prompts = read_prompts(path / "prompts.csv")
    images = _paired(find_images(path / "images"), prompts, path)
    ids = [image.image_id for image in images]
    embeddings = read_embeddings(path / EMBEDDINGS).at(ids) if (path / EMBEDDINGS).exists() else None
    return Dataset(path, images, prompts.at(ids), embeddings)


def _read_train(path: Path) -> Dataset:
    prompts = _read_train_csv(path / "train.csv")
    images = _paired(find_images(path / "train_images"), prompts, path)
    return Dataset(path, images, prompts.at([image.image_id for image in images]), None)


def _read_train_csv(path: Path) -> Prompts:
    """A table of image names (with or without folder and extension) and prompts, by whatever they call it."""
    try:
        table = pl.read_csv(path, infer_schema=False)
    except damaged_table() as error:
        raise InputError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    named = {}
    for what, columns in (("image", IMAGE_COLUMNS), ("prompt", PROMPT_COLUMNS)):
        there = [column for column in columns if column in table.columns]
        if not there:
            raise InputError(
                f"{path} has no column for the {what} (its header is '{','.join(table.columns)}'); "
                f"expected one of: {', '.join(columns)}"
            )
        named[what] = table[there[0]]
    if named["image"].null_count() or named["prompt"].null_count():
        raise InputError(f"{path} has rows without an image name or without a prompt")
    try:
        return Prompts(tuple(Path(name).stem for name in named["image"]), tuple(named["prompt"]))
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
            f"{counted(len(lonely), 'text')} in {folder} have no image beside them, first: "
            f"{lonely[0]}{TEXT}; "
            "move them elsewhere or add the images"
        )


def _read_texts(path: Path, texts: Mapping[str, str]) -> Dataset:
    images = find_images(path)
    check_no_lonely_texts(path, texts, images)
    without = [image for image in images if not texts.get(image.image_id)]
    if without:
        first = without[0]
        state = f"{first.image_id}{TEXT} is {'empty' if first.image_id in texts else 'not there'}"
        raise InputError(
            f"{len(without)} of {counted(len(images), 'image')} in {path} have no text beside them, "
            f"first: {first.name} "
            f"({state}); write it or remove the image"
        )
    ids = tuple(image.image_id for image in images)
    return Dataset(path, tuple(images), Prompts(ids, tuple(texts[image_id] for image_id in ids)), None)


def _paired(images: Sequence[ImageFile], prompts: Prompts, path: Path) -> tuple[ImageFile, ...]:
    """The images, once it is sure that each has a prompt and each prompt an image."""
    image_ids, prompt_ids = {image.image_id for image in images}, set(prompts.ids)
    lonely = sorted(image_ids - prompt_ids)
    if lonely:
        raise InputError(
            f"{len(lonely)} of {counted(len(images), 'image')} in {path} have no prompt, first: {lonely[0]}"
        )
    lost = sorted(prompt_ids - image_ids)
    if lost:
        raise InputError(
            f"{len(lost)} of {counted(len(prompts), 'prompt')} in {path} have no image, first: {lost[0]}"
        )
    return tuple(images)
