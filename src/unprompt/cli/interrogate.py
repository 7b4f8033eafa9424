"""`unprompt interrogate`: image -> text."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from unprompt.cli.options import (
    add_json,
    add_memory,
    add_settings,
    add_texts,
    settings_from,
    take_memory,
    warn,
)
from unprompt.interrogator.config import InterrogateConfig, InterrogatorConfig
from unprompt.networks.captioner_config import CaptionerConfig
from unprompt.networks.clip_config import ClipConfig
from unprompt.progress import StepBars
from unprompt.storage.remote import path_of
from unprompt.storage.text_config import TextConfig
from unprompt.text.english import agreed, counted, part_of

EXAMPLE = """\
  unprompt interrogate IMAGES --out prompts.csv
  unprompt interrogate IMAGES --out prompts.jsonl --mode best --without artists,trending
  unprompt interrogate IMAGES --txt --captions captions.csv --phrases my_lists
  unprompt interrogate IMAGES --recursive --txt --skip-existing --prefix "ohwx, "
  unprompt interrogate a.png b.png --out texts --mode fast --caption "a cat on a roof" \\
      --clip ViT-L-14 --checkpoint vit_l_14.safetensors
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images", type=path_of, nargs="+", metavar="IMAGES", help="images, folders of them, or addresses"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="a .csv or .jsonl, which gets rows as they come, or a folder for one .txt an image",
    )
    add_settings(
        parser,
        InterrogateConfig,
        only=("overwrite", "recursive", "device", "batch", "workers", "cluster", "from_file"),
    )
    add_memory(parser)
    add_json(parser)
    add_texts(parser)

    prompts = parser.add_argument_group("the prompts")
    add_settings(prompts, InterrogatorConfig, only=("mode", "max_flavors", "exact", "sure"))
    prompts.add_argument(
        "--without", default="", metavar="LISTS", help="lists to leave out, like artists,trending"
    )
    prompts.add_argument(
        "--no-repeats",
        dest="repeats",
        action="store_false",
        help="no phrase whose words the prompt has already",
    )
    add_settings(prompts, InterrogateConfig, only=("phrases", "tables"))

    clip = parser.add_argument_group("the CLIP")
    add_settings(clip, ClipConfig)
    add_settings(clip, InterrogateConfig, only=("checkpoint",))

    captions = parser.add_argument_group("the captions")
    add_settings(captions, CaptionerConfig)
    add_settings(captions, InterrogateConfig, only=("caption", "captions"))


def run(options: argparse.Namespace) -> None:
    """Interrogate, then say where the prompts are."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    take_memory(options)
    without = tuple(name.strip() for name in options.without.split(",") if name.strip())
    config = settings_from(
        options,
        InterrogateConfig,
        prompts=settings_from(options, InterrogatorConfig, without=without, repeats=options.repeats),
        clip=settings_from(options, ClipConfig),
        captioner=settings_from(options, CaptionerConfig),
    )

    from unprompt.interrogator.run import interrogate

    with StepBars("image") as bars:
        result = interrogate(
            options.images,
            options.out,
            config,
            settings_from(options, TextConfig),
            bars.show,
        )
    seconds = time.monotonic() - started
    count = result.images - len(result.problems) - result.skipped
    if options.json:
        numbers = {"images": result.images, "prompts": count, "unreadable": len(result.problems)}
        numbers["from_files"] = result.from_files
        more = {"skipped": result.skipped, "seconds": round(seconds, 3), "resumed": result.resumed}
        print(json.dumps({"out": str(result.path), **numbers, **more}))
    else:
        resumed = ", going on from an earlier start" if result.resumed else ""
        skipped = f", {result.skipped:,} had one" if result.skipped else ""
        print(f"{counted(count, 'prompt')} in {seconds:.0f} s{resumed}{skipped}: {result.path}")
        if result.from_files:
            print(
                f"{part_of(result.from_files, result.images, 'image')} {agreed(result.from_files, 'have')} "
                f"{agreed(result.from_files, 'their')} prompt in the file: "
                f"{result.from_files_path}"
            )
    for note in result.notes:
        warn(note)
    if result.problems:
        warn(
            f"{len(result.problems):,} of {counted(result.images, 'image')} could not be read, "
            f"first: {result.problems[0].file}; see {result.problems_path}"
        )
