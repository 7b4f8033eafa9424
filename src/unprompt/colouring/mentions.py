"""Colours that words name: where they stand, and which they are."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from unprompt.colouring.palette import ABROAD, BASIC, CODE, Colour, lightened, names, parse_code

PLACEHOLDER = "colored"  # stands for every colour where only its place in the sentence matters
SHADED = {
    "light": 0.45, "pale": 0.6, "pastel": 0.6, "dark": -0.4, "deep": -0.3, "bright": 0.0, "vivid": 0.0,
    "neon": 0.0, "연한": 0.45, "진한": -0.3, "어두운": -0.4, "밝은": 0.45, "hell": 0.45, "dunkel": -0.4,
}  # fmt: skip
# Names that are things as well: these are colours only before a noun, or where a colour is asked for.
CLEAR = frozenset(
    [
        "scarlet",
        "crimson",
        "maroon",
        "burgundy",
        "golden",
        "navy",
        "teal",
        "turquoise",
        "cyan",
        "magenta",
        "beige",
        "lilac",
        "mauve",
        "indigo",
        "azure",
        "blond",
        "blonde",
        "gray",
        "khaki",
        "violet",
        "tan",
        "silver",
    ]
)
LOOKED_BACK = 20  # characters before a name: what follows is no longer than that
# After these stands a thing: "an orange", "two peaches", "a drawing of salmon".
_BEFORE_THING = re.compile(
    r"\b(?:an?|the|this|that|one|two|three|four|(?<!bit )(?<!touch )(?<!touches )of|with|holding|eating)$",
    re.IGNORECASE,
)
_FUNCTION = (
    "a an the and or but with without in on of at to for by from beside near under over above behind between "
    "is are was were has have that which who next along around into onto wearing holding riding eating"
)
_BEFORE_NOUN = re.compile(rf"[ -](?!(?:{_FUNCTION.replace(' ', '|')})\b)[^\W\d]", re.IGNORECASE)


class Mention(NamedTuple):
    """A colour in a text: characters `start` to `end` name it."""

    start: int
    end: int
    colour: Colour


def find_mentions(words: str) -> tuple[Mention, ...]:
    """The colours that a text names, in its order.

    Basic words in English, Korean, German, French, Spanish, Japanese and Chinese; shades ("crimson", "light
    blue", "dark green"); CSS's names; codes such as #2e8b57. "an orange" and "a rose" are things.
    """
    found: list[Mention] = []
    for match in _pattern().finditer(words):
        if match["name"] is not None and _is_thing(words, match):
            continue
        colour, start = _colour(match), match.start()
        if found and start - found[-1].end == 1 and found[-1].colour.basic == colour.basic:
            if words[found[-1].start : found[-1].end].lower() == match[0].lower():
                continue  # "an orange orange"
            start, _, colour = found.pop()  # "navy blue" is navy
        found.append(Mention(start, match.end(), colour))
    return tuple(found)


def with_placeholders(words: str, mentions: tuple[Mention, ...]) -> tuple[str, tuple[int, ...]]:
    """The text with one word for all colours, and where in it that word begins for each mention."""
    text, starts, last = "", [], 0
    for mention in mentions:
        text += words[last : mention.start]
        starts.append(len(text))
        text += PLACEHOLDER
        last = mention.end
    return text + words[last:], tuple(starts)


def without_colours(noun: str) -> str:
    """A noun without the colours before it: "red apple" is an apple."""
    for mention in reversed(find_mentions(noun)):
        noun = f"{noun[: mention.start].strip()} {noun[mention.end :].strip()}".strip()
    return noun


def _colour(match: re.Match[str]) -> Colour:
    if match["code"]:
        return parse_code(match["code"])
    rgb, basic = names()[re.sub(r"[\s-]+", "", match["name"].lower())]
    share = SHADED.get((match["shade"] or "").lower(), 0.0)
    return Colour(lightened(rgb, share), basic) if share else Colour(rgb, basic)


def _is_thing(words: str, match: re.Match[str]) -> bool:
    name = match["name"].lower()
    if match["shade"] or match["ending"] or name in CLEAR or name in _words_abroad():
        return False
    if name in BASIC and name != "orange":
        return False
    end = match.start()
    while end and words[end - 1].isspace():
        end -= 1
    if not _BEFORE_THING.search(words[max(0, end - LOOKED_BACK) : end]) or _BEFORE_NOUN.match(
        words, match.end()
    ):
        return False
    return not _and_colour().match(words, match.end())  # "with orange and blue stripes"


@cache
def _and_colour() -> re.Pattern[str]:
    return re.compile(rf"(?:,? and |,? or |, )(?:{_pattern().pattern})", re.IGNORECASE)


@cache
def _words_abroad() -> frozenset[str]:
    return frozenset(word for line in ABROAD.values() for word in line.split(" "))


@cache
def _pattern() -> re.Pattern[str]:
    def options(those: list[str]) -> str:
        return "|".join(re.escape(name) for name in sorted(those, key=len, reverse=True))

    plain = ["sky blue", *(name for name in names() if name.isascii())]
    # CSS writes "lightgreen", people "light green", which is a shade of their green.
    latin = [name for name in names() if not name.isascii() and name < "\u0370"]
    joined = [name for name in names() if name > "\u0370"]
    shades = options(list(SHADED))
    return re.compile(
        rf"(?P<code>{CODE.pattern})"
        rf"|(?:\b(?P<shade>{shades})[ -]*)?"
        rf"(?P<name>\b(?:{options(plain + latin)})(?=(?:d?ish|[ -]?colou?red)?(?![^\W_]))"
        rf"|(?:{options(joined)}))"
        r"(?P<ending>d?ish|[ -]colou?red)?",
        re.IGNORECASE,
    )
