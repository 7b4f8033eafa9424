"""Backdrops: what a place says is drawn, and what nothing draws is refused."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.errors import ConfigError
from unprompt.pocket.backdrops import PATTERNS, WALLS, flat, patterned, room
from unprompt.pocket.dice import Dice
from unprompt.pocket.places import PLACES, Place

COLOURS = ("#602040", "#481430", "#a87838", "#684818")


@pytest.mark.parametrize("pattern", list(WALLS))
def test_a_wall_shows_its_pattern(pattern: str) -> None:
    bare, drawn = (room(*COLOURS, name)(128, Dice(3)) for name in ("", pattern))
    changed = (bare != drawn).any(axis=2)
    assert 0.02 < changed[:64].mean() < 0.7
    assert not changed[100:].any()


def test_what_nothing_draws_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown pattern 'ornat' of a wall; use one of: bricks, .*ornate"):
        room(*COLOURS, "ornat")
    with pytest.raises(ConfigError, match=f"unknown pattern 'dotz'; use one of: {', '.join(PATTERNS)}"):
        patterned("#ffffff", "dotz", "#000000")
    with pytest.raises(ConfigError, match="unknown way to strew 'floor'; use one of: back, ground"):
        Place(flat("#ffffff"), strewn="floor")


def test_a_throne_room_and_a_plain_room_of_its_colours_differ() -> None:
    for name in ("in a throne room", "in a casino"):
        wall = PLACES[name].paint(128, Dice(3))[10:60]
        # Along a row the wall has one colour and its grain, of 7 levels; the pattern is brighter.
        assert np.ptp(wall[..., 0], axis=1).mean() > 12
