"""`unprompt pocket`: the bundle `pocket` from nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import add_json, add_settings, settings_from
from unprompt.cli.printing import command
from unprompt.progress import StepBars
from unprompt.recipes.config import PocketConfig

if TYPE_CHECKING:
    from unprompt.recipes.pocket import Estimate

EXAMPLE = """\
  unprompt pocket                                         an hour and a half on two cores
  unprompt pocket --images 20000 --out small --no-install
  unprompt predict IMAGES --out RUN --bundle pocket       afterwards
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("pocket-bundle"), metavar="FOLDER", help="where (%(default)s)"
    )
    add_settings(parser, PocketConfig)
    parser.add_argument(
        "--no-install", action="store_true", help="leave the bundle in FOLDER, not under the name pocket"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Make the bundle, then print its table and where it is."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    config = settings_from(options, PocketConfig)

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
    print(f"next        {command('predict', 'IMAGES', '--out', 'RUN', '--bundle', named)}")
