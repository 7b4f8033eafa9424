"""`unprompt completion`: a script that lets a shell complete commands, options and their values."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from unprompt.storage.remote import path_of

EXAMPLE = """\
  unprompt completion bash > ~/.local/share/bash-completion/completions/unprompt
  unprompt completion zsh > ~/.zfunc/_unprompt
  unprompt completion fish > ~/.config/fish/completions/unprompt.fish
"""
SHELLS = ("bash", "zsh", "fish")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that the script is for")


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    from unprompt.cli import build_parser

    writers = {"bash": write_bash, "zsh": write_zsh, "fish": write_fish}
    print(writers[options.shell](list(commands_of(build_parser()))), end="")


@dataclass(frozen=True)
class Option:
    """`names`: as they are typed. `takes`: whether a value follows; `files`: it can be a file's name.

    `choices`: the only values.
    """

    names: tuple[str, ...]
    help: str
    takes: bool
    choices: tuple[str, ...]
    files: bool


@dataclass(frozen=True)
class Command:
    """`path`: its words, "checkpoints fetch", "" for the program. `words`: that can follow, with helps.

    `files`: they can follow, too.
    """

    path: str
    words: dict[str, str]
    options: tuple[Option, ...]
    files: bool


def commands_of(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """The program itself and every command and action below it."""
    path = parser.prog.partition(" ")[2]
    words: dict[str, str] = {}
    options = []
    below = []
    files = not path  # the program takes a picture in place of a command
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            words |= {name: helps.get(name, "") for name in action.choices}
            below += list(action.choices.values())
        elif not action.option_strings:
            words |= {str(choice): "" for choice in action.choices or ()}
            files = files or action.type in (Path, path_of)
        elif action.help is not argparse.SUPPRESS:
            text = " ".join(((action.help or "") % {**vars(action), "prog": parser.prog}).split())
            choices = tuple(map(str, action.choices or ()))
            takes = action.nargs != 0
            named = takes and not choices and action.type not in (int, float)  # bundles are files, too
            options.append(Option(tuple(action.option_strings), text, takes, choices, named))
    yield Command(path, words, tuple(options), files)
    for one in below:
        yield from commands_of(one)


def write_bash(commands: list[Command]) -> str:
    """The script for bash: words by the command, values by the option before; else files."""
    words = "\n".join(f"        {_key(one.path)}) words={_quoted(one.words)} ;;" for one in commands)
    flags = "\n".join(
        f"        {_key(one.path)}) words={_quoted(chain(*(flag.names for flag in one.options)))} ;;"
        for one in commands
    )
    values = "\n".join(
        f"        {shlex.quote(f'{one.path} {name}'.strip())}) words={_quoted(option.choices)} ;;"
        for one in commands
        for option in one.options
        for name in option.names
        if option.choices
    )
    paths = " ".join(shlex.quote(one.path) for one in commands if one.path)
    return f"""\
# bash completion for unprompt, written by `unprompt completion bash`
_unprompt() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    [[ $previous == = ]] && previous=${{COMP_WORDS[COMP_CWORD-2]}}
    [[ $current == = ]] && current=
    local command= words= word known
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        for known in {paths}; do
            [[ "$known" == "${{command:+$command }}$word" ]] && command=$known && break
        done
    done
    COMPREPLY=()
    case "${{command:+$command }}$previous" in
{values}
    esac
    if [[ -z $words && $current == -* ]]; then
        case "$command" in
{flags}
        esac
    elif [[ -z $words && $previous != --* ]]; then
        case "$command" in
{words}
        esac
    fi
    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _unprompt unprompt
"""


def _key(path: str) -> str:
    return shlex.quote(path)


def _quoted(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


def write_zsh(commands: list[Command]) -> str:
    """The script for zsh: as for bash, with what each command and option does."""
    cases = []
    for one in commands:
        words = " ".join(_zsh_item(word, text) for word, text in one.words.items())
        flags = " ".join(_zsh_item(name, option.help) for option in one.options for name in option.names)
        values = "\n".join(
            f"            {'|'.join(option.names)}) compadd -- {' '.join(map(shlex.quote, option.choices))};"
            " return ;;"
            for option in one.options
            if option.choices
        )
        named = [name for option in one.options if option.files for name in option.names]
        free = [
            name
            for option in one.options
            if option.takes and not option.choices and not option.files
            for name in option.names
        ]
        files = f"            {'|'.join(named)}) _files; return ;;" if named else ""
        numbers = f"            {'|'.join(free)}) return ;;" if free else ""
        cases.append(
            f"""\
    {_key(one.path)})
        case $option in
{values}
{files}
{numbers}
        esac
        flags=({flags})
        items=({words})
        files={int(one.files)}
        ;;"""
        )
    paths = " ".join(shlex.quote(one.path) for one in commands if one.path)
    body = "\n".join(cases)
    return f"""\
#compdef unprompt
# zsh completion for unprompt, written by `unprompt completion zsh`
_unprompt() {{
    local command= word option=$words[CURRENT-1] files
    local -a paths flags items
    if [[ $words[CURRENT] == --*=* ]]; then
        option=${{words[CURRENT]%%=*}}
        compset -P '*='
    fi
    paths=({paths})
    for word in ${{words[2,CURRENT-1]}}; do
        (( ${{paths[(Ie)${{command:+$command }}$word]}} )) && command=${{command:+$command }}$word
    done
    case $command in
{body}
    esac
    if [[ $words[CURRENT] == -* ]]; then
        _describe option flags
    else
        (( $#items )) && _describe command items
        (( files )) && _files
    fi
}}
if [[ $funcstack[1] == _unprompt ]]; then
    _unprompt "$@"
else
    compdef _unprompt unprompt
fi
"""


def _zsh_item(word: str, text: str) -> str:
    return shlex.quote(f"{word}:{text}" if text else word)


def write_fish(commands: list[Command]) -> str:
    """The script for fish: one line for each command, option and set of values."""
    lines = [
        "# fish completion for unprompt, written by `unprompt completion fish`",
        "function __unprompt_command",
        "    set -l command",
        f"    set -l paths {' '.join(shlex.quote(one.path) for one in commands if one.path)}",
        "    for word in (commandline -opc)[2..-1]",
        '        set -l longer (string trim -- "$command $word")',
        '        contains -- "$longer" $paths; and set command "$longer"',
        "    end",
        '    echo "$command"',
        "end",
    ]
    for one in commands:
        at = f"complete -c unprompt -n 'test (__unprompt_command) = \"{one.path}\"'"
        if not one.files:
            lines.append(f"{at} -f")
        lines += [f"{at} -a {shlex.quote(word)}{_fish_text(text)}" for word, text in one.words.items()]
        for option in one.options:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
            )
            values = f" -x -a {shlex.quote(' '.join(option.choices))}" if option.choices else ""
            takes = values or (" -r -F" if option.files else " -x" if option.takes else "")
            lines.append(f"{at} {names}{takes}{_fish_text(option.help)}")
    return "\n".join(lines) + "\n"


def _fish_text(text: str) -> str:
    escaped = re.sub(r"(['\\])", r"\\\1", text)
    return f" -d '{escaped}'" if text else ""
