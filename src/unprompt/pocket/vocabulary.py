"""The nouns of the pocket world and the drawings they stand for, read from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

UNCOUNTED = "-"
COUNTRY = "country"


@dataclass(frozen=True)
class Noun:
    """A noun, its plural (None: never counted), what kind of thing it is, and its drawing's file name."""

    word: str
    plural: str | None
    kind: str
    drawing: str

    @property
    def is_name(self) -> bool:
        """Whether it stands alone, without adjectives: Santa Claus, the Eiffel Tower."""
        return self.plural is None and (self.word[0].isupper() or self.word.startswith("the "))


@cache
def nouns() -> Mapping[str, Noun]:
    """Every noun that a subject can have, by its singular; several may share a drawing."""
    return {noun.word: noun for noun in _table() if noun.kind != COUNTRY}


@cache
def countries() -> Mapping[str, Noun]:
    """The countries that a scene can be set in, by name; their drawing is the flag."""
    return {noun.word: noun for noun in _table() if noun.kind == COUNTRY}


@cache
def _table() -> tuple[Noun, ...]:
    """The rows of data/pocket/drawings.tsv, one noun each."""
    text = files("unprompt").joinpath("data", "pocket", "drawings.tsv").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        kind, drawing, names = line.split("\t")
        for name in names.split("; "):
            word, plural = name.split("/")
            found.append(Noun(word, None if plural == UNCOUNTED else plural, kind, drawing))
    return tuple(found)
