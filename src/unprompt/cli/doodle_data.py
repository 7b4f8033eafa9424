"""`unprompt doodle data`: drawings of any kind as a set to train on, and a page about them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unprompt.cli.options import add_json, add_settings, complete, declare, settings_from, warn
from unprompt.doodles.data_config import DoodleSetSettings
from unprompt.progress import StepBars
from unprompt.text.english import counted

EXAMPLE = """\
  unprompt doodle data QUICKDRAW --out SET --most 500
  unprompt doodle data cat.ndjson scans/ more.svg --out SET --size 0
  unprompt doodle data fscoco --out SET --no-mirror --channels grey --size 384
"""


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "data", "make a set to train on of drawings of any kind, and a page about it")
    complete(parser, run, EXAMPLE)
    parser.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="SOURCES",
        help="Quick, Draw!'s ndjson, .bin, .npy; SVG; pictures; folders of them; FS-COCO, SketchyScene",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="SET", help="the folder for the set")
    add_settings(parser, DoodleSetSettings)
    parser.add_argument("--overwrite", action="store_true", help="replace the set that is in the folder")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Write the set."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"
    settings = settings_from(options, DoodleSetSettings, overwrite=options.overwrite)

    from unprompt.doodles.data import PAGE, PROBLEMS, prepare_doodles

    with StepBars("drawing") as bars:
        made = prepare_doodles(options.sources, options.out, settings, bars.show)
    if options.json:
        splits = {split: len(doodles) for split, doodles in made.drawings.items()}
        print(
            json.dumps(
                {
                    "drawings": splits,
                    "copies": made.copies,
                    "repeated": made.repeated,
                    "beyond": made.beyond,
                    "unreadable": len(made.problems),
                    "out": str(made.out),
                }
            )
        )
        return
    told = ", ".join(f"{len(doodles):,} {split}" for split, doodles in made.drawings.items())
    print(f"{counted(made.count, 'drawing')} ({told}): {made.out}")
    print(f"page: {made.out / PAGE}")
    if made.problems:
        warn(f"{counted(len(made.problems), 'drawing')} left out, see {made.out / PROBLEMS}")
