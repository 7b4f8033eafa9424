"""The pocket world's prompts: scenes from seeds, and a reader that takes a prompt back to its scene."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from unprompt.errors import InputError
from unprompt.pocket.adjectives import ADJECTIVES, SLOTS
from unprompt.pocket.dice import Dice
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.scene import AMOUNTS, LEADING, Scene, Thing
from unprompt.pocket.styles import STYLES
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import Noun, nouns

# --- from a seed to a scene

THINGS = {1: 40, 2: 48, 3: 12}
KINDS = {
    "animal": 20, "person": 15, "face": 6, "plant": 7, "food": 15, "place": 8, "vehicle": 9, "sky": 6,
    "thing": 28,
}  # fmt: skip
ADJECTIVE_COUNTS = {0: 62, 1: 32, 2: 6}
SINGULAR = {"a": 46, "bare": 34, "the": 4}
PLURAL = {
    "many": 30, "two": 18, "three": 12, "four": 5, "five": 4, "six": 3, "a pair of": 6, "several": 4,
    "a dozen": 3,
    "a crowd of": 3, "a row of": 3, "a stack of": 2, "a pile of": 3, "a circle of": 3,
}  # fmt: skip


def sample_scene(seed: int) -> Scene:
    """The scene of a seed; the same on every machine."""
    dice = Dice(seed)
    style = dice.pick(dice.pick(STYLE_GROUPS)) if dice.chance(52) else ""
    view = dice.pick(dice.pick(VIEW_GROUPS)) if dice.chance(10) else ""
    if style.endswith(LEADING) and view.endswith(LEADING):
        view = ""
    coloured = not style or STYLES[style].colour
    count = dice.weighted(THINGS)
    first = _noun(dice, frozenset(KINDS))
    # With at most one adjective each where there are three things, no prompt has more than CLIP's 77 tokens.
    most = 1 if count == 3 else 2
    things, relations = [_thing(dice, first, most, coloured)], []
    for _ in range(count - 1):
        relation = _relation(dice, nouns()[things[-1].noun].kind)
        entry = RELATIONS[relation]
        second = (
            nouns()[dice.pick(sorted(entry.nouns & nouns().keys()))]
            if entry.nouns
            else _noun(dice, entry.after)
        )
        relations.append(relation)
        things.append(_thing(dice, second, most, coloured))
    place = dice.pick(dice.pick(PLACE_GROUPS)) if dice.chance(38) else ""
    lights = [group for group in LIGHT_GROUPS if coloured or not LIGHTS[group[0]].colour]
    light = dice.pick(dice.pick(lights)) if dice.chance(22) else ""
    leads = style.endswith(LEADING) or view.endswith(LEADING)
    place_first = bool(place) and not leads and dice.chance(14)
    commas = bool(place or light) and not place_first and dice.chance(24)
    return Scene(tuple(things), tuple(relations), place, light, view, style, place_first, commas)


def _noun(dice: Dice, kinds: frozenset[str]) -> Noun:
    weights = {kind: weight for kind, weight in KINDS.items() if kind in kinds}
    return dice.pick(dice.pick(_by_drawing()[dice.weighted(weights)]))


def _thing(dice: Dice, noun: Noun, most: int, coloured: bool) -> Thing:
    """The noun with an amount and adjectives that it can take."""
    amount = "bare"
    if noun.plural is not None:
        amount = dice.weighted(PLURAL) if dice.chance(16) else dice.weighted(SINGULAR)
    wanted = 0 if noun.is_name else min(most, dice.weighted(ADJECTIVE_COUNTS))
    slots = [slot for slot in SLOTS if coloured or slot != "colour"]
    chosen = sorted({dice.pick(slots) for _ in range(wanted)}, key=SLOTS.index)
    return Thing(noun.word, amount, tuple(dice.pick(_by_slot()[slot]) for slot in chosen))


def _relation(dice: Dice, before: str) -> str:
    options = [group for group in RELATION_GROUPS if before in RELATIONS[group[0]].before]
    return dice.pick(dice.pick(options))


@cache
def _by_drawing() -> Mapping[str, tuple[tuple[Noun, ...], ...]]:
    """Kind -> its nouns, grouped by drawing, so that a drawing with synonyms comes no more often."""
    groups: dict[str, dict[str, list[Noun]]] = {kind: defaultdict(list) for kind in KINDS}
    for noun in nouns().values():
        groups[noun.kind][noun.drawing].append(noun)
    return {kind: tuple(tuple(group) for group in drawings.values()) for kind, drawings in groups.items()}


@cache
def _by_slot() -> Mapping[str, tuple[str, ...]]:
    return {slot: tuple(word for word, entry in ADJECTIVES.items() if entry.slot == slot) for slot in SLOTS}


def _synonyms(table: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    """Phrases grouped by what they mean."""
    groups: dict[int, list[str]] = defaultdict(list)
    for phrase, meaning in table.items():
        groups[id(meaning)].append(phrase)
    return tuple(tuple(group) for group in groups.values())


RELATION_GROUPS = _synonyms(RELATIONS)
PLACE_GROUPS = _synonyms(PLACES)
LIGHT_GROUPS = _synonyms(LIGHTS)
VIEW_GROUPS = _synonyms(VIEWS)
STYLE_GROUPS = _synonyms(STYLES)


# --- from a prompt back to its scene

AROUND = ("place", "light", "view", "style")
LONGEST_SAID = 200  # characters of a text that an error says back


def read_scene(prompt: str) -> Scene:
    """The scene that a prompt of this grammar describes; capitals and spaces do not matter.

    Where a text could be read in two ways, the longer phrase wins. Raises InputError for any
    other text, with the part that is not understood.
    """
    reader = _Reader(prompt)
    for scene in reader.scenes():
        return scene
    rest = " ".join(reader.words[reader.furthest :])
    known = " ".join(reader.words[: reader.furthest]).replace(" ,", ",")
    where = f"after '{_said(known, end=True)}'" if known else "at its beginning"
    raise InputError(
        f"the pocket world does not understand '{_said(rest) or 'the end'}' {where} in the prompt "
        f"'{_said(prompt)}'; "
        "write prompts for it with: unprompt prompts --engine pocket"
    )


def _said(text: str, end: bool = False) -> str:
    """A text as an error says it back: no more than its beginning, or its `end`."""
    if len(text) <= LONGEST_SAID:
        return text
    return f"…{text[-LONGEST_SAID:]}" if end else f"{text[:LONGEST_SAID]}…"


def read_near_scene(prompt: str) -> tuple[Scene, tuple[str, ...]]:
    """The scene of what is understood in any prompt, and the parts of it that are left out.

    A prompt of this grammar is read as `read_scene` reads it, and nothing is left out. In any other text the
    longest known phrases are taken from left to right: three things at most, and one each of place, light,
    view and style. Things without a relation between them are joined by "and". Brackets and the weights in
    them are passed over. Raises InputError where no thing is found, since nothing would be left to draw.
    """
    try:
        return read_scene(prompt), ()
    except InputError:
        spotter = _Spotter(prompt)
        if not spotter.things:
            raise InputError(
                f"the pocket world knows nothing that the prompt '{_said(prompt)}' names; write prompts for "
                "it with: unprompt prompts --engine pocket"
            ) from None
        return spotter.scene, spotter.left_out


class _Phrases:
    """A table's phrases by their first word, the longest first."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self._by_first: dict[str, list[tuple[list[str], Any]]] = defaultdict(list)
        for phrase, value in pairs:
            words = phrase.lower().split()
            self._by_first[words[0]].append((words, value))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    def at(self, words: list[str], start: int) -> Iterator[tuple[Any, int]]:
        """Every phrase that stands at `start`, with the place after it."""
        if start < len(words):
            for phrase, value in self._by_first.get(words[start], ()):
                if words[start : start + len(phrase)] == phrase:
                    yield value, start + len(phrase)


@cache
def _phrases(what: str) -> _Phrases:
    """The index of one part of speech."""
    if what == "noun":
        return _Phrases((noun.word, (noun, False)) for noun in nouns().values())
    if what == "nouns":
        return _Phrases((noun.plural, (noun, True)) for noun in nouns().values() if noun.plural is not None)
    if what == "amount":
        return _Phrases(
            [(amount.words, key) for key, amount in AMOUNTS.items() if amount.words] + [("an", "a")]
        )
    tables: dict[str, Mapping[str, object]] = {
        "adjective": ADJECTIVES,
        "relation": RELATIONS,
        "place": PLACES,
        "light": LIGHTS,
        "view": VIEWS,
        "style": STYLES,
    }
    return _Phrases((phrase, phrase) for phrase in tables[what])


class _Reader:
    """A backtracking parser over the words of one prompt; `furthest` is the first word it never got past."""

    def __init__(self, prompt: str) -> None:
        self.words = re.findall(r"[^\s,]+|,", prompt.lower())
        self.furthest = 0

    def scenes(self) -> Iterator[Scene]:
        """Every way to read the whole prompt."""
        for style, start in self._optional("style", 0, leading=True):
            for view, begin in self._optional("view", start, leading=True):
                for things, relations, place, light, place_first, commas, end in self._middles(begin):
                    for last_view, after in (
                        self._optional("view", end, comma=True) if not view else [("", end)]
                    ):
                        for last_style, stop in (
                            self._optional("style", after, comma=True) if not style else [("", after)]
                        ):
                            if stop == len(self.words) and not (place_first and begin):
                                yield Scene(
                                    things,
                                    relations,
                                    place,
                                    light,
                                    view or last_view,
                                    style or last_style,
                                    place_first,
                                    commas,
                                )

    def _middles(
        self, start: int
    ) -> Iterator[tuple[tuple[Thing, ...], tuple[str, ...], str, str, bool, bool, int]]:
        """Things, place and light in each order that a prompt may have them."""
        for things, relations, end in self._things(start):
            for commas in (False, True):
                for place, after in self._optional("place", end, comma=commas):
                    for light, stop in self._optional("light", after, comma=commas):
                        if not commas or place or light:
                            yield things, relations, place, light, False, commas, stop
        for place, end in self._match("place", start):
            for things, relations, after in self._things(end + 1) if self._comma(end) else ():
                for light, stop in self._optional("light", after):
                    yield things, relations, place, light, True, False, stop

    def _things(self, start: int) -> Iterator[tuple[tuple[Thing, ...], tuple[str, ...], int]]:
        """One to three things, the fewest first: "on the highway" is a place, not "on" and a thing."""

        def more(things: tuple[Thing, ...], relations: tuple[str, ...], end: int) -> Iterator[Any]:
            yield things, relations, end
            if len(things) < 3:
                for relation, after in self._match("relation", end):
                    for thing, stop in self._thing(after):
                        yield from more((*things, thing), (*relations, relation), stop)

        for thing, end in self._thing(start):
            yield from more((thing,), (), end)

    def _thing(self, start: int) -> Iterator[tuple[Thing, int]]:
        for amount, begin in (*self._match("amount", start), ("", start)):
            counted = "nouns" if amount and AMOUNTS[amount].most > 1 else "noun"
            for adjectives, noun, plural, end in self._described(
                begin, -1, (counted,) if amount else ("noun", "nouns")
            ):
                if (amount and noun.plural is None) or (adjectives and noun.is_name):
                    continue
                yield Thing(noun.word, amount or ("many" if plural else "bare"), adjectives), end

    def _described(
        self, start: int, slot: int, forms: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], Noun, bool, int]]:
        """Adjectives, each of a later slot than the one before, and a noun."""
        for form in forms:
            for (noun, plural), end in self._match(form, start):
                yield (), noun, plural, end
        for adjective, after in self._match("adjective", start):
            own = SLOTS.index(ADJECTIVES[adjective].slot)
            if own > slot:
                for adjectives, noun, plural, end in self._described(after, own, forms):
                    yield (adjective, *adjectives), noun, plural, end

    def _optional(
        self, what: str, start: int, comma: bool = False, leading: bool = False
    ) -> Iterator[tuple[str, int]]:
        """A phrase, after a comma if it needs one; or nothing."""
        for phrase, end in self._match(what, start + comma) if not comma or self._comma(start) else ():
            if what not in ("style", "view") or phrase.endswith(LEADING) == leading:
                yield phrase, end
        yield "", start

    def _comma(self, start: int) -> bool:
        return self.words[start : start + 1] == [","]

    def _match(self, what: str, start: int) -> Iterator[tuple[Any, int]]:
        for value, end in _phrases(what).at(self.words, start):
            self.furthest = max(self.furthest, end)
            yield value, end


class _Spotter:
    """What is known in any text, and `left_out`: the words that are not, those that stand together in one."""

    # The web UI's weights, such as ":1.2)"; its tags, such as "<lora:x:1>", are one token.
    WEIGHTS = re.compile(r":\s*-?[\d.]+\s*(?=[)\]])")
    TOKENS = re.compile(r"<[^<>]*>|,|[^\s,()\[\]{}<>:;|\"\\]+")
    # At the ends of what is left out nobody misses them.
    SILENT = frozenset({"a", "an", "the", "of", "and", "with", "in"})

    def __init__(self, prompt: str) -> None:
        self.things: list[Thing] = []
        self.relations: list[str] = []
        self.around: dict[str, str] = {}
        self._relation: tuple[str, int, int] | None = None  # the last one, and where it stands
        # An end of a sentence is no part of its last word.
        words = [word.rstrip(".!?") for word in self.TOKENS.findall(self.WEIGHTS.sub(" ", prompt.lower()))]
        self._words = [word for word in words if word]
        self._reader = _Reader(prompt)
        self._reader.words = self._words
        self._missed: set[int] = set()
        start = 0
        while start < len(self._words):
            start = self._take(start)
        self._drop_relation()

    @property
    def scene(self) -> Scene:
        """The scene of what was found; there must be a thing."""
        place, light, view, style = (self.around.get(what, "") for what in AROUND)
        return Scene(tuple(self.things), tuple(self.relations), place, light, view, style)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Parts of the prompt, in their order."""
        parts: list[list[str]] = []
        last = -2
        for place in sorted(self._missed):
            if place != last + 1:
                parts.append([])
            parts[-1].append(self._words[place])
            last = place
        for part in parts:
            while part and part[0] in self.SILENT:
                del part[0]
            while part and part[-1] in self.SILENT:
                del part[-1]
        return tuple(" ".join(part) for part in parts if part)

    def _take(self, start: int) -> int:
        """Take the longest phrase at `start`, or leave out the word there; returns where to go on."""
        found: list[tuple[int, str, Any]] = [
            (end, what, phrase)
            for what in (*AROUND, "relation")
            for phrase, end in self._reader._match(what, start)
        ]
        found += [(end, "thing", thing) for thing, end in self._reader._thing(start)]
        if not found:
            if self._words[start] != ",":
                self._missed.add(start)
            return start + 1
        end, what, value = max(found, key=lambda one: one[0])
        if what == "thing":
            self._add(value, start, end)
        elif what == "relation":
            self._drop_relation()
            self._relation = (value, start, end)
        elif what in self.around:
            self._missed.update(range(start, end))
        else:
            self.around[what] = value
        return end

    def _add(self, thing: Thing, start: int, end: int) -> None:
        if len(self.things) == 3:
            self._missed.update(range(start, end))
            return
        if self.things and self._relation:
            self.relations.append(self._relation[0])
            self._relation = None
        elif self.things:
            self.relations.append("and")
        self._drop_relation()
        self.things.append(thing)

    def _drop_relation(self) -> None:
        """A relation that stands between no two things is left out."""
        if self._relation:
            _, start, end = self._relation
            self._missed.update(range(start, end))
            self._relation = None
