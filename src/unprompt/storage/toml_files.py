"""Settings in flat TOML files: a dataclass's fields, one key a line."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from unprompt.errors import ConfigError, InputError
from unprompt.storage.files import read_text, write_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path, as text",
}


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises InputError for a file that cannot be read, or that goes too deep."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise InputError(f"{path} cannot be read as TOML: {error}") from error


def read_config(path: Path, kind: type[DataclassInstance]) -> dict[str, Any]:
    """The settings of a TOML file, as keyword arguments of the dataclass `kind`.

    Arrays become tuples, and texts paths where the field is one. What the file leaves out keeps its default,
    so that it is not in the answer. Raises InputError for a file that cannot be read, ConfigError for an
    unknown key and for a value of another type than its field.
    """
    content = read_toml(path)
    type_by_name = get_type_hints(kind)
    settings = {}
    for key, value in content.items():
        if key not in type_by_name:
            close = get_close_matches(key, type_by_name, n=1)
            advice = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(type_by_name)}"
            raise ConfigError(f"{path} has the unknown setting '{key}'; {advice}")
        try:
            settings[key] = convert(value, type_by_name[key])
        except TypeError as error:
            raise ConfigError(f"{path}: '{key}' must be {error}, got {value!r}") from None
    return settings


def convert(value: Any, kind: Any) -> Any:
    """A TOML value as the type of its field; arrays become tuples.

    Raises TypeError that says in words what is expected.
    """
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        inner = arguments[0]
        many = arguments[1:] == (...,)
        if not isinstance(value, list) or not (many or len(value) == len(arguments)):
            count = "an array" if many else f"an array of {len(arguments)}"
            raise TypeError(f"{count}, each {_KINDS[inner]}")
        try:
            return tuple(convert(item, inner) for item in value)
        except TypeError as error:
            raise TypeError(f"an array, each {error}") from None
    if NoneType in arguments:  # TOML has no null: such a field is left out instead
        (kind,) = (argument for argument in arguments if argument is not NoneType)
        return convert(value, kind)
    expected: Any = {float: (int, float), Path: str}.get(kind, kind)
    if not isinstance(value, expected) or isinstance(value, bool) is not (kind is bool):
        raise TypeError(_KINDS[kind])
    try:
        return kind(value)
    except OverflowError:
        raise TypeError(f"{_KINDS[kind]} of no more than 300 digits") from None


def write_config(path: Path, config: DataclassInstance, heading: str) -> None:
    """Write a dataclass's settings as TOML, under comment lines that say `heading`.

    `kind(**read_config(path, kind))` gives an equal one. Fields that are None are left out. Raises
    ConfigError for a value that TOML cannot hold.
    """
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    for item in fields(config):
        value = getattr(config, item.name)
        if value is not None:
            lines.append(f"{item.name} = {_literal(value)}")
    try:
        write_bytes(path, ("\n".join(lines) + "\n").encode())
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.object[error.start - 20 : error.end]!r}"
        ) from error


def _literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str | Path):
        # TOML's escapes are JSON's, but for DEL, which must not stand bare.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    raise ConfigError(f"a setting of the type {type(value).__name__} cannot stand in TOML: {value!r}")
