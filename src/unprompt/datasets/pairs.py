"""Pairs of images, what a network is given and what it should make of it: the record, and reading it.

Four layouts are read, and written by `write_pairs`:

- parts: part-00000.parquet … with the columns imgId, source, target and caption;
- instruct: parquet files with InstructPix2Pix's columns input_image, edit_prompt and edited_image;
- folders: two folders of images, and a CSV file that says which belong together;
- aligned: images that show a source and its target side by side, as pix2pix takes them.

Two folders without a CSV file are read too, such as A and B or trainA and trainB: images called alike belong
together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unprompt.datasets.dataset import check_no_lonely_texts, texts_beside
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.records import check_unique, rows_of
from unprompt.storage.files import read_header, read_json, read_table
from unprompt.storage.images import Half, ImageFile, find_images, has_images, read_size
from unprompt.storage.matching import fit_keys
from unprompt.storage.parts import (
    INSTRUCT_COLUMNS,
    PAIR_COLUMNS,
    PairColumns,
    check_image_column,
    column_types,
    find_parts_below,
    ids_of_rows,
    read_text_column,
)
from unprompt.storage.resumable import WORK
from unprompt.text.english import agreed, part_of

Side = Literal["source", "target"]
Direction = Literal["AtoB", "BtoA"]

RECORD = "pairs.json"
TABLE = "pairs.csv"
PROBLEMS = "problems.csv"
SPLITS = ("train", "val", "valid", "validation", "test")
HALVES: dict[Direction, tuple[Half, Half]] = {"AtoB": ("left", "right"), "BtoA": ("right", "left")}

# What the columns of a CSV and the two folders beside it may be called, the plainest first; capitals and
# what is neither letter nor digit do not count, nor does the s of several.
ID_NAMES = ("imgId", "id", "image_id")
SOURCE_NAMES = (
    *("source", "source_image", "line_image", "line_art", "line", "sketch", "doodle", "drawing"),
    *("input", "input_image", "conditioning_image"),
)
TARGET_NAMES = (
    *("target", "target_image", "colour_image", "color_image", "colour", "color", "coloured", "colored"),
    *("output", "output_image", "edited_image", "photo", "picture", "image"),
)
CAPTION_NAMES = ("caption", "prompt", "text", "edit_prompt", "instruction")


@dataclass(frozen=True)
class PairSide:
    """The N sources or the N targets of pairs, as `open_pixels` takes them; `path` is where they lie."""

    path: Path
    side: Side
    images: tuple[ImageFile, ...]


@dataclass(frozen=True)
class Pairs:
    """N pairs of images: `sources` are what a network is given, `targets` what it should make.

    `ids`: N different strings, which are also the ids of both images of each pair. `captions`: N texts, ""
    where a pair has none, or None where no pair has one. Images are decoded by `images.read_file`.
    """

    ids: tuple[str, ...]
    sources: tuple[ImageFile, ...]
    targets: tuple[ImageFile, ...]
    captions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("ids", "sources", "targets"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.captions is not None:
            object.__setattr__(self, "captions", tuple(self.captions))
        for name in ("sources", "targets", "captions"):
            there = getattr(self, name)
            if there is not None and len(there) != len(self.ids):
                raise InputError(f"{len(self.ids)} ids of pairs but {len(there)} {name}")
        check_unique(self.ids, "the pairs")
        for name, images in (("source", self.sources), ("target", self.targets)):
            others = [
                f"{file.image_id} at {image_id}"
                for image_id, file in zip(self.ids, images, strict=True)
                if file.image_id != image_id
            ]
            if others:
                raise InputError(
                    f"{part_of(len(others), len(self), name)} {agreed(len(others), 'have')} another id than "
                    f"the pair, first: {others[0]}"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, ids: Sequence[str]) -> Pairs:
        """The pairs of `ids`, in that order. Raises InputError naming the first missing id."""
        rows = rows_of(self.ids, ids, "pair")
        return Pairs(
            tuple(ids),
            tuple(self.sources[row] for row in rows),
            tuple(self.targets[row] for row in rows),
            None if self.captions is None else tuple(self.captions[row] for row in rows),
        )

    def swapped(self) -> Pairs:
        """The same pairs the other way round: what was a source is to be made."""
        return Pairs(self.ids, self.targets, self.sources, self.captions)

    def side(self, side: Side) -> PairSide:
        """The sources or the targets by themselves, for `open_pixels`."""
        images = self.sources if side == "source" else self.targets
        folders = {file.local_path.parent for file in images}
        if len({folder.is_absolute() for folder in folders}) > 1:  # of sets that were joined
            folders = {folder.absolute() for folder in folders}
        path = folders.pop() if len(folders) == 1 else Path(os.path.commonpath(folders) if folders else ".")
        return PairSide(path, side, images)


def read_pairs(path: Path, *, direction: Direction | None = None, split: str | None = None) -> Pairs:
    """Read pairs of any of the four layouts, in the order of their ids; images are not decoded.

    `path`: a folder, a parquet file or a CSV file. `direction`: which half of aligned images is the source,
    AtoB the left one, BtoA the right one; None: as `write_pairs` noted in pairs.json, else AtoB. `split`:
    only the folder of that name, or the parquet files whose names begin with it; None: all that is there.

    Rows without an id are called by their source's stem (folders) or by file and number (instruct). Raises
    InputError for another kind of folder, saying what was looked for, for doubled ids, missing columns and
    images, and for aligned images of odd width.
    """
    if direction is not None and direction not in HALVES:
        raise ConfigError(f"direction must be one of {', '.join(HALVES)}, got '{direction}'")
    if path.is_file():
        if split is not None:
            raise InputError(f"{path} is a file; name the folder that has the split '{split}'")
        if path.suffix.lower() == ".parquet":
            return _read_parquet(path, [path])
        if path.suffix.lower() == ".csv":
            return _read_folders(path)
        raise InputError(f"{path} is neither a .parquet nor a .csv file; name one, or a folder of pairs")
    if not path.is_dir():
        raise InputError(f"{path} does not exist; name a folder of pairs")
    if split is not None:
        return _read_split(path, split, direction)
    pairs = _read_folder(path, direction)
    if pairs is not None:
        return pairs
    found = {name: _read_folder_of_split(path, name, direction) for name in SPLITS}
    there = {name: pairs for name, pairs in found.items() if pairs is not None}
    if not there:
        inner = [child for child in sorted(path.iterdir()) if child.is_dir() and child.name[0] != "."]
        if len(inner) == 1:  # as unpacked archives have it
            return read_pairs(inner[0], direction=direction)
        raise _nothing_found(path)
    return _joined(path, there)


def _read_folder_of_split(path: Path, split: str, direction: Direction | None) -> Pairs | None:
    """The pairs of a split's folder, such as train/, or of its two folders, such as trainA/ and trainB/."""
    if (path / split).is_dir():
        return _read_folder(path / split, direction)
    return _read_alike(path, split, direction)


def _read_split(path: Path, split: str, direction: Direction | None) -> Pairs:
    folder = path / split
    if folder.is_dir():
        return read_pairs(folder, direction=direction)
    alike = _read_alike(path, split, direction)
    if alike is not None:
        return alike
    parts = [part for part in find_parts_below(path) if re.match(rf"{re.escape(split)}[-._]", part.name)]
    if not parts:
        raise InputError(
            f"{path} has no split '{split}': looked for a folder {split}/ and for files {split}-*.parquet, "
            f"and for folders {split}A/ and {split}B/"
        )
    return _read_parquet(path, parts)


def _read_folder(path: Path, direction: Direction | None) -> Pairs | None:
    """The pairs that lie in this very folder, or None where there are none."""
    if (path / WORK).is_dir() and not (path / RECORD).exists():
        raise InputError(f"{path} is not finished; run again what was writing it")
    parts = find_parts_below(path)
    if parts:
        return _read_parquet(path, parts)
    tables = _tables_of(path)
    if len(tables) > 1:
        names = " and ".join(table.name for table in tables[:2])
        raise InputError(f"{path} has {len(tables)} tables of pairs, {names}; name the one to read")
    if tables:
        return _read_folders(tables[0])
    if has_images(path):
        return _read_aligned(path, direction)
    return _read_alike(path, "", direction)


def _nothing_found(path: Path) -> InputError:
    tables = _csv_files(path)
    seen = f" ({tables[0].name} has the header '{','.join(read_header(tables[0]))}')" if tables else ""
    return InputError(
        f"{path} holds no pairs; looked for: parquet files with the columns {PAIR_COLUMNS.source} and "
        f"{PAIR_COLUMNS.target}, or {INSTRUCT_COLUMNS.source} and {INSTRUCT_COLUMNS.target}; a CSV file with "
        f"the columns source and target{seen}; images side by side in one file, also in "
        f"{', '.join(f'{name}/' for name in SPLITS)}; folders A/ and B/, or trainA/ and trainB/, whose "
        "images are called alike"
    )


def join_pairs(sets: Iterable[Pairs]) -> Pairs:
    """Several sets of pairs as one, in order; where ids are the same, all begin with their set's number.

    Captions are "" in a set that has none, if any has.
    """
    every = list(sets)
    if len({one for pairs in every for one in pairs.ids}) < sum(map(len, every)):
        every = [_numbered(pairs, number) for number, pairs in enumerate(every, start=1)]
    captioned = any(pairs.captions is not None for pairs in every)
    return Pairs(
        tuple(one for pairs in every for one in pairs.ids),
        tuple(file for pairs in every for file in pairs.sources),
        tuple(file for pairs in every for file in pairs.targets),
        tuple(text for pairs in every for text in pairs.captions or ("",) * len(pairs))
        if captioned
        else None,
    )


def _numbered(pairs: Pairs, number: int) -> Pairs:
    def named(file: ImageFile) -> ImageFile:
        return replace(file, image_id=f"{number}-{file.image_id}")

    ids = tuple(f"{number}-{one}" for one in pairs.ids)
    return Pairs(ids, tuple(map(named, pairs.sources)), tuple(map(named, pairs.targets)), pairs.captions)


def _joined(path: Path, pairs_by_split: dict[str, Pairs]) -> Pairs:
    every = list(pairs_by_split.values())
    captioned = any(pairs.captions is not None for pairs in every)
    try:
        return _by_id(
            path,
            [image_id for pairs in every for image_id in pairs.ids],
            [file for pairs in every for file in pairs.sources],
            [file for pairs in every for file in pairs.targets],
            [text for pairs in every for text in pairs.captions or ("",) * len(pairs)] if captioned else None,
        )
    except InputError as error:
        raise InputError(f"{error}; read one split at a time: {', '.join(pairs_by_split)}") from error


def _by_id(
    path: Path,
    ids: Sequence[str],
    sources: Sequence[ImageFile],
    targets: Sequence[ImageFile],
    captions: Sequence[str] | None,
) -> Pairs:
    """What was read from `path`, in the order of the ids."""
    try:
        pairs = Pairs(
            tuple(ids), tuple(sources), tuple(targets), None if captions is None else tuple(captions)
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return pairs.at(sorted(ids))


# --- parquet


def _read_parquet(path: Path, parts: Sequence[Path]) -> Pairs:
    there = column_types(parts[0])
    for columns in (PAIR_COLUMNS, INSTRUCT_COLUMNS):
        if {columns.source, columns.target} <= there.keys():
            return _read_rows(path, parts, columns)
    raise InputError(
        f"{parts[0]} has neither the columns {PAIR_COLUMNS.source} and {PAIR_COLUMNS.target} nor "
        f"{INSTRUCT_COLUMNS.source} and {INSTRUCT_COLUMNS.target} (it has: {', '.join(there)})"
    )


def _read_rows(path: Path, parts: Sequence[Path], columns: PairColumns) -> Pairs:
    types = [column_types(part) for part in parts]
    captioned = columns == INSTRUCT_COLUMNS or any(columns.caption in there for there in types)
    ids: list[str] = []
    captions: list[str] = []
    sources: list[ImageFile] = []
    targets: list[ImageFile] = []
    for part, here in zip(parts, ids_of_rows(parts), strict=True):
        for column in (columns.source, columns.target):
            check_image_column(part, column)
        ids += here
        if captioned:
            captions += [text or "" for text in read_text_column(part, columns.caption)]
        for images, column in ((sources, columns.source), (targets, columns.target)):
            images += [ImageFile(image_id, part, row=row, column=column) for row, image_id in enumerate(here)]
    if not ids:
        raise InputError(f"{parts[0]} holds no rows")
    return _by_id(path, ids, sources, targets, captions if captioned else None)


# --- two folders and a CSV


def _plain(name: str) -> str:
    """ "Line Images" -> "lineimage"."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that is called by the first of `names` that there is."""
    columns = {_plain(column): column for column in reversed(header)}
    return next((columns[_plain(name)] for name in names if _plain(name) in columns), None)


def _csv_files(path: Path) -> list[Path]:
    return [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() == ".csv" and file.name != PROBLEMS and not file.name.startswith(".")
    ]


def _tables_of(path: Path) -> list[Path]:
    """The CSV files of a folder that are tables of pairs; where there is a pairs.csv, it alone."""
    if (path / TABLE).is_file():
        return [path / TABLE]
    return [
        file
        for file in _csv_files(path)
        if all(_column(read_header(file), names) for names in (SOURCE_NAMES, TARGET_NAMES))
    ]


def _read_folders(path: Path) -> Pairs:
    """Pairs of a CSV file, whose paths are those from its folder or from the two folders there."""
    header = read_header(path)
    found = {}
    for what, names in (("source", SOURCE_NAMES), ("target", TARGET_NAMES)):
        column = _column(header, names)
        if column is None:
            raise InputError(
                f"{path} has no column for the {what} (its header is '{','.join(header)}'); expected a "
                f"header like source,target,caption; the {what} may be called: {', '.join(names)}"
            )
        found[what] = column
    rows = read_table(path, tuple(found.values())).rows
    sources = _locate(path, [row[found["source"]] for row in rows], SOURCE_NAMES, "source")
    targets = _locate(path, [row[found["target"]] for row in rows], TARGET_NAMES, "target")
    id_column, caption = _column(header, ID_NAMES), _column(header, CAPTION_NAMES)
    if id_column is not None:
        ids = [row[id_column] for row in rows]
    else:
        ids = [file.stem for file in sources]
        if len(set(ids)) < len(ids):
            ids = [f"{path.stem}-{number:07d}" for number in range(len(rows))]
    return _by_id(
        path,
        ids,
        [ImageFile(image_id, file) for image_id, file in zip(ids, sources, strict=True)],
        [ImageFile(image_id, file) for image_id, file in zip(ids, targets, strict=True)],
        None if caption is None else [row[caption] for row in rows],
    )


def _locate(table: Path, names: Sequence[str], folder_names: Sequence[str], what: Side) -> list[Path]:
    """The files of a CSV's column. Raises InputError that counts those which are not there."""
    plain = {_plain(name) for name in folder_names}
    folders = [
        table.parent,
        *(file for file in sorted(table.parent.iterdir()) if file.is_dir() and _plain(file.name) in plain),
    ]
    files, missing = [], []
    for name in names:
        file = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if file is None:
            missing.append(name)
        else:
            files.append(file)
    if missing:
        raise InputError(
            f"{part_of(len(missing), len(names), what)} in {table} {agreed(len(missing), 'name')} no file, "
            f"first: '{missing[0]}' (looked in {', '.join(str(folder) for folder in folders)})"
        )
    return files


# --- two folders whose images are called alike


def _read_alike(path: Path, split: str, direction: Direction | None) -> Pairs | None:
    """The pairs of the folders A and B, or trainA and trainB for the split train; None without the two."""
    folders = [path / f"{split}{side}" for side in "AB"]
    if not all(folder.is_dir() for folder in folders):
        return None
    sources, targets = ({file.image_id: file for file in find_images(folder)} for folder in folders)
    matched = fit_keys(targets, sources)
    targets = {image_id: replace(file, image_id=image_id) for image_id, file in matched.items()}
    lonely = sorted(sources.keys() ^ targets.keys())
    if lonely:
        other = folders[lonely[0] in sources]
        raise InputError(
            f"{part_of(len(lonely), len(sources) + len(targets), 'image')} in {folders[0]} and {folders[1]} "
            f"{agreed(len(lonely), 'have')} none of the same name in the other folder, "
            f"first: '{lonely[0]}', which {other.name} lacks; pairs are called alike"
        )
    if direction == "BtoA":
        sources, targets = targets, sources
    names = list(sources)
    return _by_id(path, names, list(sources.values()), [targets[name] for name in names], None)


# --- images side by side


def _read_aligned(path: Path, direction: Direction | None) -> Pairs:
    files = find_images(path)
    _check_widths(path, files)
    texts = texts_beside(path)
    check_no_lonely_texts(path, texts, files)
    source, target = HALVES[direction or _noted_direction(path)]
    return _by_id(
        path,
        [file.image_id for file in files],
        [replace(file, half=source) for file in files],
        [replace(file, half=target) for file in files],
        [texts.get(file.image_id, "") for file in files] if any(texts.values()) else None,
    )


def _check_widths(path: Path, files: Sequence[ImageFile]) -> None:
    """Raise InputError for images of odd width. What cannot be opened shows when it is decoded."""
    odd = []
    for file in files:
        try:
            width, height = read_size(file.path)
        except UnreadableImageError:
            continue
        if width % 2:
            odd.append(f"{file.name} ({width} x {height})")
    if odd:
        raise InputError(
            f"{part_of(len(odd), len(files), 'image')} in {path} {agreed(len(odd), 'have')} an odd width, "
            f"first: {odd[0]}; a source and its target side by side have the same width"
        )


def _noted_direction(path: Path) -> Direction:
    noted = read_json(path / RECORD).get("direction") if (path / RECORD).exists() else None
    return "BtoA" if noted == "BtoA" else "AtoB"
