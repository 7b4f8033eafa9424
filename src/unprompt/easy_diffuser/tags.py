"""Tags: short texts that name what a picture might or might not show, and which of them a prompt names.

A list of tags is a text file with one tag a line, in the singular; lines that begin with # are passed over.
Two lists come with the package: `common`, a file, and `pocket`, the nouns of the pocket world's grammar.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.easy_diffuser.config import COMMON, POCKET
from unprompt.errors import InputError
from unprompt.pocket.grammar import read_scene
from unprompt.pocket.vocabulary import Noun, nouns
from unprompt.storage.files import read_text
from unprompt.text.words import split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

IRREGULAR = {
    "child": "children", "die": "dice", "foot": "feet", "goose": "geese", "mouse": "mice", "ox": "oxen",
    "person": "people", "tooth": "teeth",
}  # fmt: skip
_POSSESSIVE = re.compile(r"['’]s$")
_HISSING = ("s", "x", "z", "ch", "sh")


def read_tags(name: str | Path) -> tuple[str, ...]:
    """The different tags of a list, in its order: by the name of a list of the package's, or a file's path.

    Raises InputError where there is no such list, for a line without a letter or digit, and for an empty one.
    """
    if name == POCKET:
        return pocket_tags()
    path = Path(str(files("unprompt") / "data" / "easy_diffuser" / f"{COMMON}.txt"))
    if name != COMMON:
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"there is no list of tags {name}; name a text file with one tag a line, or one of the "
                f"package's lists, {COMMON} and {POCKET}"
            )
    tags: dict[str, None] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        tag = " ".join(line.split())
        if not tag or tag.startswith("#"):
            continue
        if not bare_words(tag):
            raise InputError(f"{path}, line {number}: '{tag}' has no letter or digit; write one tag a line")
        tags[tag] = None
    if not tags:
        raise InputError(f"{path} has no tags; write one a line")
    return tuple(tags)


def pocket_tags() -> tuple[str, ...]:
    """One noun for each drawing of the pocket world: synonyms would be the same tag twice."""
    noun_by_drawing: dict[str, str] = {}
    for noun in nouns().values():
        noun_by_drawing.setdefault(noun.drawing, noun.word)
    return tuple(noun_by_drawing.values())


def bare_words(text: str) -> list[str]:
    """The words of a text, without a possessive's 's: "A fox's den, sci-fi" -> a, fox, den, sci, fi."""
    return [_POSSESSIVE.sub("", word) for word in split_words(text)]


def plurals(word: str) -> set[str]:
    """What the plural of an English noun may be: "fox" -> foxes; "scarf" -> scarfs and scarves."""
    if word in IRREGULAR:
        return {IRREGULAR[word]}
    if word.endswith("man"):  # humans, but snowmen
        return {f"{word}s", f"{word[:-3]}men"}
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return {f"{word[:-1]}ies"}
    if word.endswith(_HISSING):
        return {f"{word}es"}
    if word.endswith("o"):
        return {f"{word}s", f"{word}es"}
    if word.endswith("f"):
        return {f"{word}s", f"{word[:-1]}ves"}
    if word.endswith("ife"):
        return {f"{word[:-2]}ves"}
    return {f"{word}s"}


def find_mentions(prompts: Sequence[str], tags: Sequence[str]) -> NDArray[np.bool_]:
    """Which prompts name the concept of which tag: N prompts, T tags -> (N, T).

    A tag is named where its words stand in the prompt one after the other, the last of them in the singular
    or plural. In a prompt of the pocket world's grammar, a tag that is a noun of that world is named where
    the scene has its drawing, or the same kind of thing more closely told: `stag` by a deer and `cat` by a
    black cat, but `dog` not by a hot dog.
    """
    columns_by_words: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for column, tag in enumerate(tags):
        *first, last = bare_words(tag)
        for form in {last, *plurals(last)}:
            columns_by_words[(*first, form)].append(column)
    longest = max(map(len, columns_by_words), default=0)
    noun_by_column = _nouns_among(tags)
    there = np.zeros((len(prompts), len(tags)), dtype=np.bool_)
    for row, prompt in enumerate(prompts):
        words = bare_words(prompt)
        for start in range(len(words)):
            for end in range(start + 1, min(start + longest, len(words)) + 1):
                there[row, columns_by_words.get(tuple(words[start:end]), [])] = True
        shown = _pocket_things(prompt)
        if shown is not None:
            for column, noun in noun_by_column.items():
                there[row, column] = any(_is_a(thing, noun) for thing in shown)
    return there


def _nouns_among(tags: Sequence[str]) -> dict[int, Noun]:
    """The tags that are nouns of the pocket world, by their place."""
    noun_by_word = {noun.word.lower(): noun for noun in nouns().values()}
    return {
        column: noun_by_word[tag.lower()] for column, tag in enumerate(tags) if tag.lower() in noun_by_word
    }


def _pocket_things(prompt: str) -> list[Noun] | None:
    """The nouns of a pocket scene's things, or None for a prompt of another kind."""
    try:
        return [thing.entry for thing in read_scene(prompt).things]
    except InputError:
        return None


def _is_a(thing: Noun, noun: Noun) -> bool:
    """Whether a thing is what the noun says: a guide dog is a dog, a hot dog is not."""
    closer = thing.kind == noun.kind and thing.word.lower().endswith(f" {noun.word.lower()}")
    return thing.drawing == noun.drawing or closer
