"""`unprompt doodle`: drawings named, described in words, and turned into pictures."""

from __future__ import annotations

import argparse

from unprompt.cli import doodle_caption, doodle_data, doodle_name, doodle_paint, doodle_train

ACTIONS = (doodle_name, doodle_caption, doodle_paint, doodle_data, doodle_train)
EXAMPLE = "".join(action.EXAMPLE for action in ACTIONS)
run = doodle_name.run  # an action is required, and brings its own


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in ACTIONS:
        action.add(actions)
