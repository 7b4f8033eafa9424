"""The scripts among the tests start, as the Makefile starts them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import contextlib, io, runpy, sys
names = sys.argv[1:]
for name in names:
    sys.argv = [name, "--help"]
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        print(name, ended.code or 0)
        print(told.getvalue())
"""


def test_scripts_are_started_as_modules() -> None:
    """By its path, a script here would find `tests/html` where the standard library's `html` is meant."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"python3? tests/", makefile)
    modules = re.findall(r"-m (tests\.\w+)", makefile)
    assert {"tests.changed", "tests.fuzz", "tests.kaggle_dry_run", "tests.run_notebooks"} == set(modules)


@pytest.mark.slow
def test_help() -> None:
    """As `-m` runs them, but in one process, which imports once what they share."""
    names = ["tests.fuzz", "tests.kaggle_dry_run", "tests.run_notebooks"]
    shown = subprocess.run(
        [sys.executable, "-c", RUN, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert re.findall(r"^(\S+) 0\nusage:", shown.stdout, re.MULTILINE) == names
