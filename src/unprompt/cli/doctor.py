"""`unprompt doctor`: one page about this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.cli.options import add_json
from unprompt.errors import CheckpointError
from unprompt.progress import StepBars

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
    """Examine, and print what is known while the rest is measured; an error where the bundle cannot run."""
    with StepBars("image") as bars:

        def tell(lines: Sequence[str]) -> None:
            bars.close()
            if not options.json:
                print("\n".join(lines), flush=True)

        bars.show("looking at this machine", 0, 0)
        from unprompt.runs.doctor import examine

        findings = examine(options.bundle, options.images, options.out, tell, bars.show)
    if options.json:
        print(json.dumps(findings.as_dict(), indent=2))
    else:
        print("\n".join(findings.run_lines()))
    if findings.trouble is not None:
        raise CheckpointError(f"the bundle '{options.bundle}' cannot run here, as said above")
