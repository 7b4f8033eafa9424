"""`unprompt train`: fine-tune an image backbone to prompt embeddings."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import StepBars, add_json, command
from unprompt.regression.config import HEADS, PRECISIONS, MachineConfig, TrainConfig

if TYPE_CHECKING:
    from unprompt.regression.scores import EpochScores

EXAMPLE = """\
  unprompt train DATASET --out RUN --backbone tf_efficientnet_lite0 --fold-norms --size 128
  unprompt train DATASET --out RUN --weights vit_base_patch16_224.safetensors --batch 128 --epochs 5
  unprompt train DATASET --out RUN --config STUDY/best.toml --epochs 10
  accelerate launch --num_processes 2 -m unprompt train DATASET --out RUN --weights FILE
"""
NAMES = {"learning_rate": "LR", "weights": "FILE", "backbone": "NAME"}
HELP = {
    "backbone": "a timm model, or open_clip:MODEL for a CLIP image tower",
    "weights": "the backbone's weights, .safetensors or .pth (found by name where a package has them)",
    "from_scratch": "begin with random weights",
    "head": "linear; mlp: d -> 16d, batch norm, ReLU, 384; words: d -> the prompts' words -> 384",
    "word_count": "a words head knows the words of so many training prompts",
    "size": "side of the input in pixels (the backbone's own)",
    "patch": "side of a ViT's patch in pixels (the backbone's own)",
    "drop_path": "stochastic depth",
    "fold_norms": "make batch norms part of the convolutions: a third faster on a CPU",
    "freeze": "patterns of backbone parameters that stay as they are: 'blocks.0.*' '*.conv_dw.weight'",
    "keep_frozen": "run frozen first stages once, and keep what they make of each image",
    "epochs": "how often each image is seen",
    "batch": "images a step, over all processes",
    "learning_rate": "peak, after the warm-up",
    "head_learning_rate": "of the head (the same)",
    "layer_decay": "each layer farther from the head learns this much slower",
    "weight_decay": "of AdamW",
    "warmup": "share of the steps in which the learning rate rises",
    "ema": "decay of the moving average of the weights (0: none)",
    "clip": "longest gradient (0: any)",
    "mse": "share of the squared error in the loss",
    "word_share": "of a words head's cross entropy in the loss",
    "probe": "epochs of the head alone before fine-tuning (0: none; a linear head is solved for at once)",
    "augment": "crop, shift, colour, blur, erase, or flip, which contradicts left and right in prompts",
    "precision": "fp32, bf16 or fp16 (auto: half on a GPU)",
    "validation": "share of the images kept for validation",
    "group_cosine": "prompts at this cosine or nearer stay on one side of the split",
    "limit": "learn from so many images at most",
    "seed": "of the split, the order and the augmentations",
    "device": "auto, cpu, cuda or mps",
    "accumulate": "parts that a batch is cut into where memory is short; the result stays the same",
    "checkpointing": "less memory for a third more time",
    "compile": "torch.compile",
    "workers": "processes that decode images",
    "decoded": "keep all images decoded on disk: yes, no, auto",
    "save_minutes": "minutes between two saves: what a kill can cost",
}
CHOICES = {"head": HEADS, "precision": PRECISIONS, "decoded": ("auto", "yes", "no")}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(
        subparsers, "train", run, "fine-tune an image backbone to predict prompt embeddings", EXAMPLE
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="images with prompts")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder for checkpoints and curves"
    )
    parser.add_argument("--config", type=Path, metavar="TOML", help="settings; options override them")
    parser.add_argument("--overwrite", action="store_true", help="replace another training run in RUN")
    add_json(parser)
    add_settings(parser.add_argument_group("what is learnt"), TrainConfig)
    add_settings(parser.add_argument_group("the machine (changes nothing in the result)"), MachineConfig)


def add_settings(group: argparse._ArgumentGroup, kind: type[TrainConfig] | type[MachineConfig]) -> None:
    """An option for each field of a settings class; those not given are None, for a file to give."""
    for item in fields(kind):
        flag, value, text = "--" + item.name.replace("_", "-"), item.default, HELP.get(item.name, "")
        if isinstance(value, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif isinstance(value, tuple):
            group.add_argument(flag, nargs="*", default=None, metavar="NAME", help=text)
        else:
            shown = f" ({value})" if value not in (None, 0, -1) and "(" not in text else ""
            group.add_argument(
                flag,
                type=Path if value is None else type(value),
                choices=CHOICES.get(item.name),
                metavar=NAMES.get(item.name, "N" if isinstance(value, int) else "X")
                if item.name not in CHOICES
                else None,
                default=None,
                help=text + shown,
            )


def read_settings(options: argparse.Namespace) -> tuple[TrainConfig, MachineConfig]:
    """The settings of a command: defaults, then those of `--config`, then the options."""
    from unprompt.storage.toml_files import read_config

    given: dict[str, Any] = read_config(options.config, TrainConfig) if options.config else {}
    given |= _given(options, TrainConfig)
    if given.get("weights") and given.get("from_scratch") and options.from_scratch:
        del given["weights"]
    return TrainConfig(**given), MachineConfig(**_given(options, MachineConfig))


def _given(options: argparse.Namespace, kind: type[TrainConfig] | type[MachineConfig]) -> dict[str, Any]:
    values = {item.name: getattr(options, item.name) for item in fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def run(options: argparse.Namespace) -> None:
    """Train, showing each epoch's scores, then say where everything is."""
    options.when_interrupted = "run the same command again to go on from the last save"

    config, machine = read_settings(options)

    from tqdm import tqdm

    from unprompt.regression.checkpoint import MODEL_FILE
    from unprompt.regression.train import train

    def show(scores: EpochScores) -> None:
        if not options.json:
            tqdm.write(describe_epoch(scores))  # above the bar

    with StepBars("image") as bars:
        result = train(options.dataset, options.out, config, machine, options.overwrite, bars.show, show)
    if os.environ.get("RANK", "0") != "0":  # under `accelerate launch` one process speaks for all
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
    print(f"next        unprompt predict IMAGES --out PREDICTED --bundle {result.out / 'bundle.toml'}")


def describe_epoch(scores: EpochScores) -> str:
    """An epoch in a line: "epoch 3  train 0.5512  validation 0.5304  …"."""
    name = f"epoch {scores.epoch}" if scores.epoch else "probe  "
    return (
        f"{name}  train {scores.train:.4f}  validation {scores.validation:.4f}  "
        f"constant {scores.constant:.4f}  loss {scores.loss:.4f}  {scores.images_per_second:.0f} images/s"
    )
