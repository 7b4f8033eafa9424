"""`unprompt page`: colouring pages of pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import add_json, add_settings, complete, declare, settings_from, warn
from unprompt.colouring_pages.page_config import CompareConfig, OutputConfig, PageConfig
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.errors import InputError, UnreadableImageError
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from PIL import Image

EXAMPLE = """\
  unprompt page make photo.jpg --out PAGES
  unprompt page make IMAGES --out PAGES --detail low --booklet "Our summer" --name-line
  unprompt page make IMAGES --out PAGES --numbers --colours 8 --paper letter
"""
COMPARE_EXAMPLE = "  unprompt page compare IMAGES --out sheet.png --methods canny hed"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    making = declare(actions, "make", "make a page to print and colour of each image")
    complete(making, run, EXAMPLE)
    making.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    making.add_argument("--out", type=Path, required=True, metavar="PAGES", help="the folder for the pages")
    making.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    making.add_argument("--overwrite", action="store_true", help="replace the pages that are in the folder")
    add_settings(making.add_argument_group("lines"), PageConfig)
    add_settings(making.add_argument_group("files"), OutputConfig)
    add_settings(making.add_argument_group("paper"), PaperConfig)
    add_settings(making.add_argument_group("paint by numbers"), NumbersConfig)
    add_json(making)
    comparing = declare(actions, "compare", "put pages of the same pictures by several methods on one sheet")
    complete(comparing, run_compare, COMPARE_EXAMPLE)
    comparing.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    comparing.add_argument("--out", type=Path, required=True, metavar="FILE", help="the sheet, a .png")
    comparing.add_argument(
        "--recursive", action="store_true", help="look into folders inside the folders too"
    )
    add_settings(comparing, CompareConfig)


def run(options: argparse.Namespace) -> None:
    """Make the pages of a folder."""
    page, output = settings_from(options, PageConfig), settings_from(options, OutputConfig)
    paper, numbers = settings_from(options, PaperConfig), settings_from(options, NumbersConfig)
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.colouring_pages.folder import Settings, make_pages

    settings = Settings(page, output, paper, numbers)
    with StepBars("page") as bars:
        result = make_pages(
            options.images, options.out, settings, options.recursive, options.overwrite, bars.show
        )
    made = result.images - len(result.problems)
    if options.json:
        print(
            json.dumps(
                {
                    "images": result.images,
                    "unreadable": len(result.problems),
                    "blank": len(result.blank),
                    "files": len(result.files),
                    "seconds": round(result.seconds, 3),
                    "out": str(result.path),
                }
            )
        )
    else:
        resumed = ", going on from an earlier start" if result.resumed else ""
        print(f"{counted(made, 'page')} in {result.seconds:.0f} s{resumed}: {result.path}")
    if result.blank:
        warn(f"{counted(len(result.blank), 'page')} blank, nothing to draw was found: {result.blank[0]} …")
    if result.numberless:
        warn(
            f"{counted(len(result.numberless), 'page')} without numbers, their lines enclose nothing: "
            f"{result.numberless[0]} …"
        )
    if result.problems:
        warn(
            f"{len(result.problems):,} of {counted(result.images, 'image')} could not be read, see "
            f"{result.path / 'problems.csv'}"
        )


def run_compare(options: argparse.Namespace) -> None:
    """Write the sheet."""
    config = settings_from(options, CompareConfig)

    from unprompt.colouring_pages.compare import compare_methods
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.storage.files import write_bytes
    from unprompt.storage.images import encode_png, find_loose_images, read_file

    files = find_loose_images(options.images, options.recursive)[: config.most]
    extractors = [open_extractor(config.of(method)) for method in config.methods]
    unreadable = []

    def pictures() -> Iterator[Image.Image]:
        for file in files:
            try:
                yield read_file(file)
            except UnreadableImageError as error:
                unreadable.append(file)
                warn(f"{file.name}: {error}")

    sheet = compare_methods(pictures(), extractors, config.detail)
    shown = len(files) - len(unreadable)
    if not shown:
        raise InputError("no picture can be read, so there is nothing to compare")
    write_bytes(options.out, encode_png(sheet))
    print(f"{counted(shown, 'picture')} by {', '.join(config.methods)}: {options.out}")
