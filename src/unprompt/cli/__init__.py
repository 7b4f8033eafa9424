"""The command line: one verb a stage. It parses, calls, prints; it has no logic of its own.

Exit codes: 0 done, 1 a clear one-line error, 2 wrong usage, 130 interrupted. A command's module is imported
when the command is called, is light, and imports what it needs for its work when it runs: so `--help` answers
at once. Options that are settings are made of the settings' classes, see options.py.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TextIO

from unprompt import __version__
from unprompt.cli.extras import advise_on_missing
from unprompt.cli.options import complete, declare, warn
from unprompt.cli.parser import CommandParser
from unprompt.cli.places import check_options
from unprompt.cli.printing import Printed
from unprompt.errors import UnpromptError, describe_name_error, describe_os_error

# Each command's module is its name, and has an EXAMPLE, `add` for its options and `run`.
COMMANDS = {
    "demo": "recover the prompts of photographs and drawn scenes",
    "predict": "recover the prompts of images and write a submission",
    "info": "show the prompts that stand in image files, and make a data set of them",
    "interrogate": "write a prompt for each image, of a caption and phrases",
    "caption": "describe each image in a sentence",
    "blend": "blend members' embeddings into one submission",
    "score": "compare guesses with true prompts by mean cosine",
    "prompts": "write new prompts",
    "filter": "drop prompts that are too close to an earlier one of the list",
    "render": "make an image for every prompt of a list",
    "describe": "show a data set's images, prompt lengths, words and near-duplicates on one page",
    "train": "fine-tune an image backbone to predict prompt embeddings",
    "tune": "search for the settings that train best",
    "bank": "keep a CLIP's features of images with known prompts, to look up others",
    "pocket": "make the bundle pocket: draw scenes, train every member on them, score, install",
    "app": "captions, prompts and runs in the browser",
    "serve": "answer over HTTP, to the Stable Diffusion web UI's clients too",
    "page": "colouring pages to print, of any pictures",
    "colour": "colour line art by words, and train what does",
    "doodle": "name, describe and paint drawings, and train what does",
    "easy-diffuser": "an image's positive and negative prompt, and on to a Stable Diffusion web UI",
    "checkpoints": "list, check and install models' parameters",
    "cache": "say where the caches are and how large, and clear them",
    "doctor": "show versions, devices, checkpoints, disk, and how long a run will take",
    "completion": "print a script that lets bash, zsh or fish complete commands and options",
}

RARELY = 100  # collections of the middle generation's garbage before one of all, ten times Python's own
LONGEST_NAME = 256  # what file systems allow, and more than a command has

EPILOG = """\
start here:
  unprompt ./cat.png                              the prompt in the picture's file, or a guess
  unprompt demo                                   sample images, prompts, a score and a report
  unprompt predict IMAGES --out RUN               prompts and a submission for a folder of images
  unprompt interrogate IMAGES --out prompts.csv   prompts by CLIP and a captioner, in five modes
  unprompt prompts --out prompts.csv --count 1000 the first step of a data set of one's own
  unprompt doctor                                 what is installed, what is missing, how long it will take
"""


def build_parser(wanted: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser with all commands; those that are not `wanted` have no options yet, and cost no import."""
    parser = CommandParser(
        prog="unprompt",
        description="Which prompt made this picture? From Stable Diffusion images back to prompts, offline.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unprompt {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the whole traceback of an error; also after a command"
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = declare(subparsers, name, summary)
        if name in wanted:
            module = import_module(f"unprompt.cli.{name.replace('-', '_')}")
            complete(command, module.run, module.EXAMPLE)
            module.add(command)
    return parser


def begins_with_a_picture(arguments: Sequence[str]) -> bool:
    """Whether the first word is no command, but a file or folder that is there, or is named as one."""
    first = next((word for word in arguments if word != "--debug"), "-")
    if first in COMMANDS or first.startswith("-"):
        return False
    return "/" in first or bool(Path(first).suffix) or (len(first) < LONGEST_NAME and Path(first).exists())


def start() -> int:
    """`main` of a process of its own, in which hardly any time goes into the search for garbage.

    Python looks through all objects again and again while modules are imported, and at the exit; of torch's,
    hundreds of thousands, all stay to the end. Of those that are young the garbage is collected as ever.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, RARELY)
    try:
        return main()
    finally:
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, or look at the pictures that stand where one would; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if begins_with_a_picture(given):
        from unprompt.cli.look import build_look_parser

        parser = build_look_parser()
    else:
        parser = build_parser(given)
    if not given:
        parser.print_help()
        return 0
    options = parser.parse_args(given)
    try:
        with _warnings_for_users(), redirect_stdout(Printed(sys.stdout)):
            check_options(options, getattr(options, "parser", parser))
            options.run(options)
        sys.stdout.flush()
    except UnpromptError as error:
        if options.debug:
            raise
        warn(str(error))
        return 1
    except ModuleNotFoundError as error:
        advice = advise_on_missing(error, getattr(options, "parser", parser).prog)
        if advice is None or options.debug:
            raise
        warn(advice)
        return 1
    except KeyboardInterrupt:
        advice = getattr(options, "when_interrupted", "nothing was left half done")
        print(f"\nunprompt: interrupted; {advice}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `unprompt … | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # what nobody nearer to it had words for: a disk that is gone, a name too long
        if options.debug:
            raise
        warn(describe_os_error(error))
        return 1
    except (MemoryError, RuntimeError) as error:  # of work that nobody nearer to it does in smaller parts
        from unprompt.networks.devices import is_out_of_memory

        if options.debug or not is_out_of_memory(error):
            raise
        then = getattr(options, "when_interrupted", "")
        warn(
            "there is not enough memory for this; close what else uses it, or have less done at once "
            f"(--batch, --workers, --device cpu, where the command has them){then and f'; {then}'}"
        )
        return 1
    except ValueError as error:
        advice = describe_name_error(error)
        if advice is None or options.debug:
            raise
        warn(advice)
        return 1
    return 0


@contextmanager
def _warnings_for_users() -> Iterator[None]:
    """Show our own warnings as one line; those of libraries stay as they are."""
    show = warnings.showwarning

    def show_ours(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parents[1]):
            warn(str(message))
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = show_ours
    try:
        yield
    finally:
        warnings.showwarning = show
