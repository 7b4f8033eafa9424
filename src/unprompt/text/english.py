"""English in small: articles and lists, for the sentences that prompts are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Counts are English too: higher rooms have them from here.
from unprompt.errors import agreed as agreed
from unprompt.errors import counted as counted
from unprompt.errors import none_readable as none_readable
from unprompt.errors import part_of as part_of

_SILENT_H = ("hour", "honest", "honor", "honour", "heir")
_SPOKEN_LETTERS = ("x-ray", "led", "suv")  # whole words whose first letter is spoken as its name
# Beginnings with a vowel letter but a consonant's sound: "you", or the "w" of "one".
_SPOKEN_AS_YOU_OR_W = (
    "eu", "ewe", "ufo", "ukulele", "unic", "unif", "unio", "uniq", "unis", "unit", "univ", "usb", "use",
    "usual", "utensil", "utopia", "one", "once",
)  # fmt: skip


def article(following: str) -> str:
    """ "a" or "an", by how the word that follows is spoken."""
    word = following.lower()
    if word.startswith(_SILENT_H) or word.partition(" ")[0] in _SPOKEN_LETTERS:
        return "an"
    return "an" if word.startswith(tuple("aeiou")) and not word.startswith(_SPOKEN_AS_YOU_OR_W) else "a"


def add_article(noun: str) -> str:
    """ "orange" -> "an orange", "unicycle" -> "a unicycle", "sunglasses" -> "sunglasses"."""
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "as")):
        return noun
    return f"{article(noun)} {noun}"


def list_in_words(things: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, (", ".join(things[:-1]), things[-1])))


def join_spaced_digits(text: str) -> str:
    """ "3 5 mm film, 1 9 9 0 s, f 1. 8, 8 k" -> "35mm film, 1990s, f 1.8, 8k".

    So prompts are spelled that were taken apart by a tokenizer, like clip-interrogator's flavors.
    """
    text = re.sub(r"(?<!\S)\d(?: \d)+(?![^\s,.])", lambda found: found[0].replace(" ", ""), text)
    text = re.sub(r"(?<=\d)\. (?=\d)", ".", text)
    return re.sub(r"(?<=\d) (?=(?:s|k|d|t|p|mm|mp)(?![^\s,.]))", "", text)


_IRREGULAR = {
    "fish": "fish", "foot": "feet", "goose": "geese", "knife": "knives", "leaf": "leaves", "loaf": "loaves",
    "man": "men", "mouse": "mice", "person": "people", "sheep": "sheep", "snowman": "snowmen",
    "tooth": "teeth", "woman": "women", "cactus": "cacti", "photo": "photos", "child": "children",
    "sheaf": "sheaves", "shelf": "shelves", "wolf": "wolves", "scarf": "scarves", "deer": "deer",
}  # fmt: skip
_HISSING = ("s", "x", "z", "ch", "sh")
_WITH_OES = ("potato", "tomato", "mosquito", "tornado", "volcano", "hero")


def plural_of(noun: str) -> str:
    """ "fire hydrant" -> "fire hydrants", "wolf" -> "wolves": the last word's plural, of everyday nouns."""
    before, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        many = _IRREGULAR[last]
    elif last.endswith("y") and last[-2:-1] not in set("aeiou"):
        many = f"{last[:-1]}ies"
    elif last.endswith(_HISSING) or last in _WITH_OES:
        many = f"{last}es"
    else:
        many = f"{last}s"
    return f"{before}{space}{many}"


_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count_in_words(count: int) -> str:
    """1 -> "one", 12 -> "twelve", 13 -> "13"."""
    return _COUNTS[count - 1] if 1 <= count <= len(_COUNTS) else str(count)
