"""Triples as arrays to learn from: each drawing and each text prepared once, and kept in the user's cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.colouring.examples import Heard, Seen, hear, read_drawing, see, targets_of
from unprompt.datasets.pairs import Pairs
from unprompt.errors import InputError, UnreadableImageError
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.storage.caching import make_once
from unprompt.storage.files import read_arrays, write_arrays
from unprompt.storage.images import ImageFile, decode_image, half_of, image_states, read_encoded
from unprompt.storage.resumable import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    Ints = NDArray[np.int64]

LARGEST = 64  # regions of a drawing that are learnt from
FORMAT = 3
STEP = 512  # triples between two reports
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Material:
    """N triples. What differs in length from one to the next lies end to end, and `*_ends` says where.

    `ink`: (N, side, side) uint8. Of each region, the largest first: `points`, `shapes` as `Seen` has them,
    `targets` as `targets_of` gives them, `areas` as shares of the page. Of each text: `states` (tokens, 384)
    and which of them a triple has, `text`; of each colour that it names: `slots`, `basics`. `sided`: which
    texts say left or right.
    """

    ink: NDArray[np.uint8]
    region_ends: Ints
    points: NDArray[np.float16]
    shapes: NDArray[np.float16]
    targets: NDArray[np.int16]
    areas: NDArray[np.float32]
    text: Ints
    state_ends: Ints
    states: NDArray[np.float16]
    slot_ends: Ints
    slots: Ints
    basics: Ints
    sided: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ink)

    def seen(self, row: int) -> Seen:
        """A triple's drawing; its `order` is that of the arrays."""
        where = _between(self.region_ends, row)
        points, shapes = self.points[where].astype(np.float32), self.shapes[where].astype(np.float32)
        return Seen(self.ink[row], points, shapes, np.arange(len(points)))

    def heard(self, row: int) -> Heard:
        """A triple's text, without the mentions themselves."""
        where = _between(self.slot_ends, row)
        states = self.states[_between(self.state_ends, int(self.text[row]))]
        return Heard(states, self.slots[where], self.basics[where], ())

    def right(self, row: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """What is right for each region of a triple, and the regions' areas."""
        where = _between(self.region_ends, row)
        return self.targets[where], self.areas[where]


def _between(ends: Ints, row: int) -> slice:
    return slice(int(ends[row - 1]) if row else 0, int(ends[row]))


def open_material(pairs: Pairs, side: int, encoder: Any, progress: Progress = silent) -> Material:
    """Prepare triples, or take what an earlier call has kept of the same files.

    `encoder`: a PromptEncoder. Raises InputError for pairs without captions, or an image that cannot be read.
    """
    if not len(pairs):
        raise InputError("there are no triples to learn from")
    if pairs.captions is None:
        raise InputError("these pairs have no captions, and a painter learns what words mean from them")
    plan = {
        "sources": image_states(pairs.sources),
        "targets": image_states(pairs.targets),
        "captions": pairs.captions,
        "side": side,
        "encoder": encoder.identity,
        "format": FORMAT,
    }
    path = cache_folder() / "triples" / f"{fingerprint(plan)}.npz"
    names = [field.name for field in fields(Material)]

    def read(path: Path) -> Material:
        return Material(**read_arrays(path, names))

    def write(path: Path, material: Material) -> None:
        write_arrays(path, **{name: getattr(material, name) for name in names})

    return make_once(
        path, read, lambda: _prepare(pairs, side, encoder, progress), write, "triples are prepared"
    )


def _prepare(pairs: Pairs, side: int, encoder: Any, progress: Progress) -> Material:
    captions = pairs.captions or ()
    heard = []
    for start in range(0, len(pairs), STEP):
        progress("reading captions", start, len(pairs))
        heard.extend(hear(captions[start : start + STEP], encoder))
    progress("reading captions", len(pairs), len(pairs))
    texts: dict[bytes, int] = {}
    states: list[NDArray[np.float16]] = []
    text = np.empty(len(pairs), np.int64)
    for row, one in enumerate(heard):
        key = one.states.tobytes()
        if key not in texts:
            texts[key] = len(states)
            states.append(one.states)
        text[row] = texts[key]
    ink = np.empty((len(pairs), side, side), np.uint8)
    points, shapes, targets, areas = [], [], [], []
    for row, (seen, fills, shares) in enumerate(_drawings(pairs, side, progress)):
        ink[row] = seen.ink
        points.append(seen.points.astype(np.float16))
        shapes.append(seen.shapes.astype(np.float16))
        targets.append(targets_of(fills, heard[row].mentions).astype(np.int16))
        areas.append(shares.astype(np.float32))
    return Material(
        ink,
        np.cumsum([len(one) for one in points]),
        np.concatenate(points),
        np.concatenate(shapes),
        np.concatenate(targets),
        np.concatenate(areas),
        text,
        np.cumsum([len(one) for one in states]),
        np.concatenate(states),
        np.cumsum([len(one.slots) for one in heard]),
        np.concatenate([one.slots for one in heard]),
        np.concatenate([one.basics for one in heard]),
        np.array([bool(SIDED.search(caption)) for caption in captions]),
    )


def _drawings(
    pairs: Pairs, side: int, progress: Progress
) -> Iterator[tuple[Seen, Ints, NDArray[np.float64]]]:
    """Of each pair the drawing as it is seen, its regions' fills and areas, those of the LARGEST."""

    def prepare(row: int) -> tuple[Seen, Ints, NDArray[np.float64]]:
        page, regions, fills = read_drawing(open_image(pairs.sources[row]), open_image(pairs.targets[row]))
        seen = see(page, regions, side)
        order = seen.order[:LARGEST]
        kept = Seen(seen.ink, seen.points[:LARGEST], seen.shapes[:LARGEST], order)
        return kept, fills[order - 1], regions.areas[order] / page.size

    with ThreadPoolExecutor(core_count()) as pool:
        for start in range(0, len(pairs), STEP):
            progress("preparing drawings", start, len(pairs))
            yield from pool.map(prepare, range(start, min(start + STEP, len(pairs))))
    progress("preparing drawings", len(pairs), len(pairs))


def open_side(file: ImageFile) -> Image.Image:
    """The source or target of a pair with its transparency; of two in one file its half.

    Raises UnreadableImageError.
    """
    whole = decode_image(read_encoded(file), alpha=True)
    return whole if file.half is None else half_of(whole, file.half)


def open_image(file: ImageFile) -> Image.Image:
    """As `open_side`. Raises InputError naming the image."""
    try:
        return open_side(file)
    except UnreadableImageError as error:
        raise InputError(f"{file.path}, {file.image_id}: {error}; leave it out of the triples") from error


def rows_of(material: Material, rows: Sequence[int] | Ints) -> list[tuple[Seen, Ints, Heard]]:
    """Triples as `painter.gather` takes them."""
    found = []
    for row in rows:
        seen = material.seen(int(row))
        found.append((seen, seen.order, material.heard(int(row))))
    return found
