"""What commands share that train: the settings of several models as options, and what is told at the end."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unprompt.cli.options import add_settings, flag_of, given_settings, shown_default
from unprompt.cli.printing import command
from unprompt.errors import ConfigError
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    # What is chosen by an option -> the classes of its settings, in the order in which they are shown.
    Settings = Mapping[str, tuple[type[DataclassInstance], ...]]

TITLES = ("what is learnt", "the machine (changes nothing in the result)")


class Learnt(Protocol):
    """What a training has come to."""

    @property
    def seconds(self) -> float: ...

    @property
    def resumed(self) -> bool: ...


def add_trainings(parser: argparse.ArgumentParser, flag: str, settings: Settings) -> None:
    """The options of all trainings, left open, in a group for each; what two of them have is declared once.

    There the first one's default stands; the groups of the others say theirs. `flag`: the option by which one
    of them is chosen, such as --engine.
    """
    declared: set[str] = set()
    for name, kinds in settings.items():
        for title, kind in zip(TITLES, kinds, strict=True):
            group = parser.add_argument_group(f"{flag} {name}: {title}", told_above(kind, declared))
            add_settings(group, kind, skip=declared, left_open=True)
            declared |= {item.name for item in fields(kind)}


def told_above(kind: type[DataclassInstance], declared: Collection[str]) -> str | None:
    """Which options of other groups a group has too, with their defaults; None where it has no others."""
    options = [item for item in fields(kind) if "help" in item.metadata]
    told = [item for item in options if item.name in declared]
    if not told or len(told) == len(options):
        return None
    texts = [" ".join(filter(None, (flag_of(item), shown_default(item)))) for item in told]
    return f"of the above also: {', '.join(texts)}"


def check_belongs(
    options: argparse.Namespace, settings: Settings, flag: str, chosen: str, shared: Collection[str] = ()
) -> None:
    """Raise ConfigError for an option that was given and belongs to another choice than `chosen`.

    `shared`: options of the command itself that are settings of a choice too.
    """
    own = {*shared, *(item.name for kind in settings[chosen] for item in fields(kind))}
    for name, kinds in settings.items():
        for option in (option for kind in kinds for option in given_settings(options, kind)):
            if option not in own:
                raise ConfigError(
                    f"--{option.replace('_', '-')} belongs to {flag} {name}; "
                    f"the {flag.lstrip('-')} here is {chosen}"
                )


def speaks() -> bool:
    """Whether this process tells what came out: under `accelerate launch` one speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def tell_training(
    options: argparse.Namespace,
    learnt: Learnt,
    counts: Mapping[str, int],
    noun: str,
    last_epoch: Any,
    path: Path,
    try_it: Sequence[object],
) -> None:
    """Say what a training has come to, or print it as JSON; only where this process `speaks`.

    `counts`: how much was learnt from first, by the keys that JSON has for them; `noun`: of one of these.
    `try_it`: the words of a command that uses what was learnt.
    """
    if not speaks():
        return
    if options.json:
        seconds = round(learnt.seconds, 3)
        print(json.dumps({**counts, "seconds": seconds, "last_epoch": last_epoch, "out": str(path)}))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    much = counted(next(iter(counts.values())), noun)
    print(f"learnt from {much} in {learnt.seconds:.0f} s{resumed}: {path}")
    print(f"try it: {command(*try_it)}")
