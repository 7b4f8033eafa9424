"""Sample scenes: the prompt says what the picture shows, and a seed always gives the same."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.generate.scenes import PLACES, STYLES, SUBJECTS, Scene, draw_scene, name_of, sample_scenes

PLAIN, PIXELS, PENCIL = STYLES


def pixels(scene: Scene, size: int = 256) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(draw_scene(scene, size)).astype(int)


def test_prompts_are_sentences() -> None:
    assert Scene(PLAIN, ("🐘",), PLACES[1]).prompt == "an illustration of an elephant on a green meadow"
    assert Scene(PENCIL, ("🍌", "🚂"), PLACES[0]).prompt == (
        "a pencil drawing of a banana next to a locomotive on a white background"
    )


def test_same_seed_same_scenes_and_pixels() -> None:
    assert sample_scenes(24) == sample_scenes(24)
    assert sample_scenes(24) != sample_scenes(24, seed=1)
    scene = sample_scenes(1)[0]
    np.testing.assert_array_equal(pixels(scene), pixels(scene))


def test_prompts_of_the_demo_differ() -> None:
    prompts = [scene.prompt for scene in sample_scenes(24)]
    assert len(set(prompts)) == 24
    assert {prompt.split(" of ")[0] for prompt in prompts} == {style.removesuffix(" of") for style in STYLES}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_has_a_name_and_a_drawing(subject: str) -> None:
    assert name_of(subject)
    drawn = pixels(Scene(PLAIN, (subject,), PLACES[0]))
    assert (drawn < 250).any()


def test_the_place_and_the_style_change_the_picture() -> None:
    meadow = pixels(Scene(PLAIN, ("🐘",), PLACES[1]))
    np.testing.assert_allclose(meadow[:40].mean(axis=(0, 1)), PLACES[1].sky, atol=25)
    np.testing.assert_allclose(meadow[-20:].mean(axis=(0, 1)), PLACES[1].ground, atol=25)
    pencil = pixels(Scene(PENCIL, ("🐘",), PLACES[1]))
    assert (pencil[..., 0] == pencil[..., 2]).all()  # grey
    blocks = pixels(Scene(PIXELS, ("🐘",), PLACES[1])).reshape(32, 8, 32, 8, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()  # 8 x 8 blocks of one colour
