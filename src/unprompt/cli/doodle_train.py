"""`unprompt doodle train`: namers of drawings, and what writes captions for them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli import doodle_blip2, doodle_train_captioner
from unprompt.cli.doodle_name import read_all
from unprompt.cli.options import (
    add_json,
    complete,
    declare,
    settings_from,
)
from unprompt.cli.trainings import add_trainings, check_belongs, tell_training
from unprompt.doodles.namer_config import NamerTraining
from unprompt.errors import ConfigError
from unprompt.learning.schedule import TrainingMachine
from unprompt.progress import StepBars

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXAMPLE = """\
  unprompt doodle train --data QUICKDRAW --held-out TEST.ndjson --teacher doodlenet --out RUN
  unprompt doodle train --data QUICKDRAW --architecture doodlenet --weights doodlenet --out RUN
  unprompt doodle train --data QUICKDRAW --model groups --out RUN
  unprompt doodle train --data PAIRS --model blip2-opt-2.7b --out RUN
"""
NAMER = "namer"
BLIP2 = "FOLDER"  # as messages call a BLIP-2 on disk
# Model -> the classes of its training's settings, in the order in which they are shown.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    NAMER: (NamerTraining, TrainingMachine),
    **doodle_train_captioner.SETTINGS,
    BLIP2: doodle_blip2.SETTINGS,
}
MODELS = {
    NAMER: "words for single drawings",
    **doodle_train_captioner.MODELS,
    BLIP2: "of a BLIP-2, which learns captions by low-rank updates",
}


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "train", "teach a network to name drawings or to describe them")
    complete(parser, run, EXAMPLE)
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="DRAWINGS",
        help=f"drawings with their words; of --model {BLIP2} with captions",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for model and curves")
    known = "; ".join(f"{name}: {about}" for name, about in MODELS.items())
    parser.add_argument("--model", default=NAMER, metavar="MODEL", help=f"{known} (%(default)s)")
    parser.add_argument(
        "--more",
        type=Path,
        nargs="+",
        default=[],
        metavar="DRAWINGS",
        help=f"--model {NAMER}: drawings that nobody drew, seen less often",
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="DRAWINGS", help=f"--model {NAMER}: others, named after each epoch"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)
    add_trainings(parser, "--model", SETTINGS)


def run(options: argparse.Namespace) -> None:
    """Train the model that was asked for."""
    options.when_interrupted = "run the same command again to go on from the last save"
    model = options.model if options.model in SETTINGS else _of_folder(options.model)
    check_belongs(options, SETTINGS, "--model", model)
    if model != NAMER and (options.more or options.held_out):
        raise ConfigError(f"--more and --held-out belong to --model {NAMER}")
    if model == NAMER:
        _train_namer(options)
    elif model == BLIP2:
        doodle_blip2.run_train(options)
    else:
        doodle_train_captioner.train_captioner(options)


def _of_folder(name: str) -> str:
    """BLIP2 where that is what a folder holds. ConfigError for what is no model."""
    from unprompt.doodles.blip2 import is_blip2

    if not is_blip2(Path(name)):
        raise ConfigError(f"--model {name} is none of {', '.join(SETTINGS)} of a BLIP-2")
    return BLIP2


def _train_namer(options: argparse.Namespace) -> None:
    config = settings_from(options, NamerTraining)
    machine = settings_from(options, TrainingMachine)

    from unprompt.doodles.train_namer import MODEL_FILE, train_namer

    data = read_all(options.data)
    more = read_all(options.more) if options.more else []
    held_out = read_all([options.held_out]) if options.held_out else []
    about = {"from": [path.name for path in options.data], "more_from": [path.name for path in options.more]}
    with StepBars("drawing") as bars:
        learnt = train_namer(
            data, options.out, config, machine, more, held_out, options.overwrite, about, bars.show
        )
    path = learnt.out / MODEL_FILE
    try_it = ("doodle", "name", "DRAWINGS", "--weights", path)
    tell_training(options, learnt, {"drawings": learnt.drawings}, "drawing", learnt.rows[-1], path, try_it)
