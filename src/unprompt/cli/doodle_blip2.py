"""BLIP-2's part of `unprompt doodle train` and `unprompt doodle caption`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from pathlib import Path

from unprompt.cli.options import add_settings, settings_from, warn
from unprompt.cli.printing import command
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.progress import StepBars
from unprompt.text.english import counted

EXAMPLE = """\
  unprompt doodle train --data PAIRS --model blip2-opt-2.7b --out RUN
  unprompt doodle caption drawings.ndjson --by blip2-opt-2.7b --adapter RUN --out captions.csv
"""
SETTINGS = (Blip2Training, Blip2Machine)
AT_ONCE = 16  # drawings between two steps of the bar, at most


def add_caption_options(parser: argparse.ArgumentParser, declared: Collection[str] = ()) -> None:
    """The options of captioning by a folder of BLIP-2, but those that are `declared`."""
    group = parser.add_argument_group("--by FOLDER of BLIP-2")
    group.add_argument(
        "--adapter", type=Path, metavar="RUN", help="what a training left, or low-rank updates of peft's"
    )
    add_settings(group, CaptionConfig, skip=declared)


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


def caption_drawings(options: argparse.Namespace) -> dict[str, str]:
    """The captions of DRAWINGS (`options.drawings`) by the folder --by: by their ids, in their order.

    Files of strokes are drawn; pictures are shown as they are. What cannot be read is told and left out.
    """
    config = settings_from(options, CaptionConfig)

    from unprompt.doodles.blip2 import Blip2Captioner
    from unprompt.doodles.captioned import find_drawings
    from unprompt.errors import InputError

    keys, sheets = find_drawings(options.drawings)
    captioner = Blip2Captioner.load(Path(options.by), options.adapter, config, options.device)
    said: dict[str, str] = {}
    with StepBars("drawing") as bars:
        for first in range(0, len(keys), AT_ONCE):
            named = {}
            for row in range(first, min(first + AT_ONCE, len(keys))):
                try:
                    named[keys[row]] = sheets[row]
                except InputError as error:
                    warn(str(error))
            said |= zip(named, captioner.caption_pictures(list(named.values())), strict=True)
            bars.show("captioning", min(first + AT_ONCE, len(keys)), len(keys))
    return said
