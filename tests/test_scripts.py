"""The scripts among the tests start, as the Makefile starts them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_scripts_are_started_as_modules() -> None:
    """By its path, a script here would find `tests/html` where the standard library's `html` is meant."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"python3? tests/", makefile)
    modules = re.findall(r"-m (tests\.\w+)", makefile)
    assert {"tests.changed", "tests.fuzz", "tests.kaggle_dry_run", "tests.run_notebooks"} == set(modules)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fuzz", "kaggle_dry_run", "run_notebooks"])
def test_help(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", f"tests.{name}", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert shown.stdout.startswith("usage:")
