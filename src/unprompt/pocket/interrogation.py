"""What an interrogator of pocket scenes chooses from: lists of phrases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.scene import LEADING
from unprompt.pocket.styles import STYLES
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import nouns


def phrase_lists() -> Mapping[str, tuple[str, ...]]:
    """The grammar's own phrases under the names of an interrogator's lists, in the grammar's order.

    How the picture is made is a medium; the world it shows, place and light, a movement; what it shows and
    how it is seen, a flavor. Nothing in this world is like an artist or a site.
    """
    return {
        "mediums": _each_once(map(_alone, STYLES)),
        "movements": _each_once([*PLACES, *LIGHTS]),
        "flavors": _each_once([*nouns(), *map(_alone, VIEWS)]),
    }


def _alone(phrase: str) -> str:
    """A phrase as it stands after a comma: "a pencil sketch", not "a pencil sketch of"."""
    return phrase.removesuffix(LEADING)


def _each_once(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrases))
