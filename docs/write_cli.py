"""Write docs/cli.md from the parser: every command with its usage, options and examples.

`python -m docs.write_cli`, in the repository's root, after a command or an option was changed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from unprompt.cli import build_parser
from unprompt.cli.look import build_look_parser

FILE = Path(__file__).with_name("cli.md")
HEAD = """\
# The command line

Written from the parser by `python -m docs.write_cli`; what stands here is what `--help` says.

Exit codes: 0 done, 1 an error that is told in one line, 2 wrong usage, 130 interrupted by Ctrl-C. Progress is
shown on stderr: as a bar in a terminal, else as a line a minute. `unprompt --debug COMMAND …` shows the whole
traceback of an error.

[`unprompt IMAGE …`](#unprompt-image), with a file or folder where a command would stand, prints the prompt
that is in the file, or a guess.
"""


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command below a parser with its summary; a group's own commands follow it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield summaries.get(name, ""), below
                yield from commands(below)


def cell(text: str) -> str:
    """A text that can stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command that are worth a row: not --help, and no commands below it."""
    return [
        action
        for action in parser._actions
        if action.help is not argparse.SUPPRESS
        and not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    ]


def named(action: argparse.Action) -> str:
    """How an argument is written: `--count N`, `IMAGES`."""
    value = action.metavar or "|".join(map(str, action.choices or [action.dest.upper()]))
    value = value if isinstance(value, str) else " ".join(value)
    more = {"*": f"[{value} …]", "+": f"{value} …", "?": f"[{value}]"}.get(str(action.nargs), value)
    return " ".join([", ".join(action.option_strings), more if action.nargs != 0 else ""]).strip()


def usage(parser: argparse.ArgumentParser) -> str:
    """The shortest line that says what a command needs."""
    needed = [action for action in parser._actions if action.required or not action.option_strings]
    names = [
        str(action.metavar) if isinstance(action, argparse._SubParsersAction) else named(action)
        for action in sorted(needed, key=lambda action: bool(action.option_strings))
    ]
    more = (
        ["[options]"]
        if any(action.option_strings and not action.required for action in shown(parser))
        else []
    )
    return " ".join([parser.prog, *names, *more])


def arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The tables of a command's arguments, one a group that has any."""
    for group in parser._action_groups:
        listed = [action for action in group._group_actions if action in shown(parser)]
        if not listed:
            continue
        if group.title not in ("positional arguments", "options"):
            title = "; ".join(filter(None, (group.title, group.description)))
            yield f"\n{title[:1].upper()}{title[1:]}:\n"
        else:
            yield ""
        yield "| argument | |" if group.title == "positional arguments" else "| option | |"
        yield "|---|---|"
        for action in listed:
            text = (action.help or "") % {**vars(action), "prog": parser.prog}
            needed = "; required" if action.required and action.option_strings else ""
            yield f"| `{named(action).replace('|', chr(92) + '|')}` | {cell(text)}{needed} |"


def commented(line: str) -> str:
    """A line of an example with the remark behind it, which stands after a gap, as the shell's comment."""
    return re.sub(r"(?<=\S) {2,}(?=\S)", "    # ", line)


def section(summary: str, parser: argparse.ArgumentParser, title: str = "") -> Iterator[str]:
    """What is said of one command; `title`: its heading, where that is not its name."""
    heading = title or parser.prog
    yield f"\n{'#' * len(heading.split())} {heading}\n"
    yield cell(summary[:1].upper() + summary[1:]) + "."
    yield f"\n```text\n{usage(parser)}\n```"
    yield from arguments(parser)
    if parser.epilog:
        examples = re.sub(r"^examples?:\n", "", parser.epilog)
        lines = [commented(line.removeprefix("  ")) for line in examples.rstrip().splitlines()]
        yield "\n```sh\n" + "\n".join(lines) + "\n```"


def page() -> str:
    """The page as Markdown."""
    found = list(commands(build_parser()))
    lines = [HEAD, "| command | does |", "|---|---|"]
    for summary, one in found:
        if len(one.prog.split()) == 2:
            lines.append(f"| [`{one.prog}`](#{one.prog.replace(' ', '-')}) | {cell(summary)} |")
    look = build_look_parser()
    lines += section((look.description or "").rstrip("."), look, "unprompt IMAGE")
    for summary, one in found:
        lines += section(summary, one)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
