"""Grading painters: pages of any size, and scores that are told before a page is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.colouring.small_world import LetterEncoder, tiny_painter
from unprompt.cli import main
from unprompt.colouring import grade
from unprompt.colouring.painter_files import write_painter
from unprompt.errors import InputError


@pytest.fixture
def graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command that grades a tiny painter on a large drawing with specks, of which one is not seen.

    Two pixels that meet at a corner are two regions, which at half the size have one place for both.
    """
    page = np.full((1100, 1100), 255, np.uint8)
    page[200:800, 200] = page[200:800, 799] = page[200, 200:800] = page[799, 200:800] = 0
    page[898:904, 898:904] = 0
    page[900, 901] = page[901, 900] = 255
    coloured = np.stack([page] * 3, 2)
    coloured[201:799, 201:799] = (229, 0, 0)
    coloured[900, 901], coloured[901, 900] = (0, 0, 255), (0, 255, 0)
    pairs = tmp_path / "pairs"
    for kind, pixels in (("line", page), ("colour", coloured)):
        (pairs / kind).mkdir(parents=True)
        Image.fromarray(pixels).save(pairs / kind / "a.png")
    (pairs / "pairs.csv").write_text("source,target,caption\na.png,a.png,a red box\n")
    write_painter(tmp_path / "painter.safetensors", tiny_painter())
    monkeypatch.setattr(grade.PromptEncoder, "load", LetterEncoder)
    return ["colour", "grade", str(pairs), "--weights", str(tmp_path / "painter.safetensors")]


def test_a_page_shows_drawings_with_regions_that_are_not_seen(
    graded: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grade.html"
    assert main([*graded, "--out", str(out)]) == 0
    assert f"page: {out}" in capsys.readouterr().out
    page = out.read_text()
    assert page.count("<figcaption>painter") == 1
    assert "<small>" not in page  # one triple has no interval


def test_the_scores_are_told_before_the_page_is_drawn(
    graded: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise InputError("no page")

    monkeypatch.setattr(grade, "grade_page", fails)
    assert main([*graded, "--out", str(tmp_path / "grade.html")]) == 1
    assert "painter" in capsys.readouterr().out
