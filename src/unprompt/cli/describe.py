"""`unprompt describe`: look at a data set before training on it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from unprompt.cli.options import add_json, add_settings, settings_from, warn
from unprompt.datasets.config import DescribeConfig

EXAMPLE = """\
  unprompt describe DATASET
  unprompt describe DATASET --out page.html --images 200
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "dataset", type=Path, metavar="DATASET", help="a data set's folder, or one parquet file"
    )
    parser.add_argument(
        "--out", type=Path, metavar="PAGE", help="the page to write (describe.html in the data set's folder)"
    )
    add_settings(parser, DescribeConfig)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Describe, write the page, say where it is."""
    show(options.dataset, options.out, settings_from(options, DescribeConfig), options.json)


def show(dataset: Path, out: Path | None, config: DescribeConfig, as_json: bool) -> None:
    """Write the page about a data set and print its numbers."""
    from unprompt.datasets.dataset import read_dataset
    from unprompt.datasets.describe import describe_dataset
    from unprompt.datasets.page import check_place, page_path, write_page
    from unprompt.networks.devices import core_count
    from unprompt.text.english import counted

    page = out or page_path(dataset)
    check_place(page)
    description = describe_dataset(read_dataset(dataset), config)
    write_page(page, description, core_count())
    if as_json:
        print(json.dumps(description.numbers()))
        return
    print("\n".join(description.lines()))
    print(f"page        {page}")
    problems = description.pictures.problems
    if problems:
        first = problems[0]
        warn(
            f"{len(problems):,} of {counted(description.pictures.opened, 'image')} could not be read "
            f"(first: {first.file}: {first.problem}); see the page"
        )
    for note in description.notes:
        warn(note)
