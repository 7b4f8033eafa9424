"""No process that unprompt starts runs what lies in the current directory under a module's name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rooms import PACKAGE

MODULES = ("json", "pickle", "struct", "tomllib", "multiprocessing", "polars", "tempfile", "selectors")
STARTERS = {"subprocess", "multiprocessing", "os.system", "os.popen", "os.exec", "os.spawn"}
WORK = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from unprompt.storage.processes import forking_from_server, spawning

if __name__ == "__main__":
    contexts = {
        "spawning": spawning,
        "forking": lambda: forking_from_server("unprompt.errors"),
        "plain": lambda: multiprocessing.get_context("spawn"),
    }
    for name in sys.argv[1:]:
        context = contexts[name]()
        context.Value("i", 0)
        with ProcessPoolExecutor(1, context) as pool:
            assert pool.submit(abs, -3).result() == 3
    print("done")
"""


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with files under the names of modules, each of which leaves a mark when it is run."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write('{name} ')\n")
    (tmp_path / "work.py").write_text(WORK)
    return folder


def work_in(folder: Path, *contexts: str) -> subprocess.CompletedProcess[str]:
    """Run WORK as a command that is installed is: by a file that lies elsewhere."""
    command = [sys.executable, str(folder.parent / "work.py"), *contexts]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_workers_run_nothing_of_the_current_directory(strange: Path) -> None:
    done = work_in(strange, "spawning", "forking")
    assert done.stdout == "done\n", done.stderr
    assert not (strange.parent / "mark").exists()


def test_plain_ones_would(strange: Path) -> None:
    work_in(strange, "plain")
    assert (strange.parent / "mark").exists()


def test_the_command_runs_nothing_of_the_current_directory(strange: Path) -> None:
    """`python -m unprompt` itself looks there for the modules that it imports later."""
    command = [sys.executable, "-m", "unprompt", "checkpoints", "list"]
    done = subprocess.run(command, cwd=strange, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (strange.parent / "mark").exists()


def test_processes_are_started_in_one_place() -> None:
    """Who else names a module that starts processes does no more than ask about those that run."""
    may_ask = {"multiprocessing.active_children", "multiprocessing.parent_process"}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "processes.py" or not any(name in text for name in STARTERS):
            continue
        for node in ast.walk(ast.parse(text)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.split(".")[0] in STARTERS or called.startswith(tuple(STARTERS)):
                assert called in may_ask, f"{path}:{node.lineno} {called}"
