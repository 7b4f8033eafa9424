"""What several commands share: how one is declared, options made of settings, lines about a score."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from unprompt.cli.printing import message
from unprompt.errors import ConfigError
from unprompt.storage.memory_config import MemoryConfig
from unprompt.storage.text_config import TextConfig
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from unprompt.ensemble.score import Score
    from unprompt.generate.engines import EngineKind

C = TypeVar("C", bound="DataclassInstance")

_METAVARS = {int: "N", float: "X", str: "NAME", Path: "PATH"}


def declare(subparsers: argparse._SubParsersAction[Any], name: str, summary: str) -> argparse.ArgumentParser:
    """A command with its summary, which `complete` and options are to follow."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # As the program itself has it; where it is not given here, what was given there stays.
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.set_defaults(parser=parser)
    return parser


def complete(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None], example: str
) -> None:
    """Give a command its example and what it runs."""
    parser.epilog = f"example:\n{example}"
    parser.set_defaults(run=run)


def add_settings(
    parser: argparse._ActionsContainer,
    kind: type[DataclassInstance],
    only: Collection[str] = (),
    skip: Collection[str] = (),
    left_open: bool = False,
) -> None:
    """An option for each setting of a dataclass: of all, of `only` these, or of all without `skip`.

    Where the option is not given, its value is the setting's default, which its help shows. `left_open`: it
    is None instead, for a file or a preset to say; then true can be taken back by --no-, a list by none.
    """
    type_by_name = get_type_hints(kind)
    for item in fields(kind):
        if "help" not in item.metadata or (item.name not in only if only else item.name in skip):
            continue
        about, default = item.metadata, item.default
        form = _form(type_by_name[item.name], default, left_open)
        if about["choices"]:
            form |= {"choices": about["choices"], "metavar": None}
        if about["metavar"]:
            form["metavar"] = about["metavar"]
        shown = shown_default(item)
        text = " ".join(filter(None, (about["help"], shown and f"({shown})")))
        parser.add_argument(
            flag_of(item),
            dest=item.name,
            default=None if left_open else default,
            help=text.replace("%", "%%"),
            **form,
        )


def flag_of(item: Field[Any]) -> str:
    """The option that gives a setting: batch_size -> --batch-size."""
    return f"--{item.metadata['flag'] or item.name.replace('_', '-')}"


def shown_default(item: Field[Any]) -> str:
    """A setting's default as its help tells it; "" for what is not worth telling."""
    shown: str | None = item.metadata["shown"]
    return _shown(item.default) if shown is None else shown


def _form(kind: Any, default: Any, left_open: bool) -> dict[str, Any]:
    """How an option of a setting's type is written, as arguments of argparse's."""
    if kind is bool:
        both = left_open or default
        return {"action": argparse.BooleanOptionalAction if both else "store_true"}
    inner = [argument for argument in get_args(kind) if argument not in (NoneType, ...)]
    if get_origin(kind) is tuple:
        many = ... in get_args(kind)
        nargs = ("*" if left_open and not default else "+") if many else len(inner)
        return {"nargs": nargs, "type": inner[0], "metavar": _METAVARS[inner[0]]}
    (one,) = inner or [kind]
    return {"type": one, "metavar": _METAVARS[one]}


def _shown(default: Any) -> str:
    """A default as a user would type it; "" for none, an empty one and false."""
    if isinstance(default, bool):
        return "yes" if default else ""
    if isinstance(default, tuple):
        return " ".join(map(_shown, default))
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default is None else str(default)


def given_settings(options: argparse.Namespace, kind: type[DataclassInstance]) -> dict[str, Any]:
    """The options that are settings of a dataclass and were given or have a default, lists as tuples."""
    names = [item.name for item in fields(kind) if "help" in item.metadata]
    values = {name: getattr(options, name, None) for name in names}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def settings_from(options: argparse.Namespace, kind: type[C], **others: Any) -> C:
    """A dataclass of its settings' options, of its fields among `others`, and of defaults for the rest."""
    return kind(**{**given_settings(options, kind), **others})


def check_needed(
    options: argparse.Namespace, kind: type[DataclassInstance], needed: str, only: Collection[str] = ()
) -> None:
    """Raise ConfigError where an option that is a setting of a dataclass has another value than its default.

    For where what it belongs to, such as "--dataset", was not given. `only`: of these settings.
    """
    given = given_settings(options, kind)
    for item in fields(kind):
        belongs = item.name in only if only else item.name in given
        if belongs and given[item.name] != item.default:
            raise ConfigError(f"{flag_of(item)} belongs to {needed}, without which it does nothing")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`: numbers for programs on stdout, nothing else there."""
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def add_texts(parser: argparse.ArgumentParser) -> None:
    """The options of captions for training, the same for all commands that give pictures a text."""
    add_settings(parser.add_argument_group("captions for training"), TextConfig)


def add_memory(parser: argparse.ArgumentParser) -> None:
    """`--memory`, the same for all commands that decode many images."""
    add_settings(parser, MemoryConfig)


def take_memory(options: argparse.Namespace) -> None:
    """Have this process's images take no more memory than was asked for."""
    from unprompt.storage.memory import use_memory

    use_memory(settings_from(options, MemoryConfig))


def warn(text: str) -> None:
    """Tell the user on stderr."""
    print(f"unprompt: {message(text)}", file=sys.stderr)


def own_options(
    options: argparse.Namespace, engine: str, kinds: Mapping[str, EngineKind[Any]]
) -> dict[str, Any]:
    """The chosen engine's own settings that were given, by name; none of them has a default of its own.

    Raises ConfigError for an option that was given and belongs to another engine.
    """
    every = dict.fromkeys(name for kind in kinds.values() for name in kind.settings)
    given = {name: value for name in every if (value := getattr(options, name, None)) is not None}
    own = {name: value for name, value in given.items() if name in kinds[engine].settings}
    for name in given:
        if name not in own:
            flag = {"source": "from"}.get(name, name).replace("_", "-")
            others = " and ".join(other for other, kind in kinds.items() if name in kind.settings)
            raise ConfigError(f"--{flag} belongs to --engine {others}; the engine here is {engine}")
    return own


def describe_score(score: Score) -> list[str]:
    """A score in lines for people."""
    one = score.low is None or score.high is None
    interval = "" if one else f"95% interval {score.low:.4f} to {score.high:.4f}   "
    lines = [f"score {score.mean:.4f}   {interval}n = {len(score.ids)}"]
    for what, ids in (
        ("missing (in the truth, not in the guess)", score.missing),
        ("extra (no truth)", score.extra),
    ):
        if ids:
            lines.append(f"{counted(len(ids), 'id')} {what}, first: {ids[0]}")
    return lines
