"""`unprompt doodle`: drawings named, described in words, and turned into pictures."""

from __future__ import annotations

import argparse

EXAMPLE = """\
  unprompt doodle name drawings.ndjson --top 5 --out names.csv
  unprompt doodle caption drawing.png --out captions.csv
  unprompt doodle paint drawing.png --out photo.png
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.add_subparsers(title="actions", metavar="ACTION", required=True)
