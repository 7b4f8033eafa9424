"""`unprompt doodle name`: what drawings show."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, complete, declare, warn
from unprompt.cli.printing import found_is_printed
from unprompt.errors import ConfigError, InputError
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.drawing import Doodle
    from unprompt.doodles.name import Guess
    from unprompt.records import Problem

EXAMPLE = """\
  unprompt doodle name drawing.png
  unprompt doodle name drawings.ndjson --top 5 --out names.csv
  unprompt doodle name FOLDER --weights doodlenet --json
"""
OVERWRITE = "replace a table that is there, or was begun with something else"
GOES_ON = "run the same command again to go on; what is done is kept"
TOLD = 5  # drawings that cannot be read, of which something is said at once


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "name", "name what drawings show, by the words of Quick, Draw!")
    complete(parser, run, EXAMPLE)
    parser.add_argument(
        "drawings",
        type=Path,
        nargs="+",
        metavar="DRAWINGS",
        help="files of drawings, pictures, or folders of them",
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="words for each drawing (%(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a table of imgId,rank,name,probability, .csv or .jsonl; none: they are shown",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="NAMER",
        help="a namer of `unprompt doodle train`, or DoodleNet's folder (the package's own)",
    )
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)
    add_json(parser)


def warn_of(problems: Sequence[Problem]) -> None:
    """Tell the first drawings that were left out, and how many more there are."""
    for problem in problems[:TOLD]:
        warn(f"{problem.image_id}: {problem.problem}")
    if len(problems) > TOLD:
        warn(f"and {counted(len(problems) - TOLD, 'more problem')} like these")


def read_all(paths: Sequence[Path]) -> list[Doodle]:
    """All drawings of files and folders that are not empty; InputError where there is none."""
    from unprompt.doodles.read import read_doodles

    problems: list[Problem] = []
    found = [one for path in paths for one in read_doodles(path, problems) if one.drawing.strokes]
    warn_of(problems)
    if not found:
        raise InputError(
            f"no drawings in {', '.join(map(str, paths))} that are not empty; name .ndjson or .svg files, "
            "pictures of drawings, or a folder of these"
        )
    return found


def run(options: argparse.Namespace) -> None:
    """Name the drawings of files and folders."""
    if options.top < 1:
        raise ConfigError(f"--top must be at least 1, got {options.top}")

    if options.out:
        options.when_interrupted = GOES_ON

    from tqdm import tqdm

    from unprompt.doodles.name_files import name_files

    showing = not (options.out or options.json)
    found: dict[str, list[Guess]] = {}

    def tell(key: str, guesses: list[Guess]) -> None:
        if showing:
            told = ", ".join(f"{guess.word} {guess.probability:.2f}" for guess in guesses)
            tqdm.write(f"{key}: {told}")  # above the bar
        elif not options.out:
            found[key] = guesses

    with found_is_printed(lambda: _as_json(found) if found else {}), StepBars("drawing") as bars:
        named = name_files(
            options.drawings,
            options.weights,
            options.top,
            options.out,
            options.device,
            options.overwrite,
            tell,
            bars.show,
        )
    if options.json:
        problems = [asdict(problem) for problem in named.problems]
        print(json.dumps(_as_json(named.guesses) | {"problems": problems}, ensure_ascii=False))
    elif options.out:
        resumed = ", going on from an earlier start" if named.resumed else ""
        print(f"{counted(len(named.guesses), 'drawing')} named{resumed}: {options.out}")
    warn_of(named.problems)


def _as_json(guesses: Mapping[str, list[Guess]]) -> dict[str, Any]:
    return {"names": {key: [guess._asdict() for guess in some] for key, some in guesses.items()}}
