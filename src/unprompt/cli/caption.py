"""`unprompt caption`: one sentence about each image."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from unprompt.cli.options import add_json, add_settings, settings_from, warn
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.settings import DEVICES

EXAMPLE = """\
  unprompt caption IMAGES
  unprompt caption IMAGES --model blip-image-captioning-large --out captions.csv
  unprompt caption a.png b.png --model model_large_caption.pth --prompt "a painting of"
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="a folder of BLIP, BLIP-2 or GIT, or Salesforce's .pth of BLIP (the checkpoint blip-large)",
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
    parser.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Caption, printing as they come or writing the table."""
    started = time.monotonic()
    config = settings_from(options, CaptionConfig)

    from tqdm import tqdm

    from unprompt.errors import InputError
    from unprompt.interrogator.caption_files import caption_files, images_of, write_captions
    from unprompt.networks.captioner import Captioner
    from unprompt.networks.devices import choose_device, core_count

    files = images_of(options.images, options.recursive)
    device = choose_device(options.device)
    captioner = Captioner.load(device, options.model, config, options.vocabulary)
    captions: dict[str, str] = {}

    def told() -> Iterator[tuple[str, str]]:
        """Each caption, once it is shown."""
        with tqdm(total=len(files), desc="caption", unit="image", disable=None) as bar:
            for captioned in caption_files(files, captioner, device, core_count()):
                bar.update()
                if captioned.caption is None:
                    with tqdm.external_write_mode():
                        warn(f"{captioned.file.name}: {captioned.problem}")
                    continue
                if not (options.out or options.json):
                    tqdm.write(f"{captioned.file.image_id}: {captioned.caption}")  # above the bar
                captions[captioned.file.image_id] = captioned.caption
                yield captioned.file.image_id, captioned.caption
        if not captions:
            raise InputError(f"none of {len(files)} images could be read; see the lines above")

    if options.out:
        write_captions(options.out, told())
    else:
        for _ in told():
            pass
    unreadable = len(files) - len(captions)
    seconds = time.monotonic() - started
    if options.json:
        numbers = {"images": len(files), "unreadable": unreadable, "seconds": round(seconds, 3)}
        what = {"out": str(options.out)} if options.out else {"captions": captions}
        print(json.dumps(numbers | what, ensure_ascii=False))
        return
    if options.out:
        print(f"{len(captions):,} captions in {seconds:.0f} s: {options.out}")
    if unreadable:
        warn(f"{unreadable:,} of {len(files):,} images could not be read")
