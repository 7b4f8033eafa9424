"""`unprompt interrogate`: image -> text."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from unprompt.cli.options import add_json, command, warn

EXAMPLE = """\
  unprompt interrogate IMAGES --out prompts.csv
  unprompt interrogate IMAGES --out prompts.jsonl --mode best --without artists,trending
  unprompt interrogate IMAGES --txt --captions captions.csv --phrases my_lists
  unprompt interrogate a.png b.png --out texts --mode fast --caption "a cat on a roof" \\
      --clip ViT-L-14 --checkpoint vit_l_14.safetensors
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(
        subparsers, "interrogate", run, "write a prompt for each image, of a caption and phrases", EXAMPLE
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="images, or folders of them")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="a .csv or .jsonl, which gets rows as they come, or a folder for one .txt an image",
    )
    parser.add_argument("--txt", action="store_true", help="write one .txt an image, beside it without --out")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--batch", type=int, default=0, metavar="N", help="images at a time (by the device)")
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="threads that read images (one for each core)"
    )
    add_json(parser)

    prompts = parser.add_argument_group("the prompts")
    prompts.add_argument(
        "--mode", default="classic", help="classic, kaggle, fast, best or negative (%(default)s)"
    )
    prompts.add_argument(
        "--without", default="", metavar="LISTS", help="lists to leave out, like artists,trending"
    )
    prompts.add_argument(
        "--phrases",
        default="",
        metavar="FOLDER",
        help="your own lists: artists.txt instead of the package's, artists.more.txt besides it; and so on "
        "with flavors, mediums, movements, trendings, negative",
    )
    prompts.add_argument(
        "--max-flavors", type=int, metavar="N", help="flavors, or phrases in a chain, at most (by the mode)"
    )
    prompts.add_argument(
        "--no-repeats", action="store_true", help="no phrase whose words the prompt has already"
    )

    clip = parser.add_argument_group("the CLIP")
    clip.add_argument("--clip", metavar="MODEL", help="open_clip's name of it (ViT-H-14)")
    clip.add_argument(
        "--checkpoint", default="", metavar="PATH", help="its file or folder (where it is found)"
    )
    clip.add_argument(
        "--statistics", default="", metavar="NAME", help="of the channels: half (the model's own)"
    )

    captions = parser.add_argument_group("the captions")
    captions.add_argument(
        "--captioner",
        default="",
        metavar="PATH",
        help="a folder of BLIP, BLIP-2 or GIT, or Salesforce's .pth of BLIP (the checkpoint blip-large)",
    )
    captions.add_argument(
        "--vocabulary",
        default="",
        metavar="FOLDER",
        help="where bert-base-uncased's vocab.txt is, for a .pth that has it not beside it",
    )
    captions.add_argument("--caption", default="", metavar="TEXT", help="the caption of all images")
    captions.add_argument("--captions", default="", metavar="CSV", help="captions by image: imgId,caption")


def run(options: argparse.Namespace) -> None:
    """Interrogate, then say where the prompts are."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.cli.options import StepBars
    from unprompt.interrogator.modes import InterrogatorConfig
    from unprompt.interrogator.run import InterrogateConfig, interrogate
    from unprompt.networks.captioner_config import CaptionerConfig
    from unprompt.networks.clip import MODEL, ClipConfig

    config = InterrogateConfig(
        prompts=InterrogatorConfig(
            mode=options.mode,
            max_flavors=options.max_flavors,
            without=tuple(name.strip() for name in options.without.split(",") if name.strip()),
            repeats=not options.no_repeats,
        ),
        clip=ClipConfig(options.clip or MODEL, options.statistics),
        checkpoint=options.checkpoint,
        captioner=CaptionerConfig(options.captioner, options.vocabulary),
        caption=options.caption,
        captions=options.captions,
        phrases=options.phrases,
        batch=options.batch,
        device=options.device,
        workers=options.workers,
        recursive=options.recursive,
        overwrite=options.overwrite,
    )
    with StepBars("image") as bars:
        result = interrogate(
            options.images,
            options.out,
            options.txt,
            config,
            bars.show,
        )
    seconds = time.monotonic() - started
    count = result.images - len(result.problems)
    if options.json:
        numbers = {"images": result.images, "prompts": count, "unreadable": len(result.problems)}
        more = {"seconds": round(seconds, 3), "resumed": result.resumed}
        print(json.dumps({"out": str(result.path), **numbers, **more}))
    else:
        resumed = ", going on from an earlier start" if result.resumed else ""
        print(f"{count:,} prompts in {seconds:.0f} s{resumed}: {result.path}")
    if result.problems:
        warn(
            f"{len(result.problems):,} of {result.images:,} images could not be read, "
            f"first: {result.problems[0].file}; see {result.problems_path}"
        )
