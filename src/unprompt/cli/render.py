"""`unprompt render`: prompts -> a data set of images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli import describe
from unprompt.cli.options import add_json, add_settings, own_options, settings_from
from unprompt.cli.printing import command
from unprompt.datasets.config import DescribeConfig
from unprompt.diffusion.config import Sd2Config
from unprompt.errors import ConfigError
from unprompt.generate.config import RenderConfig
from unprompt.generate.render.engines import RENDER_ENGINES
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.painting.engine import RenderEngine

EXAMPLE = """\
  unprompt render kept.csv --out DATASET                          the pocket world, 128 px
  unprompt render kept.csv --out DATASET --size 512 --workers 2
  unprompt render kept.csv --out DATASET --engine sd2 --model stable-diffusion-2 --preset light
  unprompt render kept.csv --out DATASET --engine sd2 --scheduler dpmsolver++ --steps 16 --save-size 512
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "prompts", type=Path, metavar="PROMPTS", help="prompts as .csv, .jsonl, .txt or .parquet"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DATASET", help="folder for the data set")
    parser.add_argument(
        "--engine",
        choices=list(RENDER_ENGINES),
        help="pocket: OpenMoji scenes (the default); sd2: Stable Diffusion (with --model the default)",
    )
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        help="of the images: 128 or 712x712 (128 for pocket; the preset's for sd2)",
    )
    add_settings(parser, RenderConfig, skip=("chunk", "part"))
    parser.add_argument(
        "--describe", action="store_true", help="then describe the data set, as that command does"
    )
    add_json(parser)

    sd2 = parser.add_argument_group("Stable Diffusion")
    sd2.add_argument(
        "--preset",
        metavar="NAME",
        help="competition: 50 steps, 768 saved at 512 (the default); light: 35 steps at 712",
    )
    add_settings(sd2, Sd2Config, only=RENDER_ENGINES["sd2"].settings, left_open=True)


def run(options: argparse.Namespace) -> None:
    """Render, then say where the data set is and what comes next."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.generate.render.run import render_prompts

    if options.describe and options.json:
        raise ConfigError("--describe and --json do not go together; run: unprompt describe DATASET --json")
    name = options.engine or ("sd2" if options.model else "pocket")
    engine = open_engine(name, options)
    config = settings_from(options, RenderConfig)
    with StepBars("image") as bars:
        result = render_prompts(
            options.prompts,
            options.out,
            engine,
            config,
            bars.show,
        )
    if options.json:
        numbers = {"images": result.images, "made": result.made, "seconds": round(result.seconds, 3)}
        print(json.dumps({"out": str(result.out), "engine": name, **numbers}))
        return
    resumed = f", {result.made:,} of them now" if result.resumed else ""
    print(f"{counted(result.images, 'image')} in {result.seconds:.0f} s with the engine '{name}'{resumed}")
    print(f"data set    {result.out}")
    if options.describe:
        describe.show(result.out, None, DescribeConfig(device=options.device), as_json=False)
    else:
        print(f"next        {command('describe', result.out)}")


def open_engine(name: str, options: argparse.Namespace) -> RenderEngine:
    """The engine with its options. Raises ConfigError for options that belong to the other."""
    own = own_options(options, name, RENDER_ENGINES)
    return RENDER_ENGINES[name].open(parse_size(options.size), options.device, **own)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "712" -> (712, 712), "768x512" -> (768, 512). Raises ConfigError for anything else."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise ConfigError(f"size must be pixels like 512 or 768x512, got '{text}'")
    return int(sides[0]), int(sides[-1])
