"""What a kernel finds under /kaggle/input, on a made-up tree, and the metadata that Kaggle reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from unprompt import kaggle
from unprompt.errors import InputError
from unprompt.files import write_prompts
from unprompt.records import Prompts

ROOT = Path(__file__).parents[1]


@pytest.fixture
def competition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenes: Path) -> Path:
    """A competition folder with images, as Kaggle mounts it."""
    folder = tmp_path / "input" / kaggle.COMPETITION
    shutil.copytree(scenes / "images", folder / "images")
    monkeypatch.setattr(kaggle, "KAGGLE_INPUT", tmp_path / "input")
    return folder


def test_the_competition_where_it_is_attached(competition: Path, tmp_path: Path) -> None:
    assert kaggle.find_inputs(tmp_path) == kaggle.Inputs(competition / "images", None, None)
    (competition / "sample_submission.csv").write_text("imgId_eId,val\n")
    write_prompts(competition / "prompts.csv", Prompts(("scene-01",), ("a prompt",)))
    found = kaggle.find_inputs(tmp_path)
    assert found.sample == competition / "sample_submission.csv"
    assert found.truth == competition / "prompts.csv"


def test_the_truth_of_other_images_is_left_out(competition: Path, tmp_path: Path) -> None:
    write_prompts(competition / "prompts.csv", Prompts(("public",), ("a prompt",)))
    assert kaggle.find_inputs(tmp_path).truth is None


def test_a_competition_without_images_is_an_error(competition: Path, tmp_path: Path) -> None:
    shutil.rmtree(competition / "images")
    with pytest.raises(InputError, match="has no folder 'images'"):
        kaggle.find_inputs(tmp_path)


def test_sample_scenes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle, "KAGGLE_INPUT", tmp_path / "nothing")
    found = kaggle.find_inputs(tmp_path / "sample")
    assert len(list(found.images.iterdir())) == 24
    assert found.truth is not None


def test_the_kernel_is_offline_and_its_notebook_exists() -> None:
    kernel = json.loads((ROOT / "kernel-metadata.json").read_text())
    assert kernel["enable_internet"] is False
    assert kernel["competition_sources"] == [kaggle.COMPETITION]
    assert (ROOT / kernel["code_file"]).is_file()
