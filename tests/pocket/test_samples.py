"""The demo's scenes: known subjects, all different, the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unprompt.pocket.grammar import read_scene
from unprompt.pocket.samples import COUNT, PLACES, SUBJECTS, sample_scenes, write_scenes
from unprompt.storage.files import read_prompts
from unprompt.storage.images import find_images, read_file


def test_scenes_are_the_same_each_time_and_all_different() -> None:
    scenes = sample_scenes(COUNT)
    assert scenes == sample_scenes(COUNT)
    assert scenes != sample_scenes(COUNT, seed=1)
    assert len({scene.prompt for scene in scenes}) == COUNT
    assert {scene.place for scene in scenes} <= set(PLACES)


def test_no_subject_comes_again_before_all_have_come() -> None:
    nouns = [thing.noun for scene in sample_scenes(36) for thing in scene.things]
    assert set(nouns[: len(SUBJECTS)]) == set(SUBJECTS)
    assert len(nouns) == 2 * len(SUBJECTS)


def test_prompts_are_the_pocket_worlds() -> None:
    assert all(read_scene(scene.prompt) == scene for scene in sample_scenes(200))


def test_written_scenes_have_their_prompts(tmp_path: Path) -> None:
    truths = write_scenes(tmp_path, 3)
    assert read_prompts(tmp_path / "prompts.csv") == truths
    files = find_images(tmp_path / "images")
    assert [file.image_id for file in files] == list(truths.ids) == ["scene-01", "scene-02", "scene-03"]
    pictures = [np.asarray(read_file(file)) for file in files]
    assert all(picture.shape == (512, 512, 3) and picture.std() > 10 for picture in pictures)
