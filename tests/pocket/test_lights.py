"""Lights: no whole number overflows, and a picture of any shape has all of its light."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.grammar import LIGHT_GROUPS, read_scene
from unprompt.pocket.lights import LIGHTS, Painter, _lightning, graded, spotlit, starred
from unprompt.pocket.window import Window

SHAPES = [(64, 64), (128, 64), (160, 60), (60, 160)]


def lit(paint: Painter, grey: int, width: int = 48, height: int = 48, seed: int = 1) -> np.ndarray:
    """What a light makes of plain grey, as the picture shows it: (height, width, 3) int."""
    window = Window(width, height)
    plain = Image.new("RGB", (window.side, window.side), (grey,) * 3)
    return np.asarray(window.cut(paint(plain, False, window, Dice(seed)))).astype(int)


@pytest.mark.parametrize("light", [group[0] for group in LIGHT_GROUPS])
def test_a_brighter_picture_is_nowhere_darker_nor_much_brighter(light: str) -> None:
    """A product that overflows would jump from one value to the next."""
    for paint in (LIGHTS[light].back, LIGHTS[light].front):
        if paint and light != "backlit":  # it parts what is dark and what is bright
            steps = np.diff([lit(paint, grey) for grey in range(0, 256, 15)], axis=0)
            assert 0 <= steps.min() <= steps.max() <= 35


def test_rain_is_pale_on_a_black_cat() -> None:
    front = LIGHTS["in the rain"].front
    assert front
    rain = lit(front, 0, 128, 128)
    drops = rain[rain.any(axis=2)]
    assert len(drops) > 200
    assert drops.min() > 140


def test_a_spot_is_darkest_in_the_corners_of_the_largest_picture() -> None:
    spot = lit(spotlit("#ffffff", 40), 200, 2048, 2048)
    assert spot[0, 0].max() == spot.min() < 40
    assert spot[1024, 1024].min() > 200


def test_there_are_fewer_stars_in_the_lower_part_of_the_sky() -> None:
    for width, height in ((128, 128), (256, 96), (96, 256)):
        stars = sum((lit(starred, 0, width, height, seed) > 0).any(axis=2) for seed in range(60))
        first, second, third, last = (int(part.sum()) for part in np.array_split(stars, 4))
        assert first > 1.5 * second > 0
        assert third == last == 0


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_a_sunset_has_its_first_and_last_colour_in_any_shape(width: int, height: int) -> None:
    sky = lit(graded("#ff0000", "#0000ff", 256), 0, width, height)
    assert sky[0, 0].tolist() == [255, 0, 0]
    assert sky[-1, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_neon_is_pink_at_the_left_and_blue_at_the_right_in_any_shape(width: int, height: int) -> None:
    square = lit(LIGHTS["in neon light"].front, 200)  # type: ignore[arg-type]
    shaped = lit(LIGHTS["in neon light"].front, 200, width, height)  # type: ignore[arg-type]
    np.testing.assert_array_equal(shaped[0, [0, -1]], square[0, [0, -1]])


@pytest.mark.parametrize("light", ["in the spotlight", "backlit"])
@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_light_in_the_middle_is_in_the_middle_of_any_shape(light: str, width: int, height: int) -> None:
    bright = lit(LIGHTS[light].front, 200, width, height).sum(axis=2)  # type: ignore[arg-type]
    rows, columns = bright.sum(axis=1), bright.sum(axis=0)
    for sums, side in ((rows, height), (columns, width)):
        assert np.average(np.arange(side), weights=sums) == pytest.approx(side / 2, abs=side / 20)
        assert sums[side // 2] > 1.2 * max(sums[0], sums[-1])


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_northern_lights_are_in_the_upper_half_of_any_shape(width: int, height: int) -> None:
    glow = lit(LIGHTS["under the northern lights"].back, 60, width, height).sum(axis=2)  # type: ignore[arg-type]
    upper, lower = glow[: height // 2].mean(), glow[height // 2 :].mean()
    assert upper > 2 * lower


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_beams_fade_downwards_in_any_shape(width: int, height: int) -> None:
    beams = lit(LIGHTS["with god rays"].front, 100, width, height)  # type: ignore[arg-type]
    above, below = beams[0].max() - 90, beams[-1].max() - 90
    assert above > 75
    assert below < 12


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_a_quarter_of_any_shape_is_water(width: int, height: int) -> None:
    scene = "a fox on a white background"
    plain, wet = (
        np.asarray(draw_scene(read_scene(prompt), 3, width, height)).astype(int)
        for prompt in (scene, f"{scene} reflected in water")
    )
    changed = np.abs(plain - wet).max(axis=(1, 2)) > 12
    assert changed[height * 3 // 4 :].all()
    assert not changed[: height * 3 // 4].any()


def test_lightning_strikes_within_any_shape() -> None:
    for width, height in SHAPES:
        for seed in range(40):
            bolt = (lit(_lightning, 60, width, height, seed) == (255, 255, 220)).all(axis=2)
            assert bolt.any(axis=1)[: height // 2].all(), (width, height, seed)
