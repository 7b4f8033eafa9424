"""`unprompt train`: fine-tune an image backbone to prompt embeddings."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, add_settings, given_settings, settings_from
from unprompt.cli.printing import command
from unprompt.cli.trainings import speaks
from unprompt.progress import StepBars
from unprompt.regression.config import MachineConfig, TrainConfig

if TYPE_CHECKING:
    from unprompt.regression.scores import EpochScores

EXAMPLE = """\
  unprompt train DATASET --out RUN --backbone tf_efficientnet_lite0 --fold-norms --size 128
  unprompt train DATASET --out RUN --weights vit_base_patch16_224.safetensors --batch 128 --epochs 5
  unprompt train DATASET --out RUN --config STUDY/best.toml --epochs 10
  accelerate launch --num_processes 2 -m unprompt train DATASET --out RUN --weights FILE
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="images with prompts")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder for checkpoints and curves"
    )
    parser.add_argument("--config", type=Path, metavar="TOML", help="settings; options override them")
    parser.add_argument("--overwrite", action="store_true", help="replace another training run in RUN")
    add_json(parser)
    add_settings(parser.add_argument_group("what is learnt"), TrainConfig, left_open=True)
    machine = parser.add_argument_group("the machine (changes nothing in the result)")
    add_settings(machine, MachineConfig, left_open=True)


def read_settings(options: argparse.Namespace) -> TrainConfig:
    """What is learnt, and how: the defaults, then the settings of `--config`, then the options."""
    from unprompt.storage.toml_files import read_config

    named = given_settings(options, TrainConfig)
    given: dict[str, Any] = read_config(options.config, TrainConfig) if options.config else {}
    for one, other in (("weights", "from_scratch"), ("from_scratch", "weights")):
        if named.get(one):  # overrides what the file has in its place
            given.pop(other, None)
    return TrainConfig(**given | named)


def run(options: argparse.Namespace) -> None:
    """Train, showing each epoch's scores, then say where everything is."""
    options.when_interrupted = "run the same command again to go on from the last save"

    config, machine = read_settings(options), settings_from(options, MachineConfig)

    from tqdm import tqdm

    from unprompt.regression.checkpoint import MODEL_FILE
    from unprompt.regression.train import train

    def show(scores: EpochScores) -> None:
        if not options.json:
            tqdm.write(describe_epoch(scores))  # above the bar

    with StepBars("image") as bars:
        result = train(options.dataset, options.out, config, machine, options.overwrite, bars.show, show)
    if not speaks():
        return
    if options.json:
        numbers: dict[str, Any] = {
            "train_images": result.train_images,
            "validation_images": result.validation_images,
        }
        numbers["seconds"] = round(result.seconds, 3)
        print(json.dumps({"out": str(result.out), **numbers, "best": asdict(result.best)}))
        return
    best = result.best
    print(
        f"validation score {best.validation:.4f} after epoch {best.epoch} (constant {best.constant:.4f}), "
        f"{result.train_images:,} training and {result.validation_images:,} validation images, "
        f"{result.seconds:.0f} s"
    )
    print(f"checkpoint  {result.out / MODEL_FILE}")
    print(f"curves      {result.out / 'curves.png'}")
    bundle = result.out / "bundle.toml"
    print(f"next        {command('predict', 'IMAGES', '--out', 'PREDICTED', '--bundle', bundle)}")


def describe_epoch(scores: EpochScores) -> str:
    """An epoch in a line: "epoch 3  train 0.5512  validation 0.5304  …"."""
    name = f"epoch {scores.epoch}" if scores.epoch else "probe  "
    return (
        f"{name}  train {scores.train:.4f}  validation {scores.validation:.4f}  "
        f"constant {scores.constant:.4f}  loss {scores.loss:.4f}  {scores.images_per_second:.3g} images/s"
    )
