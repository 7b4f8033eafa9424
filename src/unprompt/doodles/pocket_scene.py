"""A caption or prompt as the pocket world reads it: which of its things it has drawings of, how many, and where.

Any text is read, as far as it is understood: the 345 words of Quick, Draw!, the pocket world's own nouns with
its adjectives, places, lights, views and styles, and relations between things. What is known and cannot be
drawn, such as a roller coaster, is kept apart from what is not understood.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from unprompt.errors import InputError
from unprompt.pocket.adjectives import ADJECTIVES, SLOTS
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS, Relation
from unprompt.pocket.scene import LEADING
from unprompt.pocket.styles import STYLES
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import Noun, nouns
from unprompt.text.english import article, list_in_words

MOST_COPIES = 12  # of one thing
MOST_THINGS = 8
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
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
AND = "and"
UNDER = "under"
SKY = "in the sky"
IN_THE_SKY = (SKY, "up in the sky", "in the air", "overhead", "above them", "above it")
# Relations that say the same when the things before and behind them change places.
OPPOSITES: Mapping[str, str] = MappingProxyType(
    {"to the right of": "to the left of", "under": "above", "next to": "next to"}
)
SILENT = frozenset(
    "a an the of and with in is are there it its this that which stands standing sits sitting lies photo picture "
    "image drawing something film still toy".split()
)
TABLE = ("data", "doodles", "pocket.tsv")
_IRREGULAR = {"foot": "feet", "tooth": "teeth", "mouse": "mice", "snowman": "snowmen", "sheep": "sheep",
              "fish": "fish", "goldfish": "goldfish", "leaf": "leaves", "knife": "knives", "loaf": "loaves",
              "cactus": "cacti", "octopus": "octopuses"}  # fmt: skip


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


class Facts(NamedTuple):
    """What a text says is to be seen, without its wording: drawings with their numbers, and what relates them.

    `relations`: drawing, relation, drawing, each of the three without synonyms.
    """

    things: frozenset[tuple[str, int]]
    relations: frozenset[tuple[str, str, str]]
    sky: frozenset[str]


@dataclass(frozen=True)
class Told:
    """What the pocket world makes of a text.

    `relations[n]` stands between things n and n + 1 of those that are not in the sky; `things` has those first.
    `cannot`: things that are known and have no drawing, as the text has them. `unread`: what else is left out.
    The others are phrases of the pocket world, or "".
    """

    things: tuple[Shown, ...]
    relations: tuple[str, ...] = ()
    place: str = ""
    light: str = ""
    view: str = ""
    style: str = ""
    cannot: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

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
    def facts(self) -> Facts:
        """What it says, for comparing it with another's."""
        things: Counter[str] = Counter()
        for thing in self.things:
            things[thing.noun.drawing] += thing.count
        related = set()
        above = {thing.noun.drawing for thing in self.sky} if self.ground else set()
        for one, relation, another in zip(self.ground, self.relations, self.ground[1:], strict=False):
            before, after, plain = one.noun, another.noun, plain_relation(relation)
            if plain == plain_relation(AND):
                continue
            other = OPPOSITES.get(plain)
            if other is not None and (other != plain or after.drawing < before.drawing):
                before, plain, after = after, other, before
            if plain == "above" and before.kind == "sky":  # "a cat under a sun"
                above.add(before.drawing)
            else:
                related.add((before.drawing, plain, after.drawing))
        return Facts(frozenset(things.items()), frozenset(related), frozenset(above))

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


@cache
def plain_relation(phrase: str) -> str:
    """A relation's first phrase among its synonyms: "beneath" -> "under"."""
    wanted: Relation = RELATIONS[phrase]
    first = next(known for known, relation in RELATIONS.items() if relation is wanted)
    return "to the left of" if first == "left of" else first


def read_caption(text: str) -> Told:
    """What the pocket world can draw of any text. Raises InputError where it has a drawing of nothing in it."""
    reader = _Reader(text)
    if not reader.things:
        raise InputError(
            f"the pocket world has no drawing of {list_in_words(reader.cannot)}"
            if reader.cannot
            else f"the pocket world knows nothing that '{' '.join(text.split())[:200]}' names"
        )
    return reader.told


def plurals_of(word: str) -> tuple[str, ...]:
    """The ways in which a noun's plural is written: "mango" -> mangos, mangoes; "scissors" -> scissors."""
    before, _, last = word.rpartition(" ")
    if last in _IRREGULAR:
        ends = [_IRREGULAR[last]]
    elif last.endswith(("ss", "x", "ch", "sh")) or last in ("bus", "cactus", "octopus", "hourglass"):
        ends = [f"{last}es"]
    elif last.endswith("s"):
        ends = [last]
    elif last.endswith("o"):
        ends = [f"{last}s", f"{last}es"]
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        ends = [f"{last[:-1]}ies"]
    elif last.endswith("f"):
        ends = [f"{last}s", f"{last[:-1]}ves"]
    else:
        ends = [f"{last}s"]
    return tuple(f"{before} {end}".strip() for end in ends)


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
        forms = {*plurals_of(word), *([noun.plural] if noun and noun.plural and noun.word == word else [])}
        spelled = word.replace("-", " ") if word == "teddy-bear" else word
        for one in {word, spelled}:
            add("noun", one.removeprefix("The "), _Named(word, noun, False))
        for form in forms:
            for one in {form, form.replace("teddy-", "teddy ")}:
                add("noun", one, _Named(word, noun, True))
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


class _Reader:
    """One text, read from left to right."""

    TOKENS = re.compile(r"<[^<>]*>|,|[^\s,()\[\]{}<>:;|\"\\]+")
    WEIGHTS = re.compile(r":\s*-?[\d.]+\s*(?=[)\]])")

    def __init__(self, text: str) -> None:
        self.things: list[Shown] = []
        self.relations: list[str] = []
        self.cannot: list[str] = []
        self._around: dict[str, str] = {}
        self._missed: list[int] = []
        self._relation = ""
        self._void = False  # the last thing that was named is none that is drawn
        tokens = (token.rstrip(".!?") for token in self.TOKENS.findall(self.WEIGHTS.sub(" ", text.lower())))
        self._words = [token for token in tokens if token]
        start = 0
        while start < len(self._words):
            start = self._take(start)

    @property
    def told(self) -> Told:
        """What was read; there must be a thing."""
        ground = [thing for thing in self.things if not thing.sky]
        place = self._around.get("place", "") or ("" if ground else SKY)
        return Told(
            (*ground, *(thing for thing in self.things if thing.sky)),
            tuple(self.relations),
            place,
            *(self._around.get(what, "") for what in ("light", "view", "style")),
            tuple(self.cannot),
            self._unread,
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
                if not self._relation or self._relation == AND:
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
            pairs = self._words[at : at + 2] in (["pair", "of"], ["pairs", "of"])
            at += 2 * pairs
            for kind, named, end in self._matches(at):
                if kind == "noun" and (best is None or end > best.end):
                    many = named.many and named.word not in plurals_of(named.word)
                    number = count or (PLURAL if many else 1)
                    if self._words[start:begin] == ["a", "pair", "of"] and not many:
                        number = 1  # a pair of scissors
                    if pairs and many:
                        number *= 2
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
        end = found.end
        sky = next((one.end for one in self._matches(end) if one.kind == "sky"), None)
        relation, self._relation = self._relation or AND, ""
        if named.noun is None or len(self.things) == MOST_THINGS:
            self.cannot.append(" ".join(self._words[start:end]))
            self._void = sky is None
            return sky or end
        plain = () if named.noun.is_name else adjectives
        shown = Shown(named.word, named.noun, count, plain, sky is not None)
        if not shown.sky:
            if any(not thing.sky for thing in self.things):
                self.relations.append(AND if self._void else relation)
            self._void = False
        self.things.append(shown)
        return sky or end
