"""Triples to train on: line art, the coloured picture, and words that say what is in which colour.

The drawings' own fills are known, so the words are true, by area and by part. Most named colours are not the
usual ones, so that the words decide and not the subject; what no word names keeps its usual colour.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring.data_config import TripleSettings
from unprompt.colouring.drawings import KnownDrawing, known_family, known_openmoji, known_scene, nouns_of
from unprompt.colouring.palette import (
    BASIC,
    CLASSES,
    PAPER,
    SHADE_NAMES,
    WHITE,
    Colour,
    channels_of,
    class_of,
    names,
)
from unprompt.colouring.wordings import (
    THING,
    choose_part,
    choose_wording,
    coloured_name,
    fill_in,
)
from unprompt.colouring_pages.openmoji import drawings_of, usable_family
from unprompt.datasets.drawn_pairs import Amount, MadePair, drawn_kind, write_drawn_pairs
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.write_pairs import WrittenPairs
from unprompt.errors import InputError
from unprompt.pocket.closing import NOTHING
from unprompt.pocket.flat import Placement
from unprompt.pocket.version import VERSION, WORLD
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.resumable import check_folder

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from unprompt.colouring.regions import Regions

KIND = drawn_kind("set of triples")
LOOKED_AT = 64  # pixels a side at which a family's drawings are looked at
TRIES = 1000  # of drawings that lie so that they have no coloured region
VISITS = 4  # triples in a row that are of one drawing in one place: drawing it takes longest
MADE = ("size", "pocket", "swapped", "split", "wordings", "seed")
SHADES = 0.25  # how often a colour is named by one of its shades
NAMED = {0: 0.12, 1: 0.3, 2: 0.45, 3: 0.13}  # how many colours are named
ON_GROUND = 0.06  # how often one is asked for behind the drawing
COUPLED = 0.12  # how often a thing of a scene has two colours: "a red and white fox"
RARE = 0.04  # of the area, below which a colour is too small to be named
NAMELESS = 0.08  # how often a drawing is not called by its name


def make_triples(
    out: Path, settings: TripleSettings | None = None, progress: Progress = silent
) -> WrittenPairs:
    """Write triples as parts of Pairs into the folder `out`: sources are line art, targets in colour.

    Killed at any moment and called again with the same settings, it goes on and ends with the same bytes,
    with any number of workers. Of a family all files are read before: those without a coloured region are
    passed over, those that cannot be drawn are told in problems.csv. Raises RunError for a folder that is
    finished or belongs to something else; ConfigError and InputError where packages or drawings are missing.
    """
    settings = settings or TripleSettings()
    check_folder(out, KIND, settings.overwrite)  # before a family is read, which takes a while
    drawings, problems = _drawings(settings, progress)
    made = {name: getattr(settings, name) for name in MADE}
    if settings.family:
        made["family"] = settings.family.name
    plan = {
        **made,
        "kind": "colour triples",
        WORLD: VERSION,
        "drawings": hashlib.sha256(json.dumps(drawings).encode()).hexdigest(),
    }
    amount = Amount(settings.count, settings.part, settings.workers, settings.overwrite)
    draw = partial(make_triple, settings=settings, drawings=drawings)
    return write_drawn_pairs(out, KIND, draw, amount, plan, made, progress, problems)


def _drawings(settings: TripleSettings, progress: Progress) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Names of OpenMoji's drawings of the split, those that words are known for; or files of a family.

    And those of the family's files that cannot be drawn.
    """
    if settings.family:
        found, problems = usable_family(settings.family, _is_coloured, progress)
        return tuple(map(str, found)), problems
    return tuple(name for name in drawings_of(settings.split) if nouns_of(name)), ()


def _is_coloured(path: Path) -> bool:
    return bool((known_family(path, LOOKED_AT).classes != PAPER).any())


def make_triple(number: int, settings: TripleSettings, drawings: Sequence[str]) -> MadePair:
    """One triple; does not depend on any other."""
    known, name = _known(number // VISITS, settings, tuple(drawings))
    random = np.random.Generator(np.random.PCG64(derive_seed(settings.seed, "colours", number)))
    order = give_order(known, random, settings.swapped, settings.wordings)
    return MadePair(
        f"{number:07d}-{name}",
        Image.fromarray(known.page),
        paint_regions(known.page, known.regions, order.fills),
        order.words,
    )


@lru_cache(2)
def _known(visit: int, settings: TripleSettings, drawings: tuple[str, ...]) -> tuple[KnownDrawing, str]:
    seed = derive_seed(settings.seed, "drawing", visit)
    random = np.random.Generator(np.random.PCG64(seed))
    for _ in range(TRIES):
        if not settings.family and random.random() < settings.pocket:
            scene = known_scene(int(random.integers(2**31)), settings.size, _set_of(drawings))
            return scene, "pocket"
        name = drawings[int(random.integers(len(drawings)))]
        scale = random.uniform(0.65, 1.05)
        free = max(0.02, 0.45 * (1 - scale))
        right, down = random.uniform(-free, free, 2)
        placement = Placement(scale, random.normal(0, 6), right, down, bool(random.random() < 0.5))
        if settings.family:
            known = known_family(Path(name), settings.size, placement)
        else:
            known = known_openmoji(name, settings.size, placement)
        if (known.classes != PAPER).any():
            return known, Path(name).stem
    raise InputError(
        f"{TRIES} drawings in a row have no coloured region at {settings.size} pixels; give a larger --size"
    )


@lru_cache(1)
def _set_of(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


def paint_regions(page: NDArray[np.uint8], regions: Regions, fills: NDArray[np.int64]) -> Image.Image:
    """A page with a colour (R,) in each region, NOTHING for paper: RGBA, transparent where paper shows.

    Lines stay as they were. What knows no transparency sees paper as white.
    """
    labels = regions.spread
    colours = channels_of(np.concatenate([[WHITE], np.where(fills == NOTHING, WHITE, fills)]))
    paper = np.concatenate([[True], fills == NOTHING])
    picture = (colours[labels].astype(np.uint16) * page[..., None] // 255).astype(np.uint8)
    alpha = np.where(paper[labels] & (page == 255), 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([picture, alpha]))


# --- what is asked for, and what comes of it


@dataclass(frozen=True, eq=False)
class Order:
    """What is asked for: `words`, and the colour that each region has then (R,), NOTHING for paper.

    `asked`: of each region (R,) which of the named colours it has, in the order of their importance; -1 where
    no word says anything about it.
    """

    words: str
    fills: NDArray[np.int64]
    asked: NDArray[np.int64]


@dataclass
class _Change:
    """An order while it is made."""

    known: KnownDrawing
    random: Generator
    swapped: float
    fills: NDArray[np.int64]
    asked: NDArray[np.int64]
    used: list[int] = field(default_factory=list)  # basic colours that were named

    def families(self, thing: int) -> list[int]:
        """The basic colours of a thing that are large enough to be named, the largest first."""
        areas = self.known.regions.areas[1:]
        mine = self.known.things == thing
        size = np.bincount(self.known.classes[mine], areas[mine], len(CLASSES))
        size[PAPER] = 0
        order = np.argsort(-size, kind="stable")
        return [int(basic) for basic in order if size[basic] > RARE * size.sum()]

    def name(self, usual: int, where: NDArray[np.bool_]) -> str:
        """Choose a colour for regions that are usually of basic colour `usual`: its word."""
        basic = usual
        if self.random.random() < self.swapped:
            # Not one that an unnamed part has, or nobody could tell which part a word is about.
            free = [b for b in range(1, len(CLASSES)) if b not in self.used and b != usual]
            rest = set(self.known.classes[(self.asked < 0) & ~where].tolist())
            plain = [b for b in free if b not in rest]
            free = plain if plain and self.random.random() < 0.9 else free
            basic = free[int(self.random.integers(len(free)))]
        word, colour = self._word(basic)
        self.fills[where] = colour.rgb
        self.asked[where] = len(self.used)
        self.used.append(basic)
        return word

    def _word(self, basic: int) -> tuple[str, Colour]:
        name = CLASSES[basic]
        shades = SHADE_NAMES[name]
        if shades and self.random.random() < SHADES:
            name = shades[int(self.random.integers(len(shades)))]
        return name, names()[name] if name in names() else Colour(BASIC[CLASSES[basic]], basic)


def give_order(
    known: KnownDrawing, random: Generator, swapped: float = 0.85, wordings: str = "train"
) -> Order:
    """Think of what somebody could ask for, and colour the drawing so."""
    change = _Change(known, random, swapped, known.fills.copy(), np.full(known.regions.count, -1))
    words = _words_of_scene(change, wordings) if known.joined else _words_of_thing(change, wordings)
    ground = _ground(known)
    if ground.any() and random.random() < ON_GROUND:
        colour = change.name(class_of("white"), ground)
        words += fill_in(choose_wording("ground", wordings, random), c=colour)
    return Order(words, change.fills, change.asked)


def _words_of_thing(change: _Change, wordings: str) -> str:
    known, random = change.known, change.random
    noun = THING[int(random.integers(len(THING)))]
    if known.names and random.random() >= NAMELESS:
        noun = known.names[int(random.integers(len(known.names)))].removeprefix("a ").removeprefix("an ")
    families, classes = change.families(0), known.classes
    parts = {word: np.isin(known.fills, fills) for word, fills in _fills_by_part(known).items()}
    parts = {
        word: where for word, where in parts.items() if where.any() and not where[known.things == 0].all()
    }
    if parts and random.random() < 0.5:
        word = sorted(parts)[int(random.integers(len(parts)))]
        where = parts[word]
        largest = [basic for basic in families if not where[classes == basic].any()]
        usual = int(classes[where][0])
        if not largest or random.random() < 0.6:
            d = change.name(usual, where)
            return fill_in(choose_wording("part", wordings, random), n=noun, d=d, p=word)
        c = change.name(largest[0], classes == largest[0])
        d = change.name(usual, where)
        return fill_in(choose_wording("whole and part", wordings, random), n=noun, c=c, d=d, p=word)
    wanted = int(random.choice(list(NAMED), p=list(NAMED.values())))
    named = families[:wanted]
    spoken = {
        letter: change.name(basic, (classes == basic) & (known.things == 0))
        for letter, basic in zip("cde", named, strict=False)
    }
    kind = ("silent", "one", "two", "three")[len(named)]
    first, second = choose_part(wordings, random), choose_part(wordings, random)
    return fill_in(choose_wording(kind, wordings, random), n=noun, p=first, q=second, **spoken)


def _fills_by_part(known: KnownDrawing) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for fill, word in (known.parts or {}).items():
        found.setdefault(word, []).append(fill)
    return found


def _words_of_scene(change: _Change, wordings: str) -> str:
    known, random = change.known, change.random
    said = []
    for number, name in enumerate(known.names):
        families = change.families(number)
        mine, classes = known.things == number, known.classes
        if not families or random.random() < 0.12:
            said.append(name)
            continue
        colour = change.name(families[0], mine & (classes == families[0]))
        if len(families) > 1 and random.random() < COUPLED:
            colour += f" and {change.name(families[1], mine & (classes == families[1]))}"
        said.append(coloured_name(name, colour))
    words = said[0]
    for joined, name in zip(known.joined, said[1:], strict=True):
        words += f" {joined} {name}"
    return fill_in(choose_wording("frame", wordings, random), s=words)


def _ground(known: KnownDrawing) -> NDArray[np.bool_]:
    """Of the regions (R,) those of paper that touch the picture's border."""
    found: NDArray[np.bool_] = known.regions.on_border & (known.fills == NOTHING)
    return found
