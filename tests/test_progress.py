"""How far work is: in a log, in a terminal, and in a notebook's kernel, as each really shows it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from unprompt import progress as progress_module
from unprompt.pocket.samples import write_scenes
from unprompt.progress import StepBars, in_notebook, shown, silent

STEPS = """
from unprompt.progress import shown

with shown(True, "image") as told:
    told("loading models", 0, 0)
    for done in range(4):
        told("drawing <b>", done, 3)
"""


class TestLog:
    def test_a_line_a_minute(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 100.0
        monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
        with StepBars("image") as bars:
            bars.show("loading models", 0, 0)
            now = 170.0
            bars.show("loading models", 0, 0)
            for second in range(300):
                now = 200.0 + second
                bars.show("drawing", 1000 + 20 * second, 10_000)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.splitlines() == [
            "loading models …",
            "drawing: 1,600 of 10,000, 20 a second, about 7 min left",  # 8,400 / 20 a second
            "drawing: 2,800 of 10,000, 20 a second, about 6 min left",
            "drawing: 4,000 of 10,000, 20 a second, about 5 min left",
            "drawing: 5,200 of 10,000, 20 a second, about 4 min left",
            "drawing: 6,400 of 10,000, 20 a second, about 3 min left",
        ]

    def test_a_step_that_begins_anew_has_a_pace_of_its_own(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two data sets are drawn one after the other: the second's images took only their own time."""
        now = 0.0
        monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
        with StepBars("image") as bars:
            for now in (0.0, 30.0):
                bars.show("drawing", round(100 * now), 3000)
            for now in (31.0, 33.0, 61.0):
                bars.show("drawing", round(10 * (now - 31)), 600)
        assert capsys.readouterr().err.splitlines() == ["drawing: 300 of 600, 10 a second, about 30 s left"]

    def test_a_function_shows_nothing_in_it(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress_module, "MINUTE", 0.0)
        assert not in_notebook()
        with shown(True, "image") as told:
            assert told is silent
            told("drawing", 1, 3)
        assert capsys.readouterr().err == ""


def test_a_function_of_the_callers_is_told_itself() -> None:
    heard = []

    def hear(step: str, done: int, total: int) -> None:
        heard.append((step, done, total))

    with shown(hear, "image") as told:
        told("drawing", 1, 3)
    with shown(False, "image") as told:
        told("drawing", 2, 3)
    assert heard == [("drawing", 1, 3)]


def test_bars_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))  # rows, columns
    process = subprocess.Popen([sys.executable, "-c", STEPS], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    screen = b""
    try:
        while more := os.read(ours, 4096):
            screen += more
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, b"")
    assert re.search(r"drawing <b>: 100%\|.*\| 3/3 \[.*image/s\]", screen.decode())


def run_in_a_notebook(*cells: str, folder: Path) -> list[list[Any]]:
    """Run cells in a kernel of Jupyter's; what each left as its output."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return [cell.outputs for cell in notebook.cells]


def test_bars_in_a_notebook(tmp_path: Path) -> None:
    (outputs,) = run_in_a_notebook(STEPS, folder=tmp_path)
    assert [output.output_type for output in outputs] == ["display_data"] * 2
    loading, drawing = (output.data for output in outputs)
    assert re.fullmatch(r"loading models: \d+ s in all", loading["text/plain"])
    assert "<progress" not in loading["text/html"]  # its bar went when it was done
    assert re.fullmatch(r"drawing <b>: 3 of 3, [\d.,]+ a second, \d+ s in all", drawing["text/plain"])
    assert drawing["text/html"].startswith('<progress value="3" max="3"')
    assert "</progress> drawing &lt;b&gt;: 3 of 3" in drawing["text/html"]


@pytest.mark.slow
def test_the_functions_show_it_in_a_notebook(tmp_path: Path) -> None:
    images = 2
    write_scenes(tmp_path, images)
    call = 'run = unprompt.predict("images", "RUN", bundle="lite", device="cpu", '
    outputs = run_in_a_notebook(
        "import unprompt",
        f"{call})",
        f"{call} overwrite=True, progress=False)",
        "heard = []\n"
        f"{call} overwrite=True, progress=lambda *told: heard.append(told))\n"
        f"heard[0], ('predicting', {images}, {images}) in heard",
        folder=tmp_path,
    )
    bars = [output.data["text/plain"] for output in outputs[1] if output.output_type == "display_data"]
    assert any(bar.startswith("loading models: ") for bar in bars)
    assert any(bar.startswith(f"predicting: {images} of {images}, ") for bar in bars)
    assert [output.output_type for output in outputs[2]] == []
    (told,) = (output.data["text/plain"] for output in outputs[3])
    assert told == "(('loading models', 0, 0), True)"
