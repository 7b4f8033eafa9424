"""Check that every notebook is thin and in step with its .py, then run it from top to bottom.

No two may use one name: who runs them in order does so in one folder, where one would replace what another
has left.

`python -m tests.run_notebooks` checks and runs; `--sync` first writes each .ipynb anew from its .py.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
MOST_CODE_CELLS = 15
AT_ONCE = 2  # notebooks that run beside each other, each with one thread for its arithmetic
NOT_IN_A_CELL = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While)
IS_PATH = re.compile(r"[\w.-]+(/\S*|\.[a-z]+)")  # RUN/curves.png, submission.csv


class Ran(NamedTuple):
    """What came of a notebook: the seconds, the error of a cell if there is one, the names that it left."""

    seconds: float
    error: str
    left: set[str]


def notebooks() -> list[Path]:
    """The .py side of every notebook."""
    return sorted(FOLDER.glob("*.py"))


def cells(notebook: Any) -> list[tuple[str, str]]:
    """What makes two notebooks the same: kinds and sources of their cells."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def synced(path: Path) -> Any:
    """The notebook of a .py. Ids of cells are made of what is in them: the same .py gives the same bytes."""
    notebook = jupytext.read(path)
    seen: Counter[tuple[str, str]] = Counter()
    for cell, content in zip(notebook.cells, cells(notebook), strict=True):
        seen[content] += 1
        told = "\n".join((*content, str(seen[content])))
        cell.id = hashlib.sha256(told.encode()).hexdigest()[:8]
    return notebook


def complaints(path: Path) -> list[str]:
    """Why a notebook is not thin or not in step; empty if it is both."""
    notebook = jupytext.read(path)
    found = []
    pair = path.with_suffix(".ipynb")
    if not pair.exists() or cells(jupytext.read(pair)) != cells(notebook):
        found.append(f"{pair.name} is not in step with {path.name}; run python -m tests.run_notebooks --sync")
    code = list(code_cells(notebook))
    if len(code) > MOST_CODE_CELLS:
        found.append(f"{path.name} has {len(code)} code cells, at most {MOST_CODE_CELLS}")
    for cell in code:
        for node in ast.walk(cell):
            if isinstance(node, NOT_IN_A_CELL):
                found.append(f"{path.name}: a cell has a {type(node).__name__}; move it into src/unprompt")
    return found


def code_cells(notebook: Any) -> Iterator[ast.Module]:
    """The code of each cell, without what IPython alone understands."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = (line for line in cell.source.splitlines() if not line.startswith(("%", "!")))
            yield ast.parse("\n".join(lines))


def names_used(path: Path) -> set[str]:
    """The files and folders beside it that a notebook's code names: the first part of each path in it."""
    found = set()
    for node in (node for cell in code_cells(jupytext.read(path)) for node in ast.walk(cell)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Path":
            found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and IS_PATH.fullmatch(node.value):
            found.add(node.value)
    return {Path(name).parts[0] for name in found}


def clashes(names_by_notebook: Mapping[str, set[str]]) -> list[str]:
    """Which names two notebooks have in common; case does not count, as it does not on every disk."""
    folded = {notebook: {one.casefold() for one in names} for notebook, names in names_by_notebook.items()}
    return [
        f"{first} and {second} both use {', '.join(sorted(shared))}; give each a name of its own"
        for first, second in combinations(folded, 2)
        if (shared := folded[first] & folded[second])
    ]


def run(path: Path) -> Ran:
    """Execute a notebook in an empty folder."""
    start, error = time.perf_counter(), ""
    with tempfile.TemporaryDirectory() as scratch:
        notebook = jupytext.read(path.with_suffix(".ipynb"))
        try:
            NotebookClient(notebook, timeout=600, resources={"metadata": {"path": scratch}}).execute()
        except CellExecutionError as failed:
            error = str(failed)
        left = {one.name for one in Path(scratch).iterdir()}
    return Ran(time.perf_counter() - start, error, left)


def run_all(paths: list[Path]) -> list[str]:
    """Run notebooks, AT_ONCE at a time, and say in their order how long each took; returns what is wrong."""
    os.environ["OMP_NUM_THREADS"] = "1"  # kernels have it from here
    failed, left = [], {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for path, ran in zip(paths, pool.map(run, paths), strict=True):
            print(f"{path.name}: {'failed' if ran.error else 'ran'} in {ran.seconds:.0f} s", flush=True)
            left[path.name] = ran.left
            if ran.error:
                failed.append(f"{path.name}: {ran.error}")
    return failed + clashes(left)


def main() -> int:
    """Check all, then run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sync", action="store_true", help="write the .ipynb files from the .py files")
    if parser.parse_args().sync:
        for path in notebooks():
            jupytext.write(synced(path), path.with_suffix(".ipynb"))
    found = [complaint for path in notebooks() for complaint in complaints(path)]
    found += clashes({path.name: names_used(path) for path in notebooks()})
    found = found or run_all(notebooks())
    if found:
        print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
