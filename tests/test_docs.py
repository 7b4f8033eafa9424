"""The Python blocks of the pages run, one after the other, as a reader would type them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from unprompt.pocket.samples import write_scenes

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("one_loader", "one_thread", "small_gallery")
def test_the_page_on_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scenes(tmp_path, 3)
    shutil.copyfile(tmp_path / "images" / "scene-01.png", tmp_path / "cat.png")
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in BLOCK.finditer(page):
        lines_before = page.count("\n", 0, block.start(1))  # so that a traceback names the page's line
        exec(compile("\n" * lines_before + block[1], "docs/python.md", "exec"), names)
    assert {"model", "run", "trained"} <= set(names)


@pytest.mark.slow
@pytest.mark.usefixtures("one_loader", "one_thread")
def test_the_readme_s_first_example_says_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = BLOCK.search((DOCS.parent / "README.md").read_text(encoding="utf-8"))
    assert block is not None
    said = re.search(r"# (.+)$", block[1], re.MULTILINE)
    number = re.search(r"scene-(\d+)", block[1])
    assert said is not None
    assert number is not None
    write_scenes(tmp_path / "unprompt-demo" / "samples", int(number[1]))
    monkeypatch.chdir(tmp_path)
    exec(compile(block[1], "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == said[1]
    assert printed not in ("a picture", "an illustration")  # what is said where nothing is known
