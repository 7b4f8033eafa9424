"""`doodle name` and `doodle caption`: what is done is kept, whatever ends the work, and goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from unprompt.cli import main
from unprompt.doodles import caption_files, name_files
from unprompt.doodles.captioners import Caption, GroupCaptioner
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.facts import SceneFacts
from unprompt.doodles.name import Guess, Namer

CROSS = [[[0, 9], [0, 9]], [[0, 9], [9, 0]]]
ACTIONS = ("name", "caption")


class Seer:
    """Stands where a namer or a captioner would, and counts what it is shown; `ends` the work at a batch."""

    words = ("a", "b")

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.ends: tuple[int, type[BaseException]] | None = None

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> np.ndarray:
        self._count(drawings)
        return np.tile(np.float32([0.3, 0.7]), (len(drawings), 1))

    def best(self, row: np.ndarray, top: int) -> list[Guess]:
        return [Guess("b", float(row[1])), Guess("a", float(row[0]))][:top]

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        self._count(drawings)
        return [Caption("a cross", SceneFacts(()), 0.5) for _ in drawings]

    def _count(self, drawings: Sequence[Drawing]) -> None:
        if self.ends and self.ends[0] == len(self.batches):
            raise self.ends[1]
        self.batches.append(len(drawings))


@pytest.fixture
def seer(monkeypatch: pytest.MonkeyPatch) -> Seer:
    seer = Seer()
    for kind, module in ((Namer, name_files), (GroupCaptioner, caption_files)):
        monkeypatch.setattr(kind, "load", lambda *_: seer)
        monkeypatch.setattr(module, "BATCH", 2)
    return seer


def write_strokes(path: Path, count: int = 5) -> Path:
    """`count` drawings; before the second and the last something that is none."""
    lines = [json.dumps({"drawing": CROSS, "key_id": f"d{n}"}) for n in range(count)]
    path.write_text("\n".join([lines[0], "no drawing", *lines[1:-1], "none either", lines[-1]]) + "\n")
    return path


def look(action: str, *more: object) -> int:
    return main(["doodle", action, *map(str, more), "--device", "cpu"])


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_was_interrupted_goes_on(
    tmp_path: Path, seer: Seer, capsys: pytest.CaptureFixture[str], action: str, suffix: str
) -> None:
    drawings = write_strokes(tmp_path / "a.ndjson")
    out, whole = tmp_path / f"t{suffix}", tmp_path / f"w{suffix}"
    assert look(action, drawings, "--out", whole) == 0
    assert seer.batches == [2, 2, 1]
    seer.batches, seer.ends = [], (2, KeyboardInterrupt)
    assert look(action, drawings, "--out", out) == 130
    assert "run the same command again to go on; what is done is kept" in capsys.readouterr().err
    kept, all_lines = out.read_text().splitlines(), whole.read_text().splitlines()
    assert kept == [line for line in all_lines if "d4" not in line]
    assert len(kept) < len(all_lines)

    seer.batches, seer.ends = [], None
    assert look(action, drawings, "--out", out, "--json") == 0
    assert seer.batches == [1]
    assert out.read_bytes() == whole.read_bytes()
    problems = [(tmp_path / f"{one}.problems.csv").read_text() for one in ("t", "w")]
    assert problems[0] == problems[1]
    assert problems[0].count("a-2") == problems[0].count("a-6") == 1
    told = json.loads(capsys.readouterr().out)
    assert set(told[f"{action}s"]) == {f"d{n}" for n in range(5)}
    assert [one["image_id"] for one in told["problems"]] == ["a-2", "a-6"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_drawing_that_fails_costs_no_other(tmp_path: Path, seer: Seer, action: str) -> None:
    drawings, out = write_strokes(tmp_path / "a.ndjson"), tmp_path / "t.csv"
    seer.ends = (2, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        look(action, drawings, "--out", out)
    assert {line.split(",")[0] for line in out.read_text().splitlines()} == {"imgId", "d0", "d1", "d2", "d3"}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_there_is_neither_lost_nor_mixed(
    tmp_path: Path, seer: Seer, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    drawings, out = write_strokes(tmp_path / "a.ndjson"), tmp_path / "t.csv"
    seer.ends = (1, KeyboardInterrupt)
    assert look(action, drawings, "--out", out) == 130
    drawings.write_text(drawings.read_text().replace("9", "8"))
    seer.batches, seer.ends = [], None
    assert look(action, drawings, "--out", out) == 1
    assert "a.ndjson has changed since" in capsys.readouterr().err
    other = {"name": "--top", "caption": "--sure"}[action]
    assert look(action, drawings, "--out", out, other, 1) == 1
    assert "was begun with other settings" in capsys.readouterr().err
    assert seer.batches == []
    assert look(action, drawings, "--out", out, "--overwrite") == 0
    assert seer.batches == [2, 2, 1]
    assert look(action, drawings, "--out", out) == 1
    assert "is there already; add --overwrite to replace" in capsys.readouterr().err


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_shown_is_shown_as_it_comes(
    tmp_path: Path, seer: Seer, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    seer.ends = (1, KeyboardInterrupt)
    drawings = write_strokes(tmp_path / "a.ndjson")
    assert look(action, drawings) == 130
    said = {"name": "b 0.70, a 0.30", "caption": "a cross"}[action]
    assert capsys.readouterr().out.splitlines() == [f"d0: {said}", f"d1: {said}"]
    seer.batches = []
    assert look(action, drawings, "--json") == 130
    told = json.loads(capsys.readouterr().out)
    assert set(told[f"{action}s"]) == {"d0", "d1"}
    assert told["interrupted"]


@pytest.mark.parametrize("action", ACTIONS)
def test_files_without_a_drawing_leave_no_table(tmp_path: Path, seer: Seer, action: str) -> None:
    (tmp_path / "a.ndjson").write_text("no drawing\n")
    assert look(action, tmp_path / "a.ndjson", "--out", tmp_path / "t.csv") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.ndjson"]
