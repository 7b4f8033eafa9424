"""Check that every notebook is thin and in step with its .py, then run it from top to bottom.

`python -m tests.run_notebooks` checks and runs; `--sync` first writes each .ipynb anew from its .py.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
MOST_CODE_CELLS = 15
AT_ONCE = 2  # notebooks that run beside each other, each with one thread for its arithmetic
NOT_IN_A_CELL = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While)


def notebooks() -> list[Path]:
    """The .py side of every notebook."""
    return sorted(FOLDER.glob("*.py"))


def cells(notebook: Any) -> list[tuple[str, str]]:
    """What makes two notebooks the same: kinds and sources of their cells."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def complaints(path: Path) -> list[str]:
    """Why a notebook is not thin or not in step; empty if it is both."""
    notebook = jupytext.read(path)
    found = []
    pair = path.with_suffix(".ipynb")
    if not pair.exists() or cells(jupytext.read(pair)) != cells(notebook):
        found.append(f"{pair.name} is not in step with {path.name}; run python -m tests.run_notebooks --sync")
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if len(code) > MOST_CODE_CELLS:
        found.append(f"{path.name} has {len(code)} code cells, at most {MOST_CODE_CELLS}")
    for source in code:
        plain = "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))
        for node in ast.walk(ast.parse(plain)):
            if isinstance(node, NOT_IN_A_CELL):
                found.append(f"{path.name}: a cell has a {type(node).__name__}; move it into src/unprompt")
    return found


def run(path: Path) -> tuple[float, str]:
    """Execute a notebook in an empty folder; returns its seconds, and the error of a cell if there is one."""
    start, error = time.perf_counter(), ""
    with tempfile.TemporaryDirectory() as scratch:
        notebook = jupytext.read(path.with_suffix(".ipynb"))
        try:
            NotebookClient(notebook, timeout=600, resources={"metadata": {"path": scratch}}).execute()
        except CellExecutionError as failed:
            error = str(failed)
    return time.perf_counter() - start, error


def run_all(paths: list[Path]) -> list[str]:
    """Run notebooks, AT_ONCE at a time, and say in their order how long each took; returns what failed."""
    os.environ["OMP_NUM_THREADS"] = "1"  # kernels have it from here
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for path, (seconds, error) in zip(paths, pool.map(run, paths), strict=True):
            print(f"{path.name}: {'failed' if error else 'ran'} in {seconds:.0f} s", flush=True)
            if error:
                failed.append(path.name)
                print(f"{path.name}: {error}", file=sys.stderr)
    return failed


def main() -> int:
    """Check all, then run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sync", action="store_true", help="write the .ipynb files from the .py files")
    if parser.parse_args().sync:
        for path in notebooks():
            jupytext.write(jupytext.read(path), path.with_suffix(".ipynb"))
    found = [complaint for path in notebooks() for complaint in complaints(path)]
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    return 1 if run_all(notebooks()) else 0


if __name__ == "__main__":
    sys.exit(main())
