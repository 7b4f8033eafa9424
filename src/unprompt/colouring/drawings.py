"""Drawings whose colours are known: a page to colour, its regions, and what belongs in each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring.mentions import without_colours
from unprompt.colouring.palette import PAPER, classes_of, rgb_of
from unprompt.colouring.regions import Regions, fills_of, find_regions
from unprompt.colouring_pages.openmoji import FlatDrawing, read_family, read_openmoji
from unprompt.pocket.closing import NOTHING
from unprompt.pocket.flat import Placement
from unprompt.pocket.pairs import LINE, draw_flat, paired_scene
from unprompt.pocket.scene import Scene
from unprompt.pocket.vocabulary import nouns

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINER = 2  # pixels a side of a drawing that become one
KEPT = 8
PART = re.compile(r'id="(skin|hair)[^"]*"')
FILL = re.compile(r'fill[=:]\s*"?(#[0-9a-f]{6}|#[0-9a-f]{3})\b', re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class KnownDrawing:
    """A page whose colours are known.

    `page`: (H, W) uint8, black lines on white. `regions`: R of them. `fills`: (R,) what belongs in each,
    0xRRGGBB, NOTHING for paper. `things`: (R,) which of the named things it is part of, -1 for none.
    `names`: what the things are called; empty for a drawing without a name. `joined`: what stands between
    two names. `parts`: fills that a word is known for, such as hair.
    """

    page: NDArray[np.uint8]
    regions: Regions
    fills: NDArray[np.int64]
    things: NDArray[np.int64]
    names: tuple[str, ...]
    joined: tuple[str, ...] = ()
    parts: Mapping[int, str] | None = None

    @property
    def classes(self) -> NDArray[np.int64]:
        """The basic colour of each region (R,), by number in CLASSES; PAPER where nothing is filled."""
        return np.where(self.fills == NOTHING, PAPER, classes_of(np.maximum(self.fills, 0)))


def known_openmoji(name: str, size: int, placement: Placement | None = None) -> KnownDrawing:
    """One of OpenMoji's drawings, `size` x `size` pixels."""
    from unprompt.pocket.drawings import read_svg

    return _known(_drawn(name, size * FINER, placement), size, nouns_of(name), parts_of(read_svg(name)))


def known_family(path: Path, size: int, placement: Placement | None = None) -> KnownDrawing:
    """A drawing of another family of emoji from its SVG, called by its code points or by its file's name."""
    flat = read_family(path, size * FINER, placement)
    return _known(flat, size, nouns_of(path.stem.upper()) or _spoken(path.stem))


def known_scene(seed: int, size: int, drawings: Collection[str] | None = None) -> KnownDrawing:
    """A scene of the pocket world, of the seed; `drawings`: the only ones that its things may have."""
    for attempt in range(100):
        scene = paired_scene(seed + 7919 * attempt, drawings, places=False)
        try:
            flat = draw_flat(scene, seed, size)
        except LookupError:
            continue
        regions = find_regions(flat.page, bridge=False)
        fills, things = fills_of(regions, flat.fills), fills_of(regions, flat.things)
        if len(np.unique(things[things >= 0])) == len(scene.things):
            return KnownDrawing(flat.page, regions, fills, things, _names(scene), scene.relations)
    raise LookupError(f"no scene with plain colours near seed {seed}")


def _names(scene: Scene) -> tuple[str, ...]:
    return tuple(without_colours(thing.plain.words) for thing in scene.things)


def _known(
    flat: FlatDrawing, size: int, names: tuple[str, ...], parts: Mapping[int, str] | None = None
) -> KnownDrawing:
    page = np.asarray(Image.fromarray(flat.closed.ink(size * FINER / LINE)).reduce(FINER))
    regions = find_regions(page, bridge=False)
    fills = fills_of(regions, flat.closed.regions[::FINER, ::FINER].astype(np.int64))
    things = np.where(fills == NOTHING, -1, 0)
    return KnownDrawing(page, regions, fills, things, names, parts=parts)


@lru_cache(KEPT)
def _drawn(name: str, side: int, placement: Placement | None) -> FlatDrawing:
    return read_openmoji(name, side, placement)


@cache
def _by_drawing() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for noun in nouns().values():
        found.setdefault(noun.drawing, []).append(noun.word)
    return {drawing: tuple(words) for drawing, words in found.items()}


def nouns_of(drawing: str) -> tuple[str, ...]:
    """What one of OpenMoji's drawings is called, without colours; several are synonyms."""
    words = (without_colours(word) for word in _by_drawing().get(drawing, ()))
    return tuple(dict.fromkeys(word for word in words if word))


def _spoken(stem: str) -> tuple[str, ...]:
    """ "red-apple" -> an apple."""
    words = without_colours(re.sub(r"[-_]+", " ", stem).lower())
    return (words,) if re.search("[a-z]{3}", words) else ()


def parts_of(svg: str) -> dict[int, str]:
    """Fills that one of OpenMoji's drawings has in a group with a name: hair and skin."""
    found: dict[int, str] = {}
    for match in PART.finditer(svg):
        opened, _, group = svg[match.end() :].partition(">")
        if opened.endswith("/"):  # it is empty
            continue
        group = group.partition("</g>")[0]
        for code in FILL.findall(group):
            found.setdefault(rgb_of(code), match[1])
    return found
