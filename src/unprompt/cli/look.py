"""`unprompt IMAGE`, with no command: the prompt that stands in the file, or a guess where none does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.cli.options import StepBars, complete, warn
from unprompt.cli.parser import CommandParser
from unprompt.settings import DEVICES

if TYPE_CHECKING:
    from unprompt.metadata.files import FilePrompt

EXAMPLE = """\
  unprompt ./cat.png
  unprompt ./cat.png --guess
  unprompt my_images --recursive
"""


def build_look_parser() -> argparse.ArgumentParser:
    """The parser of a command line that begins with a picture."""
    parser = CommandParser(
        prog="unprompt",
        usage="unprompt IMAGE … [options]",
        description="Print the prompt that stands in each image's file; where none does, a guess.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    complete(parser, run, EXAMPLE)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    parser.add_argument("--guess", action="store_true", help="guess too where the file has its prompt")
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="NAME", help="who guesses (%(default)s)")
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    parser.add_argument("--recursive", action="store_true", help="look into nested folders too")
    return parser


def run(options: argparse.Namespace) -> None:
    """Print what stands in the files; then, with the bundle loaded, the guesses."""
    from unprompt.metadata.files import check_any_readable, read_file_prompts
    from unprompt.networks.devices import core_count
    from unprompt.storage.images import find_loose_images

    files = find_loose_images(options.images, options.recursive)
    left = []
    found = []
    for one in read_file_prompts(files, core_count()):
        found.append(one)
        if one.prompt:
            _print_found(one, named=len(files) > 1)
        if one.problem is None and (options.guess or not one.prompt):
            left.append(one)
    check_any_readable(found)
    for one in found:
        if one.problem is not None:
            warn(f"{one.file.name}: {one.problem}")
    if left:
        _print_guesses(left, options.bundle, options.device, named=len(files) > 1)


def _print_found(one: FilePrompt, named: bool) -> None:
    from unprompt.metadata.generation import text_of

    assert one.generation is not None
    where = ", ".join(filter(None, (one.generation.place, one.generation.tool)))
    print(f"{_head(one, named)}read from the file ({where}):\n{one.prompt}")
    if one.generation.negative:
        print(f"negative: {text_of(one.generation.negative)}")


def _print_guesses(left: list[FilePrompt], bundle: str, device: str, named: bool) -> None:
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.errors import UnreadableImageError
    from unprompt.storage.images import read_file

    with StepBars("image") as bars:
        bars.show("loading models", 0, 0)
        loaded = LoadedBundle.load(bundle, device)
    for one in left:
        try:
            guess = loaded.predict(read_file(one.file))
        except UnreadableImageError as error:
            warn(f"{one.file.name}: {error}")
            continue
        why = "" if one.prompt else "no prompt in the file; "
        print(f"{_head(one, named)}{why}guessed by the bundle '{bundle}':\n{guess.prompt or '(nothing)'}")


def _head(one: FilePrompt, named: bool) -> str:
    from unprompt.metadata.files import shown_name

    return f"{shown_name(one)}: " if named else ""
