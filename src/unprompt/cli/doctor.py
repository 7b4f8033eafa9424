"""`unprompt doctor`: one page about this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.cli.options import add_json
from unprompt.errors import CheckpointError

EXAMPLE = """\
  unprompt doctor
  unprompt doctor --images 16000
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--images", type=int, default=16000, metavar="N", help="size of the planned run (%(default)s)"
    )
    parser.add_argument(
        "--bundle", default=DEFAULT_BUNDLE, metavar="NAME", help="bundle of the planned run (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where it is to go (here)")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Examine and print; ends with an error where the bundle cannot run."""
    from unprompt.runs.doctor import examine

    findings = examine(options.bundle, options.images, options.out)
    if options.json:
        print(json.dumps(findings.as_dict(), indent=2))
    else:
        print("\n".join(findings.lines()))
    if findings.trouble is not None:
        raise CheckpointError(f"the bundle '{options.bundle}' cannot run here, as said above")
