"""What is wrong with the values of a request, in a line: where, what is wanted there, and what came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from unprompt.errors import counted
from unprompt.serving.hosts import shorten

MOST_COMPLAINTS = 5
# What is wanted where Pydantic finds an error of a type; what came is said beside it.
WANTED: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "a text",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a number",
        "bool_type": "true or false",
        "list_type": "a list",
        "dict_type": "an object",
        "model_type": "an object",
        "model_attributes_type": "an object",
    }
)
# The same where a text came that could have stood for it.
UNREAD: Mapping[str, str] = MappingProxyType(
    {"int_parsing": "a whole number", "float_parsing": "a number", "bool_parsing": "true or false"}
)


def complaints(errors: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's errors in a line: each with the place where it is, never with the value."""
    told = []
    for error in errors[:MOST_COMPLAINTS]:
        if error["type"] == "json_invalid":
            told.append(f"the body is not JSON: {error['ctx']['error']} at character {error['loc'][-1] + 1}")
            continue
        place = ".".join(shorten(str(part)) for part in error["loc"] if part != "body")
        if not place and error["type"] == "missing":
            told.append("the body is empty; send a JSON object")
        elif not place and error["type"] in WANTED:
            told.append(f"the body must be a JSON {WANTED[error['type']].split()[-1]}, got {_kind(error)}")
        else:
            told.append(f"{place}: {_sentence(error)}" if place else _sentence(error))
    more = f"; and {len(errors) - len(told)} more" if len(errors) > len(told) else ""
    return "; ".join(told) + more


def _sentence(error: Mapping[str, Any]) -> str:
    """What is wrong at a place."""
    kind, limits = error["type"], error.get("ctx", {})
    match kind:
        case "missing":
            return "missing; it has to be given"
        case "greater_than_equal":
            return f"must be at least {_number(limits['ge'])}"
        case "greater_than":
            return f"must be above {_number(limits['gt'])}"
        case "less_than_equal":
            return f"must be at most {_number(limits['le'])}"
        case "less_than":
            return f"must be below {_number(limits['lt'])}"
        case "too_short":
            least = counted(limits["min_length"], "value")
            return f"must have at least {least}, has {limits['actual_length']:,}"
        case "too_long":
            most = counted(limits["max_length"], "value")
            return f"must have at most {most}, has {limits['actual_length']:,}"
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            return f"must have at most {limits['max_length']:,} characters"
        case "string_unicode":
            return "has half a character (\\ud800 to \\udfff); send whole ones"
        case "literal_error":
            return f"must be {limits['expected']}"
    if kind in WANTED:
        return f"must be {WANTED[kind]}, got {_kind(error)}"
    if kind in UNREAD:
        return f"must be {UNREAD[kind]}"
    return str(error["msg"]).removeprefix("Value error, ")


def _kind(error: Mapping[str, Any]) -> str:
    """What kind of JSON value came."""
    match error["input"]:
        case None:
            return "null"
        case bool(value):
            return str(value).lower()
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case float(value) if not math.isfinite(value):
            return "NaN or an infinity"
        case float(value) if not value.is_integer():
            return "a fraction"
    return "a number"


def _number(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
