"""The rooms of the package, and what imports what: read from the source, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "unprompt"

# Lowest first. A room imports only rooms that stand before it, and itself.
ROOMS = (
    "errors", "settings", "records", "progress",
    "storage", "text", "metadata", "networks", "crew", "html", "datasets", "learning", "ensemble", "painting",
    "pocket", "diffusion", "generate", "regression", "interrogator", "colouring_pages",
    "colouring", "doodles",
    "members", "bundle", "runs", "easy_diffuser", "recipes", "serving", "demos",
    "app", "api", "cli", "python",
)  # fmt: skip


class Arrow(NamedTuple):
    """One import: `file` of the room `start` imports `module` of the room `end`."""

    start: str
    end: str
    file: str
    module: str


def modules() -> dict[str, Path]:
    """Every module of the package by its name without `unprompt.`; packages by their `__init__.py`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    """ "storage.files" -> "storage"."""
    return module.partition(".")[0]


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The package's modules that a file imports anywhere in it, also where only types are wanted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "unprompt":
            base = node.module.partition(".")[2]
            for name in node.names:
                inner = f"{base}.{name.name}".lstrip(".")
                yield inner if inner in known else base
        elif isinstance(node, ast.Import):
            yield from (
                name.name.partition(".")[2] for name in node.names if name.name.startswith("unprompt.")
            )


def arrows() -> list[Arrow]:
    """All imports from one room into another. The package's own face (`__init__`, `__main__`) is no room."""
    known = modules()
    found = []
    for module, path in known.items():
        if module in ("", "__main__"):
            continue
        for target in imported(path, known):
            if target and room_of(target) != room_of(module):
                file = path.relative_to(PACKAGE).as_posix()
                found.append(Arrow(room_of(module), room_of(target), file, target))
    return found


def lines_by_room() -> dict[str, int]:
    """Lines of code in each room."""
    count = dict.fromkeys(ROOMS, 0)
    for module, path in modules().items():
        if module not in ("", "__main__"):
            count[room_of(module)] += len(path.read_text(encoding="utf-8").splitlines())
    return count
