"""What a drawing shows, as facts: kinds of things, how many of each, and how they stand to each other.

Facts become a sentence and are read back from it. How relations follow from where things are is measured
here too: the words mean what `relate` says, whoever draws or looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.nouns import SKY, forms_of, say_count
from unprompt.errors import InputError
from unprompt.text.english import count_in_words, list_in_words
from unprompt.text.words import split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Boxes = NDArray[np.float64]

BESIDE, LEFT, RIGHT = "beside", "to the left of", "to the right of"
ABOVE, BELOW, ON, UNDER = "above", "below", "on", "under"
IN_THE_SKY = "in the sky"
RELATIONS = (BESIDE, LEFT, RIGHT, ABOVE, BELOW, ON, UNDER)
REVERSED = {BESIDE: BESIDE, LEFT: RIGHT, RIGHT: LEFT, ABOVE: BELOW, BELOW: ABOVE, ON: UNDER, UNDER: ON}
TURNED = (RIGHT, BELOW, UNDER)  # said the other way round where facts are compared

# Of the mean size of the things of two kinds:
FAR = 0.75  # a gap between neighbours from which on one is to the left of the other, not beside it
TOUCHING = 0.08  # a gap over another thing up to which one is on it, not above it


@dataclass(frozen=True)
class Kind:
    """So many of a noun (one of Quick, Draw!'s words, or SOMETHING); `sky`: they are in the sky."""

    noun: str
    count: int = 1
    sky: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"a caption counts from 1 on, got {self.count} of '{self.noun}'")


@dataclass(frozen=True)
class SceneFacts:
    """Kinds of things in the order in which a sentence has them.

    `relations[n]` is what the n-th of those on the ground is to the next of them: one of RELATIONS.
    """

    kinds: tuple[Kind, ...]
    relations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.relations) != max(0, len(self.ground) - 1):
            raise InputError(
                f"{len(self.ground)} kinds of things on the ground have {len(self.relations)} relations, "
                "not one between each two that follow one another"
            )
        for relation in self.relations:
            if relation not in RELATIONS:
                raise InputError(f"'{relation}' is no relation; one of: {', '.join(RELATIONS)}")

    @property
    def ground(self) -> tuple[Kind, ...]:
        """Those that are not in the sky."""
        return tuple(kind for kind in self.kinds if not kind.sky)

    @property
    def sky(self) -> tuple[Kind, ...]:
        """Those in the sky."""
        return tuple(kind for kind in self.kinds if kind.sky)

    @property
    def related(self) -> frozenset[tuple[str, str, str]]:
        """The relations as (noun, words, noun), each said one way; see `normal`. (noun, IN_THE_SKY, "")."""
        found = [(kind.noun, IN_THE_SKY, "") for kind in self.sky]
        ground = self.ground
        for first, words, second in zip(ground, self.relations, ground[1:], strict=False):
            found.append(normal(first.noun, words, second.noun))
        return frozenset(found)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each noun."""
        found: dict[str, int] = {}
        for kind in self.kinds:
            found[kind.noun] = found.get(kind.noun, 0) + kind.count
        return found


def normal(first: str, words: str, second: str) -> tuple[str, str, str]:
    """A relation said one way: "b below a" is "a above b", and what is beside comes by the alphabet."""
    if words in TURNED or (words == BESIDE and second < first):
        return second, REVERSED[words], first
    return first, words, second


def same_facts(one: SceneFacts, other: SceneFacts) -> bool:
    """Whether two say the same, in whatever order and from whichever side."""
    return one.counts == other.counts and one.related == other.related


def say_facts(facts: SceneFacts) -> str:
    """ "two cats beside a house, with a sun in the sky"; "" for no facts."""
    if not facts.kinds:
        return ""
    ground, sky = ([say_count(kind.noun, kind.count) for kind in some] for some in (facts.ground, facts.sky))
    said = ground[:1]
    for relation, words in zip(facts.relations, ground[1:], strict=True):
        said += [relation, words]
    above = f"{list_in_words(sky)} {IN_THE_SKY}" if sky else ""
    return ", with ".join(filter(None, (" ".join(said), above)))


MOST_SPELLED = 24  # things of a kind that a sentence is read with
_LONGEST = 6  # words of what stands for a noun or a relation


def read_facts(sentence: str, words: Sequence[str]) -> SceneFacts:
    """The facts of a sentence as `say_facts` writes it, with or without its commas and hyphens.

    `words`: the nouns that it may have. Raises InputError for another text, with the part that is not
    understood.
    """
    facts, missed = _read(sentence, tuple(words))
    if missed:
        raise InputError(
            f"'{missed}' in '{sentence}' is not understood; a caption is like 'two cats beside a house, with "
            "a sun in the sky'"
        )
    return facts


def read_nearly(sentence: str, words: Sequence[str]) -> SceneFacts:
    """What is understood of any text; kinds that nothing is said between are beside each other."""
    return _read(sentence, tuple(words))[0]


def _read(sentence: str, words: tuple[str, ...]) -> tuple[SceneFacts, str]:
    """The facts, and the first part that is not understood or out of place."""
    items, missed = _scan(split_words(sentence), _spelled(words))
    sky: list[Kind] = []
    if items and items[-1] == IN_THE_SKY:
        start = max((at for at, item in enumerate(items) if item == "with"), default=-1) + 1
        missed = missed or next((str(item) for item in items[start:-1] if item in RELATIONS), "")
        sky = [replace(item, sky=True) for item in items[start:-1] if isinstance(item, Kind)]
        items = items[: max(0, start - 1)]
    ground: list[Kind] = []
    relations: list[str] = []
    between = ""
    for item in items:
        if isinstance(item, Kind):
            if ground:
                relations.append(between or BESIDE)
                missed = missed or ("" if between else item.noun)
            ground.append(item)
            between = ""
        elif item in RELATIONS and ground and not between:
            between = item
        else:
            missed = missed or item
    return SceneFacts((*ground, *sky), tuple(relations)), missed or between


def _scan(text: Sequence[str], known: Mapping[tuple[str, ...], Kind | str]) -> tuple[list[Kind | str], str]:
    """The longest known phrases from left to right, and the first word that is in none."""
    found: list[Kind | str] = []
    missed, at = "", 0
    while at < len(text):
        for length in range(_LONGEST, 0, -1):
            item = known.get(tuple(text[at : at + length]))
            if item is not None and at + length <= len(text):
                found.append(item)
                break
        else:
            missed, length = missed or text[at], 1
        at += length
    return found, missed


@cache
def _spelled(words: tuple[str, ...]) -> Mapping[tuple[str, ...], Kind | str]:
    """What may stand in a sentence, by its words: kinds, relations, and what joins them."""
    phrases = ("and", "with", IN_THE_SKY, *RELATIONS)
    found: dict[tuple[str, ...], Kind | str] = {tuple(phrase.split()): phrase for phrase in phrases}
    for form, (word, many) in forms_of(words).items():
        if many:
            for count in range(2, MOST_SPELLED + 1):
                found[tuple(split_words(f"{count_in_words(count)} {form}"))] = Kind(word, count)
        else:
            found[tuple(split_words(form))] = Kind(word)
    return found


# --- where things are, in words


def around(boxes: Boxes) -> Boxes:
    """The box (4,) around boxes (N, 4), each left, top, right, bottom."""
    found: Boxes = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    return found


def gaps_of(one: Boxes, other: Boxes) -> tuple[float, float]:
    """How far apart two boxes (4,) are, across and down; below 0 where they overlap so far."""
    apart = np.maximum(one[:2] - other[2:], other[:2] - one[2:])
    return float(apart[0]), float(apart[1])


def relate(one: Boxes, other: Boxes) -> str:
    """What things with boxes (N, 4) are to those with boxes (M, 4): one of RELATIONS.

    Side by side they are where the gap across is the larger one, and beside each other up to a gap of FAR of
    a thing's mean size. Else one is above the other, or on it where there is next to no gap.
    """
    first, second = around(one), around(other)
    across, down = gaps_of(first, second)
    size = _size(np.concatenate([one, other]))
    if across >= down:
        if across <= FAR * size:
            return BESIDE
        return LEFT if first[0] < second[0] else RIGHT
    higher = first[1] + first[3] < second[1] + second[3]
    if down > TOUCHING * size:
        return ABOVE if higher else BELOW
    return ON if higher else UNDER


def read_places(nouns: Sequence[str], boxes: Sequence[Boxes]) -> SceneFacts:
    """The facts of K kinds of things by their nouns and the boxes (N, 4) of those of each kind.

    In the sky are kinds that can be there (SKY) and are higher than everything that cannot. The others stand
    in a row of neighbours that begins at the left: of up to three the one in the middle is nearest to both.
    """
    if not nouns:
        return SceneFacts(())
    whole = [around(some) for some in boxes]
    low = [number for number, noun in enumerate(nouns) if noun not in SKY]
    top = min((float(whole[number][1]) for number in low), default=-np.inf)
    sky = [number for number, noun in enumerate(nouns) if noun in SKY and _middle(whole[number]) < top]
    ground = _row([number for number in range(len(nouns)) if number not in sky], whole)
    sky.sort(key=lambda number: float(whole[number][0]))
    kinds = [Kind(nouns[number], len(boxes[number])) for number in ground]
    kinds += [Kind(nouns[number], len(boxes[number]), True) for number in sky]
    return SceneFacts(tuple(kinds), tuple(relate(boxes[a], boxes[b]) for a, b in pairwise(ground)))


def _row(numbers: list[int], whole: Sequence[Boxes]) -> list[int]:
    """Kinds in an order in which neighbours follow one another."""
    if len(numbers) == 3:
        far = {
            number: sum(_apart(whole[number], whole[n]) for n in numbers if n != number) for number in numbers
        }
        hub = min(numbers, key=lambda number: far[number])
        first, last = sorted((n for n in numbers if n != hub), key=lambda n: float(whole[n][0]))
        return [first, hub, last]
    left = sorted(numbers, key=lambda number: float(whole[number][0]))
    found = left[:1]
    while len(found) < len(left):
        here = whole[found[-1]]
        found.append(min((n for n in left if n not in found), key=lambda n: _apart(here, whole[n])))
    return found


def _apart(one: Boxes, other: Boxes) -> float:
    across, down = gaps_of(one, other)
    return float(np.hypot(max(across, 0), max(down, 0))) + 1e-3 * min(across, down)


def _middle(box: Boxes) -> float:
    return float(box[1] + box[3]) / 2


def _size(boxes: Boxes) -> float:
    return float((boxes[:, 2:] - boxes[:, :2]).max(1).mean())
