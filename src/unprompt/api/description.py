"""The OpenAPI description as one HTML page that needs no script and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unprompt.html.kit import render_page

JSON = "application/json"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One key of a body, or one query parameter. `default` is JSON; None where it must be given."""

    name: str
    kind: str
    default: str | None
    description: str


@dataclass(frozen=True)
class Endpoint:
    """One path and method: what it takes, and what it answers."""

    method: str
    path: str
    summary: str
    takes: tuple[Field, ...]
    gives: tuple[Field, ...]
    gives_kind: str


def describe(openapi: Mapping[str, Any]) -> str:
    """The page about an OpenAPI description."""
    endpoints = list(read_endpoints(openapi))
    refusals: dict[str, str] = {}
    for path in openapi["paths"].values():
        for operation in path.values():
            refusals |= {
                status: one["description"]
                for status, one in operation["responses"].items()
                if not status.startswith("2")
            }
    return render_page(
        "api.html.j2",
        title=openapi["info"]["title"],
        version=openapi["info"]["version"],
        summary=openapi["info"]["summary"],
        endpoints=endpoints,
        refusals=sorted(refusals.items()),
    )


def read_endpoints(openapi: Mapping[str, Any]) -> Iterator[Endpoint]:
    """The endpoints in the order of the description."""
    models = openapi["components"]["schemas"]
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
            parameters = tuple(
                _field(one["name"], one["schema"], one.get("required", False), one.get("description", ""))
                for one in operation.get("parameters", ())
            )
            answer = operation["responses"]["200"].get("content", {}).get(JSON, {}).get("schema", {})
            yield Endpoint(
                method=method.upper(),
                path=path,
                summary=operation.get("description", ""),
                takes=parameters + _fields(body, models),
                gives=_fields(answer.get("items", answer), models),
                gives_kind=_kind(answer),
            )


def _fields(schema: Schema, models: Mapping[str, Schema]) -> tuple[Field, ...]:
    """The keys of the model that a schema points at; none where it points at none."""
    model = models.get(_name(schema), {})
    required = model.get("required", ())
    return tuple(
        _field(name, one, name in required, one.get("description", ""))
        for name, one in model.get("properties", {}).items()
    )


def _field(name: str, schema: Schema, required: bool, description: str) -> Field:
    default = None if required else json.dumps(schema.get("default"), ensure_ascii=False)
    if not required and "default" not in schema:
        default = {"array": "[]", "object": "{}"}.get(str(schema.get("type")), "null")
    return Field(name, _kind(schema), default, description)


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _kind(schema: Schema) -> str:
    """A schema in few words: integer from 1 to 150, list of at most 16 texts, null or string."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        most = f"at most {schema['maxItems']} " if "maxItems" in schema else ""
        return f"list of {most}({_kind(schema.get('items', {}))})"
    limits = (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "to {}"),
        ("exclusiveMaximum", "below {}"),
        ("maxLength", "of at most {} characters"),
    )
    told = (text.format(f"{schema[key]:,}".removesuffix(".0")) for key, text in limits if key in schema)
    return " ".join([kind, *told])
