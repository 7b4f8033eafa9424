"""Drawings with captions to learn from: sets of pictures in any layout that is read here, and strokes.

What is read: tables `image,caption`, with one or several captions a picture; all data sets of
`datasets/dataset.py`, with `caption` or `text` in the place of the prompt, as `zoheb/sketch-scene` has it;
pairs, of which the source is the drawing; and drawings in lines of JSON, as Quick, Draw!'s, with their
captions, or the words that they are of; of a folder of them what is to be trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.datasets.dataset import IMAGE_COLUMNS, read_what_is_there
from unprompt.datasets.layouts import PROMPT_COLUMNS
from unprompt.datasets.pairs import RECORD, SOURCE_NAMES, Pairs, read_pairs
from unprompt.doodles.drawing import Drawing, hash_drawings
from unprompt.doodles.ink import picture_of
from unprompt.doodles.ndjson import read_ndjson
from unprompt.errors import InputError, UnreadableImageError
from unprompt.storage.files import read_header, read_table
from unprompt.storage.images import ImageFile, find_images, has_images, image_states, read_file
from unprompt.storage.matching import match_forms
from unprompt.storage.resumable import fingerprint
from unprompt.text.english import add_article, agreed, part_of

if TYPE_CHECKING:
    from PIL import Image

SIZE = 224  # pixels a side of a drawing that is shown to a captioner
PEN = 3.5  # pixels, the width of its lines there
STROKES = (".ndjson", ".ndjson.gz")
TRAIN = "train."  # how the file begins that is learnt from, in a folder that has others to look at


@dataclass(frozen=True, eq=False)
class Sheets:
    """N drawings as pictures: strokes are drawn, each time alike; files are shown as they are."""

    sources: tuple[ImageFile | Drawing, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def identity(self) -> str:
        """A hash that changes with the strokes, and with the files' names, sizes and times."""
        strokes = [source for source in self.sources if isinstance(source, Drawing)]
        files = [source for source in self.sources if not isinstance(source, Drawing)]
        return fingerprint({"strokes": hash_drawings(strokes), "files": image_states(files)})

    def __getitem__(self, row: int) -> Image.Image:
        """One of them, RGB. Raises InputError where a file cannot be read."""
        source = self.sources[row]
        if isinstance(source, Drawing):
            return sheet_of(source)
        try:
            return read_file(source)
        except UnreadableImageError as error:
            raise InputError(f"{source.path} cannot be read: {error}") from error


@dataclass(frozen=True, eq=False)
class CaptionedSheets:
    """N drawings with a caption each."""

    sheets: Sheets
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.captions)


def sheet_of(drawing: Drawing) -> Image.Image:
    """A drawing as a captioner is shown it: black on white, RGB, always at the same size and pen."""
    return picture_of(drawing, SIZE, PEN).convert("RGB")


def captioned(drawings: Sequence[Drawing], captions: Sequence[str]) -> CaptionedSheets:
    """Drawings of strokes with their captions."""
    return CaptionedSheets(Sheets(tuple(drawings)), tuple(captions))


def read_captioned(paths: Sequence[Path]) -> CaptionedSheets:
    """All drawings with captions of files and folders, in their order; pictures are not opened yet.

    Drawings without a word are left out. Raises InputError for what is no such set, and where nothing has a
    caption.
    """
    sources: list[ImageFile | Drawing] = []
    captions: list[str] = []
    for path in paths:
        some = _read(path)
        sources += some.sheets.sources
        captions += some.captions
    kept = [row for row, caption in enumerate(captions) if caption.strip()]
    if not kept:
        raise InputError(
            f"nothing in {', '.join(map(str, paths))} has a caption to learn from; name drawings with "
            "captions, such as FS-COCO, or scenes of `unprompt doodle scenes`"
        )
    return CaptionedSheets(Sheets(tuple(sources[row] for row in kept)), tuple(captions[row] for row in kept))


def is_strokes(path: Path) -> bool:
    """Whether a file is one of drawings in lines of JSON, by its name."""
    return path.name.lower().endswith(STROKES)


def _read(path: Path) -> CaptionedSheets:
    if path.is_file() and is_strokes(path):
        return _read_strokes([path])
    if path.is_file() and path.suffix.lower() == ".csv":
        return _read_table(path) if _columns(path) else _of_pairs(read_pairs(path))
    if path.is_dir():
        if (path / RECORD).is_file():
            return _of_pairs(read_pairs(path))
        strokes = sorted(file for file in path.iterdir() if is_strokes(file))
        if strokes and not has_images(path):
            return _read_strokes([file for file in strokes if file.name.startswith(TRAIN)] or strokes)
    try:
        dataset = read_what_is_there(path)
    except InputError as error:
        return _read_others(path, error)
    return CaptionedSheets(Sheets(dataset.images), dataset.prompts.texts)


def _read_others(path: Path, error: InputError) -> CaptionedSheets:
    """A table of pictures and captions, or pairs, of a folder that is no data set for the reason given."""
    tables = [table for table in sorted(path.glob("*.csv")) if _columns(table)] if path.is_dir() else []
    if len(tables) == 1:
        return _read_table(tables[0])
    pairs: Pairs | None = None
    with suppress(InputError):
        pairs = read_pairs(path)
    if pairs is None or pairs.captions is None:
        raise InputError(
            f"{error}; nor is it a folder of pairs with captions, of Quick, Draw!'s .ndjson, or of pictures "
            "with one table that has the columns image and caption"
        ) from error
    return _of_pairs(pairs)


def _read_strokes(files: Sequence[Path]) -> CaptionedSheets:
    doodles = [doodle for file in files for doodle in read_ndjson(file)]
    captions = [one.caption or (add_article(one.word) if one.word else "") for one in doodles]
    return captioned([doodle.drawing for doodle in doodles], captions)


def _of_pairs(pairs: Pairs) -> CaptionedSheets:
    return CaptionedSheets(Sheets(pairs.sources), pairs.captions or ("",) * len(pairs))


def _columns(table: Path) -> tuple[str, str] | None:
    """The columns of pictures and of captions, of a table that has both and is none of pairs."""
    header = read_header(table)
    image = next((name for name in IMAGE_COLUMNS if name in header), None)
    caption = next((name for name in PROMPT_COLUMNS if name in header), None)
    paired = any(name in header for name in SOURCE_NAMES)
    return (image, caption) if image and caption and not paired else None


def _read_table(table: Path) -> CaptionedSheets:
    """A table whose pictures lie beside it or in folders below, named with or without folder and ending."""
    columns = _columns(table)
    assert columns is not None
    rows = read_table(table, columns).rows
    by_name: dict[str, ImageFile] = {}
    for file in find_images(table.parent, recursive=True, same_stems=True):
        inside = file.local_path.relative_to(table.parent)
        for name in (file.path.stem, file.path.name, inside.as_posix()):
            by_name[name] = file
    image, caption = columns
    names = [row[image].strip().replace("\\", "/") for row in rows]
    names = match_forms(names, by_name)
    missing = [name for name in names if name not in by_name]
    if missing:
        raise InputError(
            f"{part_of(len(missing), len(rows), 'row')} of {table} {agreed(len(missing), 'name')} no picture "
            f"in {table.parent}, first: '{missing[0]}'"
        )
    sources = tuple(by_name[name] for name in names)
    return CaptionedSheets(Sheets(sources), tuple(row[caption] for row in rows))
