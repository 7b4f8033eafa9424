"""What people say who want a drawing coloured: wordings for one colour, two and three, for parts and scenes.

`{n}` is the noun, `{a ...}` an article and what follows, `{c}`, `{d}`, `{e}` the colours of the largest, the
second and the third part, `{p}`, `{q}` words for parts. Some wordings and words for parts are kept out of
training, to see whether new ones are understood.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from unprompt.pocket.scene import AMOUNTS
from unprompt.text.english import add_article, article

if TYPE_CHECKING:
    from numpy.random import Generator

WORDINGS = ("train", "kept")  # sets of them

_SILENT = (
    ("{a n}", "{n}", "a picture of {a n}", "colour this {n}", "{a n} in its usual colours", "the {n}"),
    ("{a n}, please", "a drawing that shows {a n}"),
)
_ONE = (
    (
        "{a c n}", "{n}, {c}", "a drawing of {a c n}", "colour the {n} {c}", "the {n} is {c}", "{c} {n}",
        "paint {a n} in {c}", "{a n} coloured {c}", "make the {n} {c}", "{a n}, mainly {c}", "{c}",
        "a picture of {a c n}", "this {n} in {c}",
    ),
    (
        "I want {a c n}", "{a n} that is {c}", "please, {c} for the {n}", "turn the {n} {c}",
        "mostly {c} {n}", "can you make it {c}?",
    ),
)  # fmt: skip
_TWO = (
    (
        "{a c n} with {d} {p}", "{a c n} with {a d p}", "{a c and d n}", "{a n}, mainly {c}, some {d}",
        "{n} in {c} and {d}", "{a c n} with some {d}", "{a c n}, its {p} {d}", "{a n}: {c}, then {d}",
        "mostly {c} {n} with touches of {d}", "the {n} is {c}, the {p} {d}", "{c} {n}, {d} {p}",
        "colour the {n} {c} and its {p} {d}", "{a n} with {d} {p}, otherwise {c}", "{c} and {d}",
        "{a c n}, and a bit of {d}", "a picture of {a c n} with {d} {p}",
    ),
    (
        "{a n} painted {c}, with {d} details", "{a c n} that has {d} {p}",
        "the {n} is {c} and its {p} are {d}", "{a c n} and {d} for the smaller things",
        "I want {a c n} with {d} {p}", "{a n}, mostly {c} but with some {d}",
    ),
)  # fmt: skip
_THREE = (
    (
        "{a c n} with {d} {p} and {e} {q}", "{a n} in {c}, {d} and {e}", "{c} {n}, {d} {p}, {e} {q}",
        "{a n}: {c}, then {d}, then {e}", "colour the {n} {c}, its {p} {d} and the {q} {e}",
    ),
    ("{a c and d n} with {e} {q}", "the {n} is {c}, its {p} are {d} and the {q} {e}"),
)  # fmt: skip
_PART = (  # {d} is the colour of a part that has a name of its own
    ("{a n} with {d} {p}", "{n}, {d} {p}", "the {p} of the {n} {d}", "{a n} whose {p} is {d}"),
    ("{a n} that has {d} {p}", "give the {n} {d} {p}"),
)
_WHOLE_AND_PART = (
    ("{a c n} with {d} {p}", "{a n} with {d} {p}, otherwise {c}", "{d} {p} and {a c n}"),
    ("{a n} in {c} that has {d} {p}",),
)
_GROUND = (
    (
        " on {a c background}", " on a {c} ground", ", {c} background", " against a {c} sky",
        " in front of a {c} wall", ", the background is {c}",
    ),
    (" before {a c backdrop}", ", with {c} behind it"),
)  # fmt: skip
_FRAMES = (
    ("{s}", "{s}", "a picture of {s}", "colour {s}", "a drawing of {s}", "{s} in a drawing"),
    ("I would like {s}", "show {s}", "{s}, please"),
)
_PARTS = (
    "details|parts|spots|stripes|edges|accents|decorations|ears|wings|legs|leaves|feet|petals|wheels|sides|"
    "inside|trim|tail|belly|roof|windows|eyes|lid|pattern|front|middle|bottom|top|clothes|ends|seeds",
    "horns|handle|collar|buttons|stem|base|fins|corners|door",
)
_TABLES = {
    "silent": _SILENT, "one": _ONE, "two": _TWO, "three": _THREE, "part": _PART,
    "whole and part": _WHOLE_AND_PART, "ground": _GROUND, "frame": _FRAMES,
}  # fmt: skip
THING = ("drawing", "picture", "thing", "sketch", "figure")  # where a noun is not known


def choose_wording(kind: str, wordings: str, random: Generator) -> str:
    """One of a kind's wordings, of those to train on or of those kept out of it."""
    options = _TABLES[kind][WORDINGS.index(wordings)]
    return str(options[int(random.integers(len(options)))])


def choose_part(wordings: str, random: Generator) -> str:
    """A word for some part."""
    options = _PARTS[WORDINGS.index(wordings)].split("|")
    return options[int(random.integers(len(options)))]


def fill_in(wording: str, **words: str) -> str:
    """Put words into a wording: "{a c n}" with c="orange", n="fox" is "an orange fox"."""

    def put(match: re.Match[str]) -> str:
        parts = match[1].split(" ")
        with_article = parts[0] == "a" and len(parts) > 1
        spoken = " ".join(words.get(part, part) for part in parts[with_article:])
        return add_article(spoken) if with_article else spoken

    return re.sub(r"\{([a-z ]+)\}", put, wording)


def coloured_name(name: str, colour: str) -> str:
    """ "two foxes" -> "two red foxes", "an owl" -> "a red owl", "snow" -> "red snow"."""
    for amount in sorted({amount.words for amount in AMOUNTS.values()} | {"an"}, key=len, reverse=True):
        if amount and name.startswith(amount + " "):
            rest = f"{colour} {name[len(amount) + 1 :]}"
            return f"{article(rest)} {rest}" if amount in ("a", "an") else f"{amount} {rest}"
    return f"{colour} {name}"
