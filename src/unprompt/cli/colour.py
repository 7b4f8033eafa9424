"""`unprompt colour`: line art and words to a coloured picture."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, add_settings, complete, declare, given_settings
from unprompt.colouring.instruct_config import InstructMachine, InstructTraining, training_of
from unprompt.errors import ConfigError
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXAMPLE = """\
  unprompt colour train PAIRS --out RUN --engine instruct --model stable-diffusion-v1-5
"""
TRAIN_EXAMPLE = """\
  unprompt colour train PAIRS --out RUN --engine instruct --model stable-diffusion-v1-5
  unprompt colour train PAIRS --out RUN --engine instruct --model instruct-pix2pix --lora 8
  unprompt colour train PAIRS --out RUN --engine instruct --model pocket --steps 2000
"""

# Engine -> the classes of its training's settings, in the order in which they are shown.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    "instruct": (InstructTraining, InstructMachine),
}
ENGINES = {"instruct": "InstructPix2Pix, of a Stable Diffusion or small and from nothing"}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_train(actions)


def _add_train(actions: Any) -> None:
    parser = declare(actions, "train", "teach an engine to colour by words, of pairs with captions")
    complete(parser, run, TRAIN_EXAMPLE)
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="pairs, in any layout of docs/formats.md")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for model and curves")
    known = "; ".join(f"{name}: {about}" for name, about in ENGINES.items())
    parser.add_argument("--engine", choices=tuple(ENGINES), default="instruct", help=f"{known} (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)
    declared: set[str] = set()  # an option that two engines have is declared once
    for engine, kinds in SETTINGS.items():
        for title, kind in zip(
            ("what is learnt", "the machine (changes nothing in the result)"), kinds, strict=True
        ):
            group = parser.add_argument_group(f"--engine {engine}: {title}")
            add_settings(group, kind, skip=declared, left_open=True)
            declared |= {item.name for item in fields(kind)}


def run(options: argparse.Namespace) -> None:
    """Train by the engine that was asked for."""
    options.when_interrupted = "run the same command again to go on from the last save"
    _check_engine_options(options)
    trainers: Mapping[str, Callable[[argparse.Namespace], None]] = {"instruct": _train_instruct}
    trainers[options.engine](options)


def _check_engine_options(options: argparse.Namespace) -> None:
    """Raise ConfigError for an option that was given and belongs to another engine."""
    own = {item.name for kind in SETTINGS[options.engine] for item in fields(kind)}
    for engine, kinds in SETTINGS.items():
        for name in (name for kind in kinds for name in given_settings(options, kind)):
            if name not in own:
                flag = name.replace("_", "-")
                raise ConfigError(
                    f"--{flag} belongs to --engine {engine}; the engine here is {options.engine}"
                )


def _train_instruct(options: argparse.Namespace) -> None:
    training, machine = (given_settings(options, kind) for kind in SETTINGS["instruct"])
    config, chosen = training_of(training, machine)

    from unprompt.colouring.train_instruct import MODEL, train_instruct
    from unprompt.datasets.pairs import read_pairs

    with StepBars("pair") as bars:
        learnt = train_instruct(
            read_pairs(options.pairs), options.out, config, chosen, options.overwrite, bars.show
        )
    if os.environ.get("RANK", "0") != "0":  # under `accelerate launch` one process speaks for all
        return
    path = learnt.out / MODEL
    if options.json:
        numbers = {"pairs": learnt.pairs, "steps": learnt.steps, "seconds": round(learnt.seconds, 3)}
        print(json.dumps({**numbers, "last_epoch": learnt.rows[-1], "out": str(path)}))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    loss = learnt.rows[-1]["loss"]
    print(
        f"{counted(learnt.steps, 'step')} on {counted(learnt.pairs, 'pair')} in {learnt.seconds:.0f} s"
        f"{resumed}, the last loss {loss:.4f}: {path}"
    )
