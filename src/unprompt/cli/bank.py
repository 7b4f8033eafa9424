"""`unprompt bank`: data sets -> a bank of image features and prompts, for the member `retrieval`."""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

from unprompt.cli.options import add_json, add_memory, add_settings, settings_from, take_memory, warn
from unprompt.members.config import BankConfig
from unprompt.networks.clip_config import ClipConfig
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.storage.remote import path_of
from unprompt.text.english import agreed, counted

EXAMPLE = """\
  unprompt bank DATASET --out BANK
  unprompt bank DATASET MORE --out BANK --clip ViT-L-14 --checkpoint vit_l_14.safetensors --limit 100000
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "datasets", type=path_of, nargs="+", metavar="DATASET", help="images with prompts, or their address"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BANK", help="folder for the bank")
    add_settings(parser, ClipConfig)
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PATH", help="its file or folder (where it is found)"
    )
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    add_settings(parser, BankConfig)
    add_memory(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace another bank in BANK")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Make the bank, then say what is in it."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.members.bank import KIND, build_bank
    from unprompt.networks.clip import Clip
    from unprompt.networks.devices import choose_device, device_here
    from unprompt.storage.resumable import check_folder

    config = settings_from(options, BankConfig)
    take_memory(options)
    check_folder(options.out, KIND, options.overwrite)  # before the CLIP is loaded, which takes a while
    load = partial(
        Clip.load,
        model=options.clip,
        checkpoint=options.checkpoint,
        statistics=options.statistics,
        pretrained=options.pretrained,
    )
    clip = load(device_here(options.device) if config.cluster else choose_device(options.device))
    with StepBars("image") as bars:
        result = build_bank(
            options.datasets,
            options.out,
            clip,
            options.device,
            config,
            options.overwrite,
            bars.show,
            load=load,
        )
    seconds = time.monotonic() - started
    if options.json:
        numbers = {"images": result.images, "width": result.width, "problems": len(result.problems)}
        print(json.dumps({"out": str(result.folder), **numbers, "seconds": round(seconds, 3)}))
    else:
        resumed = ", going on from an earlier start" if result.resumed else ""
        print(
            f"{counted(result.images, 'image')} x {result.width} features in {seconds:.1f} s{resumed}: "
            f"{result.folder}"
        )
    if result.problems:
        first = result.problems[0]
        warn(
            f"{counted(len(result.problems), 'image')} could not be read and "
            f"{agreed(len(result.problems), 'are')} not in the bank (first: {first.file}: "
            f"{first.problem}); see {result.folder / 'bank.json'}"
        )
