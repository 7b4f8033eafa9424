"""`unprompt doodle train`: namers of drawings, and what writes captions for them."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import (
    add_json,
    add_settings,
    complete,
    declare,
    given_settings,
    settings_from,
    warn,
)
from unprompt.doodles.namer_config import NamerMachine, NamerTraining
from unprompt.errors import ConfigError, InputError
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from unprompt.doodles.drawing import Doodle

EXAMPLE = """\
  unprompt doodle train --data QUICKDRAW --held-out TEST.ndjson --teacher doodlenet --out RUN
  unprompt doodle train --data QUICKDRAW --architecture doodlenet --weights doodlenet --out RUN
"""
# Model -> the classes of its training's settings, in the order in which they are shown.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {"namer": (NamerTraining, NamerMachine)}
MODELS = {"namer": "words for single drawings"}


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "train", "teach a network to name drawings or to describe them")
    complete(parser, run, EXAMPLE)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="DRAWINGS", help="drawings with their words"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for model and curves")
    known = "; ".join(f"{name}: {about}" for name, about in MODELS.items())
    parser.add_argument("--model", default="namer", help=f"{known} (%(default)s)")
    parser.add_argument(
        "--more",
        type=Path,
        nargs="+",
        default=[],
        metavar="DRAWINGS",
        help="--model namer: drawings that nobody drew, seen less often",
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="DRAWINGS", help="others, looked at after each epoch"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)
    declared: set[str] = set()  # an option that two models have is declared once
    for model, kinds in SETTINGS.items():
        for title, kind in zip(
            ("what is learnt", "the machine (changes nothing in the result)"), kinds, strict=True
        ):
            group = parser.add_argument_group(f"--model {model}: {title}")
            add_settings(group, kind, skip=declared, left_open=True)
            declared |= {item.name for item in fields(kind)}


def run(options: argparse.Namespace) -> None:
    """Train the model that was asked for."""
    options.when_interrupted = "run the same command again to go on from the last save"
    if options.model not in SETTINGS:
        raise ConfigError(f"--model {options.model} is none of {', '.join(SETTINGS)}")
    _check_options(options)
    trainers: Mapping[str, Callable[[argparse.Namespace], None]] = {"namer": _train_namer}
    trainers[options.model](options)


def _check_options(options: argparse.Namespace) -> None:
    """Raise ConfigError for an option that was given and belongs to another model."""
    own = {name for kind in SETTINGS[options.model] for name in given_settings(options, kind)}
    for model, kinds in SETTINGS.items():
        for name in (name for kind in kinds for name in given_settings(options, kind)):
            if name not in own:
                raise ConfigError(f"--{name.replace('_', '-')} belongs to --model {model}")


def _train_namer(options: argparse.Namespace) -> None:
    config = settings_from(options, NamerTraining)
    machine = settings_from(options, NamerMachine)

    from unprompt.doodles.train_namer import MODEL_FILE, train_namer

    data, more = _read(options.data), _read(options.more)
    held_out = _read([options.held_out]) if options.held_out else []
    about = {"from": [path.name for path in options.data], "more_from": [path.name for path in options.more]}
    with StepBars("drawing") as bars:
        learnt = train_namer(
            data, options.out, config, machine, more, held_out, options.overwrite, about, bars.show
        )
    if os.environ.get("RANK", "0") != "0":
        return
    path = learnt.out / MODEL_FILE
    if options.json:
        numbers = {"drawings": learnt.drawings, "seconds": round(learnt.seconds, 3)}
        print(json.dumps({**numbers, "last_epoch": learnt.rows[-1], "out": str(path)}))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    print(f"learnt from {counted(learnt.drawings, 'drawing')} in {learnt.seconds:.0f} s{resumed}: {path}")
    print(f"try it: unprompt doodle name DRAWINGS --weights {path}")


def _read(paths: list[Path]) -> list[Doodle]:
    """All drawings of files and folders that are not empty; InputError where there is none."""
    from unprompt.doodles.read import read_doodles
    from unprompt.records import Problem

    problems: list[Problem] = []
    found = [one for path in paths for one in read_doodles(path, problems) if one.drawing.strokes]
    if problems:
        first = f"{problems[0].file}: {problems[0].problem}"
        warn(f"{counted(len(problems), 'drawing')} cannot be read, first: {first}")
    if paths and not found:
        raise InputError(f"no drawings in {', '.join(map(str, paths))}")
    return found
