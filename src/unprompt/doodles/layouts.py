"""Sets of sketched scenes as others keep them, with the captions or objects that they have.

- FS-COCO: vector_sketches/USER/ID.npy (rows of x, y and 1 where a stroke ends), raster_sketches/USER/ID.jpg,
  text/USER/ID.txt, and val_normal.txt with the ids that are kept for validation;
- parquet files with a column of pictures and one of texts, as `zoheb/sketch-scene` has `image` and `text`;
- SketchyScene: train/, val/ and test/, each with DRAWING_GT/L0_sampleN.png, and beside them CLASS_GT and
  INSTANCE_GT, which say which object each pixel is of; colorMapC46.mat has the names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.picture import read_picture
from unprompt.errors import InputError
from unprompt.storage.array_headers import load_array
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.files import read_text
from unprompt.storage.images import ImageFile, image_endings, images_in_parts, read_file
from unprompt.storage.mat_files import read_variable
from unprompt.storage.parts import column_types, find_parts_below, read_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = {"train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION} | {
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
VECTORS, RASTERS, TEXTS = "vector_sketches", "raster_sketches", "text"  # of FS-COCO
HELD_OUT = "val_normal.txt"
DRAWINGS, CLASSES, INSTANCES = "DRAWING_GT", "CLASS_GT", "INSTANCE_GT"  # of SketchyScene
SAMPLE = "L0_sample"
COLOURS = "colorMapC46.mat"
CAPTION_COLUMNS = ("text", "caption", "prompt")


@dataclass(frozen=True, eq=False)
class Sketch:
    """One sketch of a set, whose files are read when they are asked for.

    `split`: train, validation, test, or "" where the set does not say. `picture`, `strokes`: where they are,
    one of them at least. `masks`: of SketchyScene its folder and number, for `read_objects`.
    """

    key: str
    caption: str = ""
    split: str = ""
    picture: ImageFile | None = None
    strokes: Path | None = None
    masks: tuple[Path, str] | None = None

    @property
    def name(self) -> str:
        """What to call its file in a message."""
        return self.strokes.name if self.strokes else self.picture.name if self.picture else self.key

    def read_drawing(self) -> Drawing:
        """The strokes, or those that the picture shows. InputError and UnreadableImageError."""
        return read_vectors(self.strokes) if self.strokes else read_picture(self.read_picture())

    def read_picture(self) -> Image.Image:
        """The picture as RGB. InputError where there is none, UnreadableImageError."""
        if self.picture is None:
            raise InputError(f"the sketch {self.key} has strokes and no picture")
        return read_file(self.picture)

    def read_objects(self) -> Counter[str]:
        """How many of which object are in a scene of SketchyScene; nothing where no masks are known."""
        return Counter() if self.masks is None else _count_objects(*self.masks)


def find_sketches(path: Path) -> list[Sketch] | None:
    """The sketches of a folder or parquet file in one of the layouts, by key; None where it has none."""
    if path.is_file():
        return _of_parts([path]) if path.suffix == ".parquet" else None
    for folder in (path, path / "fscoco"):
        if (folder / VECTORS).is_dir() or (folder / RASTERS).is_dir():
            return _of_fscoco(folder)
    if any(path.glob(f"*/{DRAWINGS}")) or (path / DRAWINGS).is_dir():
        return _of_sketchy_scene(path)
    parts = find_parts_below(path)
    return _of_parts(parts) if parts else None


def read_vectors(path: Path) -> Drawing:
    """The strokes of an FS-COCO array (N, 3): x, y, and 1 at the last point of each. InputError."""
    try:
        rows = load_array(path)
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "iuf":
        raise InputError(
            f"{path} holds no strokes: rows of x, y and whether a stroke ends there are expected"
        )
    try:
        ends = np.flatnonzero(rows[:, 2] == 1) + 1
        return Drawing(tuple(part for part in np.split(rows[:, :2], ends) if len(part)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def split_of(name: str) -> str:
    """The split that a file's or folder's name says: train-00000-of-00003 is train; "" for others."""
    return SPLITS.get(name.lower().partition(".")[0].partition("-")[0], "")


def _of_fscoco(folder: Path) -> list[Sketch]:
    vectors = {path.stem: path for path in (folder / VECTORS).rglob("*.npy")}
    endings = image_endings()
    rasters = {path.stem: path for path in (folder / RASTERS).rglob("*") if path.suffix.lower() in endings}
    texts = {path.stem: path for path in (folder / TEXTS).rglob("*.txt")}
    held = folder / HELD_OUT
    kept = set(read_text(held).split()) if held.is_file() else set()
    kept |= {name.zfill(12) for name in kept}  # COCO's ids have twelve digits, in the list perhaps fewer
    return [
        Sketch(
            key,
            " ".join(read_text(texts[key]).split()) if key in texts else "",
            (VALIDATION if key in kept else TRAIN) if kept else "",
            ImageFile(key, rasters[key]) if key in rasters else None,
            vectors.get(key),
        )
        for key in sorted({*vectors, *rasters})
    ]


def _of_sketchy_scene(folder: Path) -> list[Sketch]:
    found = []
    for drawings in sorted({*folder.glob(f"*/{DRAWINGS}"), *folder.glob(DRAWINGS)}):
        part = drawings.parent
        split = split_of(part.name)
        for path in drawings.glob(f"{SAMPLE}*.png"):
            number = path.stem.removeprefix(SAMPLE)
            key = f"{part.name}-{number}"
            found.append(Sketch(key, "", split, ImageFile(key, path), masks=(part, number)))
    return sorted(found, key=lambda sketch: (sketch.split, len(sketch.key), sketch.key))


def _of_parts(parts: list[Path]) -> list[Sketch] | None:
    """None where no part has pictures and texts."""
    columns = [next((name for name in CAPTION_COLUMNS if name in column_types(part)), None) for part in parts]
    if None in columns:
        return None
    captions: dict[tuple[Path, int], str] = {}
    for part, column in zip(parts, columns, strict=True):
        assert column is not None
        for row, text in enumerate(read_columns(part, (column,))[column].to_list()):
            captions[part, row] = str(text or "")
    return [
        Sketch(file.image_id, captions[file.local_path, file.row or 0], split_of(file.path.name), file)
        for file in images_in_parts(parts)
    ]


def _count_objects(part: Path, number: str) -> Counter[str]:
    places = _read_mask(part / CLASSES / f"sample_{number}_class.mat", CLASSES)
    instances = _read_mask(part / INSTANCES / f"sample_{number}_instance.mat", INSTANCES)
    if places.shape != instances.shape:
        raise InputError(
            f"the masks of sample {number} in {part} are of {places.shape} and {instances.shape} pixels"
        )
    names = [_text_of(row) for row in read_variable(part.parent / COLOURS, "colorMap")]
    found: Counter[str] = Counter()
    for instance in np.unique(instances[instances > 0]):
        inside = places[instances == instance]
        classes, counts = np.unique(inside[inside > 0], return_counts=True)
        if len(classes):
            number_of = int(classes[counts.argmax()])
            found[names[number_of - 1] if number_of <= len(names) else f"class {number_of}"] += 1
    return found


def _read_mask(path: Path, name: str) -> NDArray[Any]:
    """What each pixel is of, 0 for none: (H, W), whole numbers."""
    mask = read_variable(path, name)
    if mask.ndim != 2 or mask.dtype.kind not in "iuf" or not np.isfinite(mask).all():
        raise InputError(f"{path} holds no mask: a number for each pixel is expected")
    whole: NDArray[Any] = mask.astype(np.int64)
    return whole


def _text_of(cell: Any) -> str:
    """The text of one of MATLAB's cells, an array of arrays."""
    while isinstance(cell, np.ndarray) and cell.size:
        cell = cell.ravel()[0]
    return str(cell)
