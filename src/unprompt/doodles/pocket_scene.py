"""A caption or prompt as the pocket world reads it: which of its things it can draw, how many, and where.

Any text is read, as far as it is understood: the 345 words of Quick, Draw!, the pocket world's own nouns with
its adjectives, places, lights, views and styles, and relations between things. What is known and cannot be
drawn, such as a roller coaster, is kept apart from what is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from unprompt.doodles import facts
from unprompt.doodles.facts import Kind, SceneFacts
from unprompt.doodles.nouns import SOMETHING, many_of, one_of
from unprompt.doodles.wording import STYLES as PROMPT_STYLES
from unprompt.errors import InputError
from unprompt.pocket.adjectives import ADJECTIVES, SLOTS
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.scene import LEADING
from unprompt.pocket.styles import STYLES
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import Noun, nouns
from unprompt.text.english import article, list_in_words
from unprompt.text.words import split_words

MOST_COPIES = 12  # of one thing
MOST_THINGS = 8
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
# How many drawings an amount stands for.
AMOUNTS: Mapping[str, int] = MappingProxyType(
    {
        **{word: number for number, word in enumerate(NUMBERS, 1)},
        **{str(number): number for number in range(1, MOST_COPIES + 1)},
        **dict.fromkeys(("a", "an", "the", "a single", "another"), 1),
        **dict.fromkeys(("some", "many", "a few", "a group of", "a bunch of", "a lot of"), 3),
        "several": 4,
        "a pair of": 2,
        "a couple of": 2,
        "a dozen": 12,
        "a row of": 5,
        "a crowd of": 9,
    }
)
PLURAL = 3  # "cats", without a number
# Other words for relations of the pocket world.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "on the left of": "to the left of",
        "at the left of": "to the left of",
        "on the right of": "to the right of",
        "at the right of": "to the right of",
        "near": "next to",
        "close to": "next to",
        "along with": "and",
        "together with": "and",
        "atop": "on top of",
        "sits on": "on",
        "stands on": "on",
        "sits next to": "next to",
        "stands next to": "next to",
        "overlapping": "next to",
        "touching": "next to",
    }
)
AND, WITH = "and", "with"
UNDER = "under"
SKY = "in the sky"
IN_THE_SKY = (SKY, "up in the sky", "in the air", "overhead", "above them", "above it")
# Relations as captioners call them, where they do not have the phrase itself.
FACT_OF: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("and", "with", "next to", "alongside", "by"), facts.BESIDE),
        "left of": facts.LEFT,
        "right of": facts.RIGHT,
        **dict.fromkeys(("over", "hovering above", "floating over"), facts.ABOVE),
        **dict.fromkeys(("beneath", "underneath"), facts.BELOW),
        **dict.fromkeys(("on top of", "standing on", "sitting on", "perched on"), facts.ON),
    }
)
SILENT = frozenset(
    [
        *[
            "a",
            "an",
            "the",
            "of",
            "and",
            "with",
            "in",
            "is",
            "are",
            "there",
            "it",
            "its",
            "this",
            "that",
            "which",
            "stands",
            "standing",
            "sits",
            "sitting",
            "lies",
        ],
        *(
            word.lower()
            for style in PROMPT_STYLES.values()
            for word in split_words(f"{style.lead} {style.tail}")
        ),
    ]
)  # what nobody misses: words of grammar, and those of the styles of prompts
TABLE = ("data", "doodles", "pocket.tsv")


@dataclass(frozen=True)
class Shown:
    """One thing of a caption that has a drawing: the pocket world's noun, how many, and whether in the sky.

    `word`: what the caption calls it, in the singular.
    """

    word: str
    noun: Noun
    count: int = 1
    adjectives: tuple[str, ...] = ()
    sky: bool = False

    @property
    def words(self) -> str:
        """The thing as the pocket world's prompts have it: "two small cats"."""
        described = " ".join(self.adjectives)
        if self.count == 1:
            words = f"{described} {self.noun.word}".strip()
            return words if self.noun.plural is None else f"{article(words)} {words}"
        return " ".join(f"{NUMBERS[self.count - 1]} {described} {self.noun.plural or self.noun.word}".split())


@dataclass(frozen=True)
class Told:
    """What the pocket world makes of a text.

    `relations[n]` stands between things n and n + 1 of those that are not in the sky; `things` has those
    first. `cannot`: things that are known and have no drawing, as the text has them. `unread`: what else is
    left out. `hidden`: the things of `cannot` again, as kinds. The others are phrases of the pocket world, or
    "".
    """

    things: tuple[Shown, ...]
    relations: tuple[str, ...] = ()
    place: str = ""
    light: str = ""
    view: str = ""
    style: str = ""
    cannot: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    hidden: tuple[Kind, ...] = ()

    @property
    def ground(self) -> tuple[Shown, ...]:
        """The things that are not in the sky."""
        return tuple(thing for thing in self.things if not thing.sky)

    @property
    def sky(self) -> tuple[Shown, ...]:
        """The things in the sky."""
        return tuple(thing for thing in self.things if thing.sky)

    @property
    def prompt(self) -> str:
        """The prompt that a picture of it truly has, in the words of the pocket world's grammar.

        The grammar itself ends at three things.
        """
        first, *others = self.ground or self.sky
        words = first.words
        for relation, thing in zip(self.relations, others, strict=False):
            words += f" {relation} {thing.words}"
        above = self.sky if self.ground else self.sky[1:]
        for number, thing in enumerate(above):
            words += f" {AND if number or not self.ground else UNDER} {thing.words}"
        around = " ".join(filter(None, (words, self.place, self.light)))
        leads = "".join(f"{phrase} " for phrase in (self.style, self.view) if phrase.endswith(LEADING))
        after = [phrase for phrase in (self.view, self.style) if phrase and not phrase.endswith(LEADING)]
        return leads + ", ".join((around, *after))

    @property
    def facts(self) -> SceneFacts:
        """What it says, as captioners have it; a relation that they do not know, as "riding", is beside."""
        kinds = tuple(Kind(thing.word, thing.count, thing.sky) for thing in self.things)
        return SceneFacts(kinds, tuple(map(_fact_of, self.relations)))

    @property
    def all_facts(self) -> SceneFacts:
        """The facts with what has no drawing, so that its strokes are not taken for something else."""
        own = self.facts
        kinds = (*own.kinds, *self.hidden)
        ground = sum(not kind.sky for kind in kinds)
        more = max(0, ground - 1) - len(own.relations)
        return SceneFacts(kinds, (*own.relations, *[facts.BESIDE] * more))

    @property
    def told(self) -> tuple[str, ...]:
        """Sentences about what of the text is not in the picture."""
        sentences = []
        if self.cannot:
            sentences.append(f"the pocket world has no drawing of {list_in_words(self.cannot)}; left out")
        if self.unread:
            parts = ", ".join(f"'{part}'" for part in self.unread)
            sentences.append(f"the pocket world does not understand {parts}; left out")
        return tuple(sentences)


def _fact_of(relation: str) -> str:
    return relation if relation in facts.RELATIONS else FACT_OF.get(relation, facts.BESIDE)


@cache
def pocket_nouns() -> Mapping[str, Noun | None]:
    """Each of Quick, Draw!'s 345 words and the pocket world's noun for it; None where it has no drawing."""
    found = {}
    for line in files("unprompt").joinpath(*TABLE).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            word, noun = line.split("\t")
            found[word] = None if noun == "-" else nouns()[noun]
    return MappingProxyType(found)


def drawable_words() -> tuple[str, ...]:
    """Those of Quick, Draw!'s words that the pocket world has a drawing of."""
    return tuple(word for word, noun in pocket_nouns().items() if noun)


def read_caption(text: str) -> Told:
    """What the pocket world can draw of any text. InputError where it has a drawing of nothing in it."""
    reader = _Reader(text)
    told = reader.told
    if told is None:
        raise InputError(
            f"the pocket world has no drawing of {list_in_words(reader.cannot)}"
            if reader.cannot
            else f"the pocket world knows nothing that '{' '.join(text.split())[:200]}' names"
        )
    return told


class _Named(NamedTuple):
    """A noun in a text: its word, the pocket world's noun if there is one, whether it is a plural only."""

    word: str
    noun: Noun | None
    many: bool


class _Found(NamedTuple):
    """Something of a kind that a text has up to the word `end`."""

    kind: str
    value: Any
    end: int


@cache
def _phrases() -> Mapping[str, tuple[tuple[tuple[str, ...], str, Any], ...]]:
    """Everything that can be understood, by its first word, the longest first: words, kind and value."""
    table: dict[tuple[str, ...], tuple[str, Any]] = {}

    def add(kind: str, phrase: str, value: Any) -> None:
        table.setdefault(tuple(phrase.lower().split()), (kind, value))

    for word, noun in pocket_nouns().items():
        one = (
            one_of(word).partition(" ")[2] if one_of(word).startswith(("a ", "an ", "the ")) else one_of(word)
        )
        for form in {word.removeprefix("The "), one}:
            add("noun", form, _Named(word, noun, False))
        for form in {many_of(word), *([noun.plural] if noun and noun.plural and noun.word == word else [])}:
            add("noun", form, _Named(word, noun, True))
    add("noun", SOMETHING, _Named(SOMETHING, None, False))
    for noun in nouns().values():
        add("noun", noun.word.removeprefix("the "), _Named(noun.word, noun, False))
        if noun.plural is not None:
            add("noun", noun.plural, _Named(noun.word, noun, True))
    for phrase in IN_THE_SKY:
        add("sky", phrase, SKY)
    for phrase, relation in ALIASES.items():
        add("relation", phrase, relation)
    for kind, known in (
        ("relation", RELATIONS), ("place", PLACES), ("light", LIGHTS), ("view", VIEWS), ("style", STYLES),
    ):  # fmt: skip
        for phrase in known:
            add(kind, phrase, phrase)
    by_first: dict[str, list[tuple[tuple[str, ...], str, Any]]] = {}
    for words, (kind, value) in table.items():
        by_first.setdefault(words[0], []).append((words, kind, value))
    return {first: tuple(sorted(those, key=lambda one: -len(one[0]))) for first, those in by_first.items()}


@cache
def _amounts() -> tuple[tuple[tuple[str, ...], int], ...]:
    """Amounts, the longest first."""
    return tuple(sorted(((tuple(k.split()), n) for k, n in AMOUNTS.items()), key=lambda one: -len(one[0])))


class _Mention(NamedTuple):
    """A thing in a text: what it is, how many, where its words are, and the relation that led to it."""

    named: _Named
    number: int
    adjectives: tuple[str, ...]
    words: str
    relation: str
    sky: bool


class _Reader:
    """One text, read from left to right."""

    TOKENS = re.compile(r"<[^<>]*>|,|[^\s,()\[\]{}<>:;|\"\\]+")
    WEIGHTS = re.compile(r":\s*-?[\d.]+\s*(?=[)\]])")

    def __init__(self, text: str) -> None:
        self._mentions: list[_Mention] = []
        self._around: dict[str, str] = {}
        self._missed: list[int] = []
        self._relation = ""
        tokens = (token.rstrip(".!?") for token in self.TOKENS.findall(self.WEIGHTS.sub(" ", text.lower())))
        self._words = [token for token in tokens if token]
        start = 0
        while start < len(self._words):
            start = self._take(start)

    @property
    def cannot(self) -> tuple[str, ...]:
        """Things that have no drawing, or are too many, as the text has them."""
        return tuple(one.words for one in self._hidden)

    @property
    def _hidden(self) -> list[_Mention]:
        drawn = [number for number, one in enumerate(self._mentions) if one.named.noun]
        return [one for number, one in enumerate(self._mentions) if number not in drawn[:MOST_THINGS]]

    @property
    def told(self) -> Told | None:
        """What was read; None where there is nothing to draw."""
        ground: list[Shown] = []
        sky: list[Shown] = []
        relations = []
        void = False  # the thing that a relation comes from is none that is drawn
        for mention in self._mentions:
            noun = mention.named.noun
            if noun is None or len(ground) + len(sky) == MOST_THINGS:
                void = not mention.sky
                continue
            adjectives = () if noun.is_name else mention.adjectives
            shown = Shown(mention.named.word, noun, mention.number, adjectives, mention.sky)
            if mention.sky:
                sky.append(shown)
                continue
            if ground:
                relations.append(AND if void else mention.relation)
            void = False
            ground.append(shown)
        if not ground and not sky:
            return None
        return Told(
            (*ground, *sky),
            tuple(relations),
            self._around.get("place", "") or ("" if ground else SKY),
            self._around.get("light", ""),
            self._around.get("view", ""),
            self._around.get("style", ""),
            self.cannot,
            self._unread,
            tuple(Kind(one.named.word, one.number, one.sky) for one in self._hidden),
        )

    @property
    def _unread(self) -> tuple[str, ...]:
        parts: list[list[str]] = []
        last = -2
        for place in self._missed:
            if self._words[place] not in SILENT:
                if place != last + 1:
                    parts.append([])
                parts[-1].append(self._words[place])
                last = place
        return tuple(" ".join(part) for part in parts)

    def _take(self, start: int) -> int:
        found = self._thing(start)
        others = [one for one in self._matches(start) if one.kind not in ("noun", "sky")]
        longest = max((one.end for one in others), default=start)
        if found is not None and found.end >= longest:
            return self._add(start, found)
        if longest > start:
            kind, value, end = next(one for one in others if one.end == longest)
            if kind == "relation":
                if self._relation in ("", AND):
                    self._relation = value
            elif kind in self._around:
                self._missed.extend(range(start, end))
            else:
                self._around[kind] = value
            return end
        if self._words[start] != ",":
            self._missed.append(start)
        return start + 1

    def _thing(self, start: int) -> _Found | None:
        """An amount, adjectives and a noun, each but the noun where there is one."""
        best: _Found | None = None
        for count, begin in self._amount(start):
            adjectives, at = self._adjectives(begin)
            for kind, named, end in self._matches(at):
                if kind == "noun" and (best is None or end > best.end):
                    number = count or (PLURAL if named.many else 1)
                    if self._words[start:begin] == ["a", "pair", "of"] and not named.many:
                        number = 1  # a pair of scissors
                    best = _Found("thing", (named, min(number, MOST_COPIES), adjectives), end)
        return best

    def _amount(self, start: int) -> Iterator[tuple[int, int]]:
        for words, number in _amounts():
            if tuple(self._words[start : start + len(words)]) == words:
                yield number, start + len(words)
        yield 0, start

    def _adjectives(self, start: int) -> tuple[tuple[str, ...], int]:
        """The adjectives there, one of each slot; a noun that begins like one goes before."""
        found: dict[str, str] = {}
        while start < len(self._words) and not any(one.kind == "noun" for one in self._matches(start)):
            for size in (3, 2, 1):
                word = " ".join(self._words[start : start + size])
                if word in ADJECTIVES:
                    found.setdefault(ADJECTIVES[word].slot, word)
                    start += size
                    break
            else:
                break
        return tuple(found[slot] for slot in SLOTS if slot in found), start

    def _matches(self, start: int) -> Iterator[_Found]:
        if start < len(self._words):
            for words, kind, value in _phrases().get(self._words[start], ()):
                if tuple(self._words[start : start + len(words)]) == words:
                    yield _Found(kind, value, start + len(words))

    def _add(self, start: int, found: _Found) -> int:
        named, count, adjectives = found.value
        sky = next((one.end for one in self._matches(found.end) if one.kind == "sky"), None)
        relation, self._relation = self._relation or AND, ""
        words = " ".join(self._words[start : found.end])
        self._mentions.append(_Mention(named, count, adjectives, words, relation, sky is not None))
        if sky:
            self._raise_list()
        return sky or found.end

    def _raise_list(self) -> None:
        """ "with a sun and two clouds in the sky": what is listed after "with" is all in the sky."""
        first = len(self._mentions) - 1
        while first > 0 and self._mentions[first].relation == AND:
            first -= 1
        if self._mentions[first].relation == WITH:
            self._mentions[first:] = [one._replace(sky=True) for one in self._mentions[first:]]
