"""`unprompt doodle`: drawings named, described in words, and turned into pictures."""

from __future__ import annotations

import argparse

from unprompt.cli import doodle_name, doodle_train

EXAMPLE = doodle_name.EXAMPLE + doodle_train.EXAMPLE
run = doodle_name.run  # an action is required, and brings its own


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in (doodle_name, doodle_train):
        action.add(actions)
