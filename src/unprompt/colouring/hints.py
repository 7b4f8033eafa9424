"""Colours that are asked for by name, and clicks that ask for them."""

from __future__ import annotations

from typing import NamedTuple

from unprompt.colouring.mentions import find_mentions
from unprompt.errors import ConfigError
from unprompt.pocket.closing import NOTHING

BARE = "paper"  # the name of no colour


class Hint(NamedTuple):
    """A click: the region at pixel (x, y) gets this colour, 0xRRGGBB, or NOTHING to be left as paper."""

    x: int
    y: int
    rgb: int


def read_hint(text: str) -> Hint:
    """A hint as it is typed: "120,80,navy", "120,80,#2e8b57" or "120,80,paper". Raises ConfigError."""
    parts = text.split(",", 2)
    try:
        x, y = (int(part) for part in parts[:2])
        name = parts[2]
    except (ValueError, IndexError):
        raise ConfigError(f"hint '{text}' is not X,Y,COLOUR, such as 120,80,navy") from None
    return Hint(x, y, read_colour(name))


def read_colour(name: str) -> int:
    """A colour by name or code, such as "light blue" and #2e8b57, as 0xRRGGBB; NOTHING for "paper".

    Raises ConfigError for anything else.
    """
    said = name.strip()
    if said.lower() == BARE:
        return NOTHING
    found = find_mentions(said)
    if len(found) != 1 or (found[0].start, found[0].end) != (0, len(said)):
        raise ConfigError(
            f"'{name}' is no colour; write a name such as light blue, a code such as #2e8b57, or {BARE}"
        )
    return found[0].colour.rgb
