"""`unprompt info`: the prompts that stand in image files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_settings, check_needed, settings_from, warn
from unprompt.cli.printing import Printed, print_table
from unprompt.datasets.config import OwnPicturesConfig
from unprompt.metadata.config import InfoConfig
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

    from unprompt.datasets.own_pictures import OwnPicturesResult
    from unprompt.metadata.files import FilePrompt

EXAMPLE = """\
  unprompt info IMAGES
  unprompt info a.png b.jpg --json
  unprompt info IMAGES --recursive --csv
  unprompt info IMAGES --dataset DATASET --plain
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="images, or folders of them")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print all that is known as JSON")
    form.add_argument(
        "--csv", action="store_true", help="print a table of the prompts, a prompts.csv with more"
    )
    add_settings(parser, InfoConfig)
    dataset = parser.add_argument_group("a data set of one's own pictures, for bank and train")
    dataset.add_argument(
        "--dataset", type=Path, metavar="DATASET", help="write the pictures with a prompt to this folder"
    )
    add_settings(dataset, OwnPicturesConfig)


def run(options: argparse.Namespace) -> None:
    """Read the files, say what stands in them, make the data set."""
    if options.dataset is not None:
        options.when_interrupted = "run the same command again to go on; what is done is kept"
    else:
        check_needed(options, OwnPicturesConfig, "--dataset")

    from unprompt.metadata.files import check_any_readable, read_file_prompts
    from unprompt.networks.devices import core_count
    from unprompt.storage.images import find_loose_images

    config = settings_from(options, InfoConfig)
    files = find_loose_images(options.images, config.recursive)
    with StepBars("image") as bars:
        found = list(read_file_prompts(files, config.workers or core_count(), progress=bars.show))
    check_any_readable(found)
    if options.csv:
        _print_table(found)
    elif not options.json and options.dataset is None:
        _print_lines(found)
    made = None
    if options.dataset is not None:
        from unprompt.datasets.own_pictures import write_own_dataset

        with StepBars("image") as bars:
            made = write_own_dataset(
                found, options.dataset, settings_from(options, OwnPicturesConfig), bars.show
            )
    if options.json:
        _print_json(found, made)
    else:
        _print_counts(found, made, Printed(sys.stderr) if options.csv else sys.stdout)
    unreadable = [one for one in found if one.problem]
    if unreadable:
        first = unreadable[0]
        warn(f"could not be read: {len(unreadable):,}, first: {first.file.name}: {first.problem}")
    if made is not None and made.problems:
        broken = made.problems[0]
        warn(
            f"with a prompt but damaged, and not in the data set: {len(made.problems):,}, "
            f"first: {broken.file}: {broken.problem}"
        )


def _print_lines(found: Sequence[FilePrompt]) -> None:
    from unprompt.metadata.files import shown_name
    from unprompt.metadata.layout import describe_generation

    for one in found:
        if one.generation is not None:
            print(shown_name(one))
            print("\n".join(describe_generation(one.generation)), end="\n\n")


def _print_table(found: Sequence[FilePrompt]) -> None:
    from unprompt.metadata.files import HEADER, table_row
    from unprompt.storage.files import csv_line

    rows = [HEADER, *(table_row(one) for one in found if one.prompt)]
    print_table("".join(csv_line(row).decode() for row in rows))


def _print_json(found: Sequence[FilePrompt], made: OwnPicturesResult | None) -> None:
    content: dict[str, Any] = {
        "images": [
            {"imgId": one.file.image_id, "file": str(one.file.path), **one.generation.as_dict()}
            for one in found
            if one.generation is not None
        ],
        "without": [str(one.file.path) for one in found if not one.prompt and one.problem is None],
        "unreadable": [{"file": str(one.file.path), "problem": one.problem} for one in found if one.problem],
    }
    if made is not None:
        content["dataset"] = {"out": str(made.out), "images": made.images, "damaged": len(made.problems)}
    print(json.dumps(content))


def _print_counts(
    found: Sequence[FilePrompt], made: OwnPicturesResult | None, stream: SupportsWrite[str]
) -> None:
    from unprompt.metadata.files import count_tools
    from unprompt.metadata.layout import describe_counts

    without = [one.file.name for one in found if not one.prompt and one.problem is None]
    unreadable = sum(one.problem is not None for one in found)
    print(describe_counts(len(found), count_tools(found), without, unreadable), file=stream)
    if made is not None:
        resumed = ", going on from an earlier start" if made.resumed else ""
        print(f"data set    {counted(made.images, 'image')} with prompts{resumed}: {made.out}", file=stream)
