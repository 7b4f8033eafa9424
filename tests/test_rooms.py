"""The house keeps its order: no room imports one above it, none is too large, each says what it is for."""

from __future__ import annotations

import ast

import pytest

from tests.rooms import PACKAGE, ROOMS, Arrow, arrows, imported, lines_by_room, modules


def test_no_room_imports_one_above_it() -> None:
    upwards = [arrow for arrow in arrows() if ROOMS.index(arrow.end) > ROOMS.index(arrow.start)]
    assert upwards == []


def test_arrows_are_found_wherever_the_import_stands() -> None:
    known = modules()
    late = PACKAGE / "cli" / "predict.py"  # imports what it needs when it runs
    assert "runs.predict" in set(imported(late, known))
    assert Arrow("runs", "ensemble", "runs/looking.py", "ensemble.prior") in arrows()


def test_every_module_is_in_a_room() -> None:
    assert {name.partition(".")[0] for name in modules()} == {"", "__main__", *ROOMS}


@pytest.mark.parametrize("room", [room for room in ROOMS if (PACKAGE / room).is_dir()])
def test_a_room_says_what_lives_there(room: str) -> None:
    doc = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
    assert len(doc) > 60


def test_no_room_has_a_fifth_of_the_lines() -> None:
    lines = lines_by_room()
    largest = max(lines, key=lines.__getitem__)
    assert lines[largest] < 0.2 * sum(lines.values()), largest


def test_files_do_not_import_each_other_in_circles() -> None:
    known = modules()
    del known[""]  # the package's own face loads what it shows on first use, and others take its version
    targets = {name: set(imported(path, known)) & set(known) for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for target in targets[name] - {name}:
                visit(target, (*way, name))
            done.add(name)

    for name in known:
        visit(name, ())


def test_no_file_imports_what_another_keeps_to_itself() -> None:
    private = [
        f"{module}: {name.name} of {node.module}"
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unprompt")
        for name in node.names
        if name.name.startswith("_") and not name.name.startswith("__")
    ]
    assert private == []
