"""The command line: one verb a stage. It parses, calls, prints; it has no logic of its own.

Exit codes: 0 done, 1 a clear one-line error, 2 wrong usage, 130 interrupted. Each command's module is
light to import; what it needs for its work it imports when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from unprompt import __version__
from unprompt.cli import (
    app,
    bank,
    blend,
    caption,
    checkpoints,
    demo,
    describe,
    doctor,
    easy_diffuser,
    filter,
    interrogate,
    pocket,
    predict,
    prompts,
    render,
    score,
    serve,
    train,
    tune,
)
from unprompt.cli.options import warn
from unprompt.errors import UnpromptError

COMMANDS = (
    demo,
    predict,
    interrogate,
    caption,
    blend,
    score,
    prompts,
    filter,
    render,
    describe,
    train,
    tune,
    bank,
    pocket,
    app,
    serve,
    easy_diffuser,
    checkpoints,
    doctor,
)

EPILOG = """\
start here:
  unprompt demo                                   sample images, prompts, a score and a report
  unprompt predict IMAGES --out RUN               prompts and a submission for a folder of images
  unprompt interrogate IMAGES --out prompts.csv   prompts by CLIP and a captioner, in five modes
  unprompt prompts --out prompts.csv --count 1000 the first step of a data set of one's own
  unprompt doctor                                 what is installed, what is missing, how long it will take
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="unprompt",
        description="Which prompt made this picture? From Stable Diffusion images back to prompts, offline.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"unprompt {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        with _warnings_for_users():
            options.run(options)
        sys.stdout.flush()
    except UnpromptError as error:
        if options.debug:
            raise
        print(f"unprompt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        advice = getattr(options, "when_interrupted", "nothing was left half done")
        print(f"\nunprompt: interrupted; {advice}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `unprompt … | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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
