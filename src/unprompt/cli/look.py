"""`unprompt IMAGE`, with no command: the prompt that stands in the file, or a guess where none does."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.cli.options import add_json, complete, warn
from unprompt.cli.parser import CommandParser
from unprompt.cli.printing import found_is_printed
from unprompt.errors import UnreadableImageError
from unprompt.progress import StepBars
from unprompt.settings import DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from unprompt.metadata.files import FilePrompt
    from unprompt.storage.images import ImageFile

EXAMPLE = """\
  unprompt ./cat.png
  unprompt ./cat.png --guess --json
  unprompt ./my_images --recursive
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
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Print what stands in the files; then, with the bundle loaded, the guesses. JSON comes at the end, or
    where the work is interrupted."""
    from unprompt.metadata.files import check_any_readable, read_file_prompts
    from unprompt.networks.devices import core_count
    from unprompt.storage.images import find_loose_images

    files = find_loose_images(options.images, options.recursive)
    named = len(files) > 1
    left = []
    found: list[FilePrompt] = []
    problem_by_file: dict[ImageFile, str] = {}
    guess_by_file: dict[ImageFile, str] = {}

    def numbers() -> dict[str, Any]:
        return _numbers_of(found, guess_by_file, problem_by_file, options.bundle)

    def until_now() -> dict[str, Any]:
        something = guess_by_file or any(one.prompt for one in found)
        return numbers() if options.json and something else {}

    with found_is_printed(until_now):
        for one in read_file_prompts(files, core_count()):
            found.append(one)
            if one.prompt and not options.json:
                _print_found(one, named)
            if one.problem is not None:
                problem_by_file[one.file] = one.problem
            elif options.guess or not one.prompt:
                left.append(one)
        check_any_readable(found)
        for one, guess in _guesses(left, options.bundle, options.device):
            if isinstance(guess, UnreadableImageError):
                problem_by_file[one.file] = str(guess)
            else:
                guess_by_file[one.file] = guess
                if not options.json:
                    _print_guess(one, guess, options.bundle, named)
    for file, problem in problem_by_file.items():
        warn(f"{file.name}: {problem}")
    if options.json:
        print(json.dumps(numbers()))


def _numbers_of(
    found: Sequence[FilePrompt],
    guess_by_file: Mapping[ImageFile, str],
    problem_by_file: Mapping[ImageFile, str],
    bundle: str,
) -> dict[str, Any]:
    """What `--json` prints: of each image all that stands in its file, and the guess where there is one."""
    images = []
    for one in found:
        row: dict[str, Any] = {"imgId": one.file.image_id, "file": str(one.file.path)}
        row |= {"prompt": ""} if one.generation is None else one.generation.as_dict()
        if one.file in guess_by_file:
            row |= {"guess": guess_by_file[one.file], "bundle": bundle}
        if one.file not in problem_by_file or one.prompt:
            images.append(row)
    unreadable = [{"file": str(file.path), "problem": problem} for file, problem in problem_by_file.items()]
    return {"images": images, "unreadable": unreadable}


def _print_found(one: FilePrompt, named: bool) -> None:
    from unprompt.metadata.generation import text_of

    assert one.generation is not None
    where = ", ".join(filter(None, (one.generation.place, one.generation.tool)))
    print(f"{_head(one, named)}read from the file ({where}):\n{one.prompt}")
    if one.generation.negative:
        print(f"negative: {text_of(one.generation.negative)}")


def _guesses(
    left: Sequence[FilePrompt], bundle: str, device: str
) -> Iterator[tuple[FilePrompt, str | UnreadableImageError]]:
    """The bundle's prompt for each image, or why it has none; the bundle is loaded if there are any."""
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.storage.images import read_file

    if not left:
        return
    # Read when torch is imported: threads that wait for one another sleep. That they kept cores busy took as
    # long as one picture's look, and many times as long where other work has the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with StepBars("image") as bars:
        bars.show("loading models", 0, 0)
        loaded = LoadedBundle.load(bundle, device)
    for one in left:
        try:
            yield one, loaded.predict(read_file(one.file, reduced=True)).prompt
        except UnreadableImageError as error:
            yield one, error


def _print_guess(one: FilePrompt, guess: str, bundle: str, named: bool) -> None:
    why = "" if one.prompt else "no prompt in the file; "
    print(f"{_head(one, named)}{why}guessed by the bundle '{bundle}':\n{guess or '(nothing)'}")


def _head(one: FilePrompt, named: bool) -> str:
    from unprompt.metadata.files import shown_name

    return f"{shown_name(one)}: " if named else ""
