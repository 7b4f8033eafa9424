"""`unprompt caption`: one sentence about each image."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import (
    add_json,
    add_memory,
    add_settings,
    add_texts,
    settings_from,
    take_memory,
    warn,
)
from unprompt.cli.printing import found_is_printed
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.progress import StepBars
from unprompt.settings import CLUSTER, CLUSTERS, DEVICES
from unprompt.storage.remote import path_of
from unprompt.storage.text_config import TextConfig
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.interrogator.caption_files import Captioned

EXAMPLE = """\
  unprompt caption IMAGES
  unprompt caption IMAGES --model blip-image-captioning-large --out captions.csv
  unprompt caption IMAGES --recursive --txt --skip-existing --prefix "ohwx, " --metadata-jsonl
  unprompt caption a.png b.png --model model_large_caption.pth --prompt "a painting of"
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images", type=path_of, nargs="+", metavar="IMAGE", help="images, folders of them, or addresses"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="a folder of BLIP, BLIP-2 or GIT, Salesforce's .pth of BLIP, a folder that a training of a "
        "captioner has left, or the checkpoint blip-base (the checkpoint blip-large)",
    )
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FOLDER",
        help="where bert-base-uncased's vocab.txt is, for a .pth that has it not beside it",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write imgId,caption as .csv or .jsonl instead of printing"
    )
    add_settings(parser, CaptionConfig)
    add_memory(parser)
    parser.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    parser.add_argument("--cluster", choices=CLUSTERS, help=CLUSTER)
    parser.add_argument("--overwrite", action="store_true", help="replace a table or texts that are there")
    add_json(parser)
    add_texts(parser)


def run(options: argparse.Namespace) -> None:
    """Caption, printing as they come or writing them."""
    started = time.monotonic()
    config = settings_from(options, CaptionConfig)
    texts = settings_from(options, TextConfig)
    take_memory(options)
    if options.out or texts.is_wanted:
        options.when_interrupted = "run the same command again to go on; what is done is kept"

    from tqdm import tqdm

    from unprompt.interrogator.caption_files import caption

    printing = not (options.out or options.json or texts.is_wanted)
    found: list[Captioned] = []

    def until_now() -> dict[str, Any]:
        captions = captions_of(found)
        if not options.json or options.out or texts.is_wanted or not captions:
            return {}
        return numbers_of(len(found), len(found) - len(captions), started) | {"captions": captions}

    with found_is_printed(until_now), StepBars("image") as bars:

        def tell(captioned: Captioned) -> None:
            """Each caption, as soon as it is there."""
            found.append(captioned)
            if captioned.caption is None:
                with tqdm.external_write_mode():
                    warn(f"{captioned.file.name}: {captioned.problem}")
            elif printing:
                tqdm.write(f"{captioned.file.image_id}: {captioned.caption}")  # above the bar

        result = caption(
            options.images,
            options.out,
            options.model,
            options.vocabulary,
            config,
            texts,
            options.recursive,
            options.device,
            options.overwrite,
            options.cluster,
            tell,
            bars.show,
        )
    unreadable, seconds = len(result.problems), time.monotonic() - started
    captions = captions_of(result.found)
    if options.json:
        numbers = numbers_of(result.images, unreadable, started)
        if texts.is_wanted:
            numbers |= {"captions": len(captions), "skipped": result.skipped}
        what = {"out": str(result.path)} if result.path else {"captions": captions}
        print(json.dumps(numbers | what, ensure_ascii=False))
    elif result.path:
        skipped = f", {result.skipped:,} had one" if result.skipped else ""
        resumed = ", going on from an earlier start" if result.resumed else ""
        print(f"{counted(len(captions), 'caption')} in {seconds:.0f} s{resumed}{skipped}: {result.path}")
    for note in result.notes:
        warn(note)
    if unreadable and not options.json:
        warn(f"{unreadable:,} of {counted(result.images, 'image')} could not be read")


def captions_of(found: Sequence[Captioned]) -> dict[str, str]:
    """The captions by image id, of the images that could be read."""
    return {one.file.image_id: one.caption for one in found if one.caption is not None}


def numbers_of(images: int, unreadable: int, started: float) -> dict[str, Any]:
    """What `--json` prints of the work as a whole."""
    return {"images": images, "unreadable": unreadable, "seconds": round(time.monotonic() - started, 3)}
