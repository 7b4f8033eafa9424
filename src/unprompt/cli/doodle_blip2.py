"""BLIP-2's part of `unprompt doodle train` and `unprompt doodle caption`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.doodle_name import GOES_ON
from unprompt.cli.options import add_settings, given_settings, settings_from, warn
from unprompt.cli.printing import command
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.blip2_files import Blip2Captions

EXAMPLE = """\
  unprompt doodle train --data PAIRS --model blip2-opt-2.7b --out RUN
  unprompt doodle caption drawings.ndjson --by blip2-opt-2.7b --adapter RUN --out captions.csv
"""
SETTINGS = (Blip2Training, Blip2Machine)


def add_caption_options(parser: argparse.ArgumentParser) -> None:
    """The options of captioning by a folder of BLIP-2, left open."""
    group = parser.add_argument_group("--by FOLDER of BLIP-2")
    group.add_argument(
        "--adapter", type=Path, metavar="RUN", help="what a training left, or low-rank updates of peft's"
    )
    add_settings(group, CaptionConfig, left_open=True)


def given_caption_options(options: argparse.Namespace) -> list[str]:
    """The names of those of `add_caption_options` that were given."""
    return [*(["adapter"] if options.adapter else []), *given_settings(options, CaptionConfig)]


def run_train(options: argparse.Namespace) -> None:
    """Teach the BLIP-2 of --model the captions of the drawings `options.data`, into --out."""
    options.when_interrupted = "run the same command again to go on from the last save"
    config = settings_from(options, Blip2Training)
    machine = settings_from(options, Blip2Machine)

    from unprompt.doodles.blip2 import train_on

    with StepBars("drawing") as bars:
        learnt = train_on(
            options.data, Path(options.model), options.out, config, machine, options.overwrite, bars.show
        )
    last = learnt.rows[-1]
    if options.json:
        numbers = {
            "drawings": learnt.pictures,
            "learning": learnt.learning,
            "parameters": learnt.parameters,
            "seconds": round(learnt.seconds, 3),
            "loss": last["loss"],
            "accuracy": last["accuracy"],
            "out": str(learnt.out),
        }
        print(json.dumps(numbers))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    print(
        f"learnt {learnt.learning:,} of {learnt.parameters:,} parameters from "
        f"{counted(learnt.pictures, 'drawing')} in {learnt.seconds:.0f} s{resumed}"
    )
    print(f"the last epoch: loss {last['loss']:.3f}, {last['accuracy']:.0%} of tokens guessed: {learnt.out}")
    words = ("doodle", "caption", "DRAWINGS", "--by", options.model, "--adapter", learnt.out)
    print(f"try it: {command(*words)}")
    if learnt.cut:
        captions = counted(learnt.cut, "caption")
        warn(f"of {captions} only the first {config.length} tokens were learnt (--length)")


def caption_drawings(options: argparse.Namespace) -> Blip2Captions:
    """Caption DRAWINGS (`options.drawings`) by the folder --by: into --out, or printed as they come."""
    config = settings_from(options, CaptionConfig)
    if options.out:
        options.when_interrupted = GOES_ON
    showing = not (options.out or options.json)

    from tqdm import tqdm

    from unprompt.doodles.blip2_files import caption_files

    def tell(key: str, caption: str) -> None:
        if showing:
            tqdm.write(f"{key}: {caption}")  # above the bar

    with StepBars("drawing") as bars:
        return caption_files(
            options.drawings,
            options.by,
            options.out,
            options.adapter,
            config,
            options.device,
            options.overwrite,
            tell,
            bars.show,
        )
