"""The captioners' part of `unprompt doodle train`: --model groups, grid or cnn-lstm."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from unprompt.cli.doodle_name import read_all
from unprompt.cli.options import settings_from
from unprompt.cli.trainings import tell_training
from unprompt.doodles.grid_config import GridTraining, LstmTraining, PixelMachine
from unprompt.doodles.group_config import GroupTraining
from unprompt.learning.schedule import TrainingMachine
from unprompt.progress import StepBars

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from unprompt.learning.loop import Learnt

GROUPS, GRID, LSTM = "groups", "grid", "cnn-lstm"


# Model -> the classes of its training's settings, in the order in which they are shown.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    GROUPS: (GroupTraining, TrainingMachine),
    GRID: (GridTraining, PixelMachine),
    LSTM: (LstmTraining, PixelMachine),
}
MODELS = {
    GROUPS: "captions by groups of strokes that a namer names",
    GRID: "captions by attention over a frozen network's map",
    LSTM: "captions by a frozen network and an LSTM",
}


def train_captioner(options: argparse.Namespace) -> None:
    """Teach the captioner `options.model` with drawings and their words, and leave `options.out`."""
    if options.model == GROUPS:
        _train_groups(options)
    elif options.model == GRID:
        _train_grid(options)
    else:
        _train_lstm(options)


def _train_groups(options: argparse.Namespace) -> None:
    config, machine = settings_from(options, GroupTraining), settings_from(options, TrainingMachine)

    from unprompt.doodles.name import Namer
    from unprompt.doodles.train_groups import MODEL_FILE, train_groups
    from unprompt.networks.devices import choose_device

    namer = Namer.load(config.namer, choose_device(machine.device))
    doodles = read_all(options.data)
    about = {
        "from": [path.name for path in options.data],
        "namer": config.namer.name if config.namer else "the package's own",
    }
    with StepBars("scene") as bars:
        learnt = train_groups(
            doodles, namer, options.out, config, machine, options.overwrite, about, bars.show
        )
    path = learnt.out / MODEL_FILE
    last = {name: rows[-1] for name, rows in learnt.rows.items()}
    try_it = ("doodle", "caption", "DRAWINGS", "--weights", path)
    tell_training(options, learnt, {"scenes": learnt.scenes}, "scene", last, path, try_it)


def _train_grid(options: argparse.Namespace) -> None:
    config, machine = settings_from(options, GridTraining), settings_from(options, PixelMachine)

    from unprompt.doodles.train_grid import train_grid

    doodles = read_all(options.data)
    with StepBars("scene") as bars:
        learnt = train_grid(doodles, options.out, config, machine.device, options.overwrite, bars.show)
    _tell_loss(options, learnt)


def _train_lstm(options: argparse.Namespace) -> None:
    config, machine = settings_from(options, LstmTraining), settings_from(options, PixelMachine)

    from unprompt.doodles.train_grid import train_lstm

    doodles = read_all(options.data)
    with StepBars("scene") as bars:
        learnt = train_lstm(doodles, options.out, config, machine.device, options.overwrite, bars.show)
    _tell_loss(options, learnt)


def _tell_loss(options: argparse.Namespace, learnt: Learnt) -> None:
    from unprompt.doodles.train_grid import MODEL_FILE

    path = options.out / MODEL_FILE
    if options.json:
        print(json.dumps({"seconds": round(learnt.seconds, 3), "loss": learnt.loss, "out": str(path)}))
        return
    print(f"learnt in {learnt.seconds:.0f} s, the last loss {learnt.loss:.3f}: {path}")
    print(f"grade it: unprompt doodle grade DRAWINGS --others {path}")
