"""The captioners' part of `unprompt doodle train`: --model groups, grid or cnn-lstm."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import settings_from
from unprompt.doodles.grid_config import GridTraining, LstmTraining
from unprompt.doodles.group_config import GroupMachine, GroupTraining
from unprompt.progress import StepBars
from unprompt.settings import setting
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from unprompt.doodles.drawing import Doodle

GROUPS, GRID, LSTM = "groups", "grid", "cnn-lstm"


@dataclass(frozen=True)
class TaughtBy:
    """With which namer a captioner by groups is taught."""

    namer: Path | None = setting(
        None,
        "namer.safetensors of --model namer, or DoodleNet's folder, that names things for the captioner",
        shown="the package's own",
        metavar="PATH",
    )


# Model -> the classes of its training's settings: what is learnt, and the machine.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    GROUPS: (GroupTraining, GroupMachine, TaughtBy),
    GRID: (GridTraining,),
    LSTM: (LstmTraining,),
}
MODELS = {
    GROUPS: "captions by groups of strokes that a namer names",
    GRID: "captions by attention over a frozen network's map",
    LSTM: "captions by a frozen network and an LSTM",
}


def train_captioner(options: argparse.Namespace, doodles: list[Doodle]) -> None:
    """Teach the captioner `options.model` with drawings and their words, and leave `options.out`."""
    if options.model == GROUPS:
        _train_groups(options, doodles)
    else:
        _train_pixels(options, doodles)


def _train_groups(options: argparse.Namespace, doodles: list[Doodle]) -> None:
    config, machine = settings_from(options, GroupTraining), settings_from(options, GroupMachine)
    taught = settings_from(options, TaughtBy)

    from unprompt.doodles.name import Namer
    from unprompt.doodles.train_groups import MODEL_FILE, train_groups
    from unprompt.networks.devices import choose_device

    namer = Namer.load(taught.namer, choose_device(machine.device))
    about = {
        "from": [path.name for path in options.data],
        "namer": taught.namer.name if taught.namer else "the package's own",
    }
    with StepBars("scene") as bars:
        learnt = train_groups(
            doodles, namer, options.out, config, machine, options.overwrite, about, bars.show
        )
    if os.environ.get("RANK", "0") != "0":
        return
    path = learnt.out / MODEL_FILE
    if options.json:
        rows = {"strokes": learnt.strokes[-1], "names": learnt.names[-1]}
        numbers = {"scenes": learnt.scenes, "seconds": round(learnt.seconds, 3)}
        print(json.dumps({**numbers, "last_epoch": rows, "out": str(path)}))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    print(f"learnt from {counted(learnt.scenes, 'scene')} in {learnt.seconds:.0f} s{resumed}: {path}")
    print(f"try it: unprompt doodle caption DRAWINGS --weights {path}")


def _train_pixels(options: argparse.Namespace, doodles: list[Doodle]) -> None:
    from unprompt.doodles.train_grid import MODEL_FILE, train_grid, train_lstm

    device = getattr(options, "device", None) or "auto"
    with StepBars("scene") as bars:
        if options.model == GRID:
            config = settings_from(options, GridTraining)
            learnt = train_grid(doodles, options.out, config, device, options.overwrite, bars.show)
        else:
            lstm = settings_from(options, LstmTraining)
            learnt = train_lstm(doodles, options.out, lstm, device, options.overwrite, bars.show)
    path = options.out / MODEL_FILE
    if options.json:
        print(json.dumps({"seconds": round(learnt.seconds, 3), "loss": learnt.loss, "out": str(path)}))
        return
    print(f"learnt in {learnt.seconds:.0f} s, the last loss {learnt.loss:.3f}: {path}")
    print(f"grade it: unprompt doodle grade DRAWINGS --others {path}")
