"""Scenes: what one picture shows, word by word, and the prompt that says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unprompt.errors import InputError
from unprompt.pocket.adjectives import ADJECTIVES, SLOTS
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.styles import STYLES
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import Noun, nouns
from unprompt.text.english import article


@dataclass(frozen=True)
class Amount:
    """How many of a thing: the words before it, and the least and most drawings that stand for it.

    `layout` says how they are arranged; "" leaves it to the picture's seed.
    """

    words: str
    least: int
    most: int
    layout: str = ""


AMOUNTS = {
    "bare": Amount("", 1, 1),
    "a": Amount("a", 1, 1),
    "the": Amount("the", 1, 1),
    "many": Amount("", 3, 5),
    "two": Amount("two", 2, 2),
    "three": Amount("three", 3, 3),
    "four": Amount("four", 4, 4),
    "five": Amount("five", 5, 5),
    "six": Amount("six", 6, 6),
    "a pair of": Amount("a pair of", 2, 2),
    "several": Amount("several", 4, 6),
    "a dozen": Amount("a dozen", 12, 12, "crowd"),
    "a crowd of": Amount("a crowd of", 9, 12, "crowd"),
    "a row of": Amount("a row of", 5, 5, "row"),
    "a stack of": Amount("a stack of", 4, 4, "stack"),
    "a pile of": Amount("a pile of", 6, 6, "pile"),
    "a circle of": Amount("a circle of", 8, 8, "circle"),
}


@dataclass(frozen=True)
class Thing:
    """One subject: a key of AMOUNTS, adjectives in the order of their slots, and a noun in its singular."""

    noun: str
    amount: str = "a"
    adjectives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        entry = nouns().get(self.noun)
        if entry is None:
            raise InputError(f"the pocket world has no '{self.noun}'")
        if self.amount not in AMOUNTS:
            raise InputError(f"unknown amount '{self.amount}'; use one of: {', '.join(AMOUNTS)}")
        if entry.plural is None and self.amount != "bare":
            raise InputError(f"'{self.noun}' is not counted; its amount is 'bare', not '{self.amount}'")
        if entry.is_name and self.adjectives:
            raise InputError(f"'{self.noun}' is a name and takes no adjectives")
        unknown = [word for word in self.adjectives if word not in ADJECTIVES]
        if unknown:
            raise InputError(f"the pocket world has no adjective '{unknown[0]}'")
        order = [SLOTS.index(ADJECTIVES[word].slot) for word in self.adjectives]
        if order != sorted(set(order)):
            raise InputError(
                f"adjectives {', '.join(self.adjectives)}: write at most one each of {', '.join(SLOTS)}, "
                "in this order"
            )

    @property
    def entry(self) -> Noun:
        """The noun with its drawing."""
        return nouns()[self.noun]

    @property
    def words(self) -> str:
        """The thing as prompts have it: "three tiny red foxes"."""
        amount = AMOUNTS[self.amount]
        plural = amount.most > 1 and self.entry.plural is not None
        words = " ".join((*self.adjectives, self.entry.plural if plural and self.entry.plural else self.noun))
        first = article(words) if self.amount == "a" else amount.words
        return f"{first} {words}" if first else words

    @property
    def plain(self) -> Thing:
        """The same without adjectives."""
        return replace(self, adjectives=())


@dataclass(frozen=True)
class Scene:
    """One scene: one to three things, the relations between them, and where, in what light and how drawn.

    `relations[n]` stands between things n and n + 1. Place, light, view and style are the phrases that the
    prompt has, or empty. `place_first` opens the prompt with the place; `commas` sets place and light off.
    """

    things: tuple[Thing, ...]
    relations: tuple[str, ...] = ()
    place: str = ""
    light: str = ""
    view: str = ""
    style: str = ""
    place_first: bool = False
    commas: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.things) <= 3 or len(self.relations) != len(self.things) - 1:
            raise InputError(
                f"a scene has one to three things and a relation between each two, got {len(self.things)} "
                f"things and {len(self.relations)} relations"
            )
        for what, word, known in (
            *(("relation", relation, RELATIONS) for relation in self.relations),
            ("place", self.place, PLACES),
            ("light", self.light, LIGHTS),
            ("view", self.view, VIEWS),
            ("style", self.style, STYLES),
        ):
            if word and word not in known:
                raise InputError(f"the pocket world has no {what} '{word}'")
        if self.place_first and (not self.place or self.commas or self._leads):
            raise InputError(
                "a prompt opens with its place only where it has one, nothing stands before it, and no commas"
            )
        if self.commas and not (self.place or self.light):
            raise InputError("commas set place and light off, and the scene has neither")

    @property
    def _leads(self) -> str:
        """What stands before the things: the style's or the view's phrase that ends in "of" or the like."""
        return "".join(phrase + " " for phrase in (self.style, self.view) if phrase.endswith(LEADING))

    @property
    def prompt(self) -> str:
        """The prompt that the picture shows."""
        words = self.things[0].words
        for relation, thing in zip(self.relations, self.things[1:], strict=True):
            words += f" {relation} {thing.words}"
        around = [phrase for phrase in (self.place, self.light) if phrase]
        if self.place_first:
            words = " ".join((f"{self.place}, {words}", *around[1:]))
        else:
            words = (", " if self.commas else " ").join((words, *around))
        after = [phrase for phrase in (self.view, self.style) if phrase and not phrase.endswith(LEADING)]
        return self._leads + ", ".join((words, *after))


LEADING = " of"
