"""The parser of the command line: what argparse's says of wrong usage, with what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from unprompt.errors import shown

NO_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)
REQUIRED = "the following arguments are required"
LIKENESS = 0.6


class CommandParser(argparse.ArgumentParser):
    """A parser that asks "did you mean" for mistyped commands, options and choices."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; what was given is kept for its errors."""
        self._given = [] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but it is the command that tells of options that it has not."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command: CommandParser = getattr(options, "parser", self)
            command.error(f"unrecognized arguments: {' '.join(unknown)}{command.meant_by(unknown)}")
        return options

    def error(self, message: str) -> NoReturn:
        """Tell of wrong usage, and what may have been meant; ends the program with 2."""
        if wrong := NO_CHOICE.match(message):
            name, given, listed = wrong.groups()
            choices = [choice.strip(" '") for choice in listed.split(",")]
            what = {"COMMAND": "command", "ACTION": "action"}.get(name, f"choice for {name}")
            near = nearest(given, choices)
            message = f"there is no {what} '{given}'{f'; did you mean {near}?' if near else ''}"
            if what == "command":
                message += f" (`{self.prog} --help` lists them)"
            else:
                message += f" (there are {', '.join(choices)})"
        elif message.startswith(REQUIRED):
            message += self.meant_by(self._given)
        super().error(shown(message))

    def meant_by(self, given: Iterable[str]) -> str:
        """What is said of those options among words given that this command has not."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        names = (word.partition("=")[0] for word in given)
        wrong = [
            name
            for name in names
            if name.startswith("--") and name != "--" and not any(option.startswith(name) for option in known)
        ]
        meant = {name: nearest(name, known) for name in wrong}
        return "".join(f"; did you mean {near} by {name}?" for name, near in meant.items() if near)


def nearest(given: str, known: Sequence[str]) -> str:
    """The known words that are near one that is given, "predict or prompts", "" where none is."""
    return " or ".join(difflib.get_close_matches(given.lower(), known, 2, LIKENESS))
