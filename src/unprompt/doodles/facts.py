"""What a drawing shows, as facts: kinds of things, how many of each, and how they stand to each other.

Facts become a sentence and are read back from it. How relations follow from where things are is measured
here too: the words mean what `relate` says, whoever draws or looks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.nouns import SKY, forms_of, say_count
from unprompt.errors import InputError
from unprompt.text.english import list_in_words, read_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Boxes = NDArray[np.float64]

BESIDE, LEFT, RIGHT = "beside", "to the left of", "to the right of"
ABOVE, BELOW, ON, UNDER = "above", "below", "on", "under"
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
        """The relations as (noun, words, noun), each said one way; see `normal`. (noun, "in the sky", "")."""
        found = [(kind.noun, "in the sky", "") for kind in self.sky]
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
    said = "".join(
        f"{words} {relation} " for words, relation in zip(ground, (*facts.relations, ""), strict=True)
    )
    above = f"{list_in_words(sky)} in the sky" if sky else ""
    return ", with ".join(filter(None, (" ".join(said.split()), above)))


_BETWEEN = re.compile(rf" ({'|'.join(sorted(RELATIONS, key=len, reverse=True))}) ")


def read_facts(sentence: str, words: Sequence[str]) -> SceneFacts:
    """The facts of a sentence as `say_facts` writes it; `words`: the nouns that it may have.

    Raises InputError for another text, with the part that is not understood.
    """
    text = " ".join(sentence.lower().strip().rstrip(".").split())
    if not text:
        return SceneFacts(())
    known = tuple(words)
    ground, sky = text, ""
    if text.endswith(" in the sky"):
        ground, _, sky = text.removesuffix(" in the sky").rpartition(", with ")
        # "a cat, with a dog in the sky" and not the list "a sun, a moon and a cloud in the sky"
    parts = _BETWEEN.split(ground) if ground else []
    kinds = [_read_kind(part, known, sentence) for part in parts[::2]]
    above = [
        replace(_read_kind(part, known, sentence), sky=True)
        for part in re.split(", | and ", sky)
        if part
    ]  # fmt: skip
    return SceneFacts((*kinds, *above), tuple(parts[1::2]))


def _read_kind(text: str, words: tuple[str, ...], sentence: str) -> Kind:
    forms = forms_of(words)
    first, _, rest = text.partition(" ")
    count = read_count(first)
    if text in forms and not forms[text][1]:
        return Kind(forms[text][0], 1)
    if count is not None and count > 1 and rest in forms and forms[rest][1]:
        return Kind(forms[rest][0], count)
    raise InputError(
        f"'{text}' in '{sentence}' is not understood; a caption is like 'two cats beside a house, with a sun "
        "in the sky'"
    )


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
    pairs = zip(ground, ground[1:], strict=False)
    return SceneFacts(tuple(kinds), tuple(relate(boxes[a], boxes[b]) for a, b in pairs))


def _row(numbers: list[int], whole: Sequence[Boxes]) -> list[int]:
    """Kinds in an order in which neighbours follow one another."""
    if len(numbers) == 3:
        far = {number: sum(_apart(whole[number], whole[n]) for n in numbers if n != number) for number in numbers}
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
