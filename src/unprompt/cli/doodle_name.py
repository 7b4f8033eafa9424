"""`unprompt doodle name`: what drawings show."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unprompt.cli.options import complete, declare, warn
from unprompt.errors import ConfigError
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.text.english import counted

EXAMPLE = """\
  unprompt doodle name drawing.png
  unprompt doodle name drawings.ndjson --top 5 --out names.csv
  unprompt doodle name FOLDER --weights doodlenet --json
"""
TOLD = 5  # drawings that cannot be read, of which something is said at once


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "name", "name what drawings show, by the words of Quick, Draw!")
    complete(parser, run, EXAMPLE)
    parser.add_argument(
        "drawings", type=Path, metavar="DRAWINGS", help="a file of drawings or a picture, or a folder of them"
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="words for each drawing (%(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a table of imgId,rank,name,probability; none: they are shown",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="NAMER",
        help="a namer of `unprompt doodle train`, or DoodleNet's folder (the package's own)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the names as JSON")


def run(options: argparse.Namespace) -> None:
    """Name the drawings of a file or a folder."""
    if options.top < 1:
        raise ConfigError(f"--top must be at least 1, got {options.top}")

    from unprompt.doodles.name import Namer
    from unprompt.doodles.name_files import name_all, write_names
    from unprompt.networks.devices import pick_device

    namer = Namer.load(options.weights, str(pick_device(options.device)))
    with StepBars("drawing") as bars:
        named = name_all(options.drawings, namer, options.top, bars.show)
    for problem in named.problems[:TOLD]:
        warn(problem)
    if len(named.problems) > TOLD:
        warn(f"and {counted(len(named.problems) - TOLD, 'more problem')} like these")
    if options.out:
        write_names(options.out, named.guesses)
    if options.json:
        found = {key: [guess._asdict() for guess in guesses] for key, guesses in named.guesses.items()}
        print(json.dumps({"names": found, "problems": list(named.problems)}, ensure_ascii=False))
    elif options.out:
        print(f"{counted(len(named.guesses), 'drawing')} named: {options.out}")
    else:
        for key, guesses in named.guesses.items():
            print(f"{key}: {', '.join(f'{guess.word} {guess.probability:.2f}' for guess in guesses)}")
