"""`unprompt pocket`: the bundle `pocket` from nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import StepBars, add_json, command
from unprompt.recipes.config import PocketConfig

if TYPE_CHECKING:
    from unprompt.recipes.pocket import Estimate

EXAMPLE = """\
  unprompt pocket                                         an hour and a half on two cores
  unprompt pocket --images 20000 --out small --no-install
  unprompt predict IMAGES --out RUN --bundle pocket       afterwards
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(
        subparsers,
        "pocket",
        run,
        "make the bundle pocket: draw scenes, train every member on them, score, install",
        EXAMPLE,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("pocket-bundle"), metavar="FOLDER", help="where (%(default)s)"
    )
    parser.add_argument(
        "--images",
        type=int,
        default=PocketConfig.images,
        metavar="N",
        help="scenes to learn from (%(default)s)",
    )
    parser.add_argument(
        "--held-out",
        type=int,
        default=PocketConfig.held_out,
        metavar="N",
        help="other scenes, to score on (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=PocketConfig.workers,
        metavar="N",
        help="processes that draw (%(default)s)",
    )
    parser.add_argument("--config", type=Path, metavar="TOML", help="settings of the regression's training")
    parser.add_argument("--clip", type=Path, metavar="TOML", help="settings of the CLIP's training")
    parser.add_argument("--captioner", type=Path, metavar="TOML", help="settings of the captioner's training")
    parser.add_argument(
        "--no-install", action="store_true", help="leave the bundle in FOLDER, not under the name pocket"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Make the bundle, then print its table and where it is."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    config = PocketConfig(
        images=options.images,
        held_out=options.held_out,
        regression=options.config,
        clip=options.clip,
        captioner=options.captioner,
        workers=options.workers,
    )

    from unprompt.recipes.pocket import Recipe, install, make_pocket

    recipe = Recipe.read(options.out, config)
    with StepBars("image") as bars:

        def tell(estimate: Estimate) -> None:
            bars.close()
            print(estimate, file=sys.stderr, flush=True)

        result = make_pocket(recipe, bars.show, tell)
    installed = None if options.no_install else install(recipe)
    if options.json:
        found = {"bundle": str(result.bundle), "installed": str(installed) if installed else None}
        print(json.dumps({**found, **result.numbers}))
        return
    print("\n".join(result.lines))
    print(f"bundle      {result.bundle}")
    print(f"results     {recipe.out / 'results.json'}")
    if installed:
        print(f"installed   {installed}")
    named = "pocket" if installed else result.bundle
    print(f"next        unprompt predict IMAGES --out RUN --bundle {named}")
