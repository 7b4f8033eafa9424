"""The demo writes beside nothing that is not a demo's."""

from __future__ import annotations

from pathlib import Path

import pytest

from unprompt.demos.sample_scenes import run_demo
from unprompt.errors import RunError
from unprompt.pocket.samples import sample_prompts
from unprompt.storage.files import write_prompts


@pytest.mark.parametrize(
    "name", ["images/photo-0001.jpg", "images/scene-01.jpg", "notes.txt", "images/mine/a.png"]
)
def test_pictures_of_somebody_s_own_are_left_alone(name: str, tmp_path: Path) -> None:
    mine = tmp_path / "samples" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(RunError, match="is no demo's"):
        run_demo(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_bytes() == b"mine"


def test_prompts_of_somebody_s_own_are_left_alone(tmp_path: Path) -> None:
    prompts = tmp_path / "samples" / "prompts.csv"
    prompts.parent.mkdir()
    write_prompts(prompts, sample_prompts(3))
    before = prompts.read_bytes()
    with pytest.raises(RunError, match=r"prompts\.csv is no demo's"):
        run_demo(tmp_path)
    assert prompts.read_bytes() == before
