"""`unprompt doodle paint`: a drawing to a picture that follows it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unprompt.cli.options import add_json, add_settings, complete, declare, settings_from, warn
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.errors import part_of

EXAMPLE = """\
  unprompt doodle paint drawing.png --out photo.png
  unprompt doodle paint drawing.svg --out photo.png --variants 4 --follow exactly --seed -1
  unprompt doodle paint cat.ndjson --prompt "A photo of a red cat at night" --out photo.png
  unprompt doodle paint drawing.png --model SD --controlnet SCRIBBLE --out photo.png
"""
STABLE_DIFFUSION = (
    "steps", "guidance", "strength", "conditioning", "model", "controlnet", "adapter", "scheduler", "dtype",
)  # fmt: skip
WEB_UI = ("url", "webui_controlnet")


def add(actions: Any) -> None:
    """Declare the action."""
    parser = declare(actions, "paint", "paint a picture that follows a drawing")
    complete(parser, run, EXAMPLE)
    parser.add_argument("drawing", type=Path, metavar="DRAWING", help="a file of a drawing")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a .png; variants are FILE-2 …"
    )
    parser.add_argument(
        "--prompt", metavar="TEXT", help="what the picture is to show (made of the drawing's caption)"
    )
    parser.add_argument("--negative-prompt", metavar="TEXT", help="what it is not to show (by the style)")
    parser.add_argument(
        "--variants", type=int, default=1, metavar="N", help="so many pictures, of seeds in a row (1)"
    )
    add_settings(parser, DoodlePaint, skip=(*STABLE_DIFFUSION, *WEB_UI))
    add_settings(parser.add_argument_group("Stable Diffusion"), DoodlePaint, only=STABLE_DIFFUSION)
    add_settings(parser.add_argument_group("a web UI"), DoodlePaint, only=WEB_UI)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Paint, write the pictures, and say what was said on the way to them."""
    config = settings_from(options, DoodlePaint)

    from unprompt.doodles.paint_drawing import PictureFiles, paint_file

    files = PictureFiles(options.out)
    try:
        painted = paint_file(
            options.drawing,
            options.prompt,
            options.negative_prompt,
            options.variants,
            config,
            take=files.write,
        )
    except BaseException:  # Ctrl-C too
        if files.written:
            done = part_of(len(files.written), options.variants, "picture")
            warn(f"{done} had been painted and stay: {', '.join(map(str, files.written))}")
        raise
    if options.json:
        said = {
            "files": [str(path) for path in files.written],
            "caption": painted.caption,
            "prompt": painted.prompt,
            "negative_prompt": painted.negative_prompt,
            "painter": painted.painter,
            "seeds": list(painted.seeds),
            "told": list(painted.told),
        }
        print(json.dumps(said))
        return
    if painted.caption:
        print(f"caption: {painted.caption}")
    print(f"prompt: {painted.prompt}")
    print(f"painted by {painted.painter}, seed {painted.seeds[0]}: {', '.join(map(str, files.written))}")
    for sentence in painted.told:
        warn(sentence)
