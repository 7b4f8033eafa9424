"""A set of doodles that was made, with what was left out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from unprompt.records import Problem


class Listed(NamedTuple):
    """What is known of a drawing of a set, without the drawing. `strokes`, `points`: how many it has."""

    key: str
    word: str
    country: str
    recognised: bool | None
    caption: str
    strokes: int
    points: int


@dataclass(frozen=True, eq=False)
class DoodleSet:
    """What `data.prepare_doodles` left in `out`: drawings by split, without copies, and what was left out.

    `copies`: warped ones beside them. `repeated`: drawings that were there before. `beyond`: those above
    `most` of their word. `unguessed`: those that the game did not guess, where these are left out.
    """

    out: Path
    drawings: Mapping[str, Sequence[Listed]]
    copies: int
    repeated: int
    beyond: int
    unguessed: int
    problems: tuple[Problem, ...]

    @property
    def count(self) -> int:
        """How many drawings there are, without copies."""
        return sum(map(len, self.drawings.values()))
