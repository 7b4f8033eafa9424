"""The options of several trainings in one command: each declared once, each training's defaults told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from unprompt.cli.trainings import add_trainings
from unprompt.settings import setting


@dataclass(frozen=True)
class Small:
    """What the first model learns by."""

    batch: int = setting(32, "pictures a step")
    side: int = setting(128, "pixels")


@dataclass(frozen=True)
class Large:
    """What the second learns by: a batch of another size, and something of its own."""

    batch: int = setting(2, "pictures a step")
    rank: int = setting(16, "of updates")


@dataclass(frozen=True)
class Machine:
    """The same for both."""

    device: str = setting("auto", "where")


def test_a_group_tells_its_own_defaults_of_options_that_stand_above() -> None:
    parser = argparse.ArgumentParser()
    add_trainings(parser, "--model", {"small": (Small, Machine), "large": (Large, Machine)})
    told = {group.title: group.description for group in parser._action_groups}
    assert told["--model small: what is learnt"] is None
    assert told["--model large: what is learnt"] == "of the above also: --batch 2"
    assert told["--model large: the machine (changes nothing in the result)"] is None
    assert parser.parse_args(["--batch", "8"]).batch == 8
