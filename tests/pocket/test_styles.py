"""Styles and what they share: no whole number overflows, and what belongs together lies together."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unprompt.pocket.dice import Dice
from unprompt.pocket.grammar import STYLE_GROUPS
from unprompt.pocket.styles import STYLES, Canvas, styled
from unprompt.pocket.textures import cells, vignette

SIDE = 64
RED, BLUE = (200, 40, 40), (40, 90, 201)  # alike bright


def plain(colour: tuple[int, int, int], side: int = SIDE) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def painted(style: str, image: Image.Image, figure: Image.Image | None = None, seed: int = 1) -> np.ndarray:
    """A picture in a style as (H, W, 3) int."""
    canvas = Canvas(image, figure or Image.new("L", image.size))
    return np.asarray(styled(STYLES[style], canvas, Dice(seed))).astype(int)


@pytest.mark.parametrize("style", [group[0] for group in STYLE_GROUPS])
def test_a_brighter_picture_gives_a_brighter_one_or_a_darker_one_throughout(style: str) -> None:
    """A product that overflows would turn what is bright dark from some value on."""
    luminance = np.array((77, 150, 29)) / 256
    means = [(painted(style, plain((grey,) * 3)) @ luminance).mean() for grey in range(0, 256, 15)]
    steps = np.diff(means)
    assert min(np.maximum(0, steps).sum(), np.maximum(0, -steps).sum()) < 0.3


def test_a_tube_shows_white_bright() -> None:
    lit = painted("CRT television screen", plain((255, 255, 255)))[1:3].max(axis=2)
    assert (lit == 255).all()


def test_borders_of_points_lie_between_them() -> None:
    """On plain grey a pixel is brighter than its point's darkest only where another point begins."""
    side = 128
    ways = [np.s_[::down, ::right] for down in (1, -1) for right in (1, -1)]
    for seed in range(8):
        dots = painted("pointillism", plain((120, 120, 120), side), seed=seed)[..., 0]
        found = 0
        for way in ways:
            point = cells(side, 34)[way]
            darkest = np.full(point.max() + 1, 255)
            np.minimum.at(darkest, point, dots)
            brighter = dots - darkest[point]
            if set(np.unique(brighter)) <= {0, 22}:  # this is how the points were turned
                found += 1
                around = np.pad(point, 1, mode="edge")
                rim = (around[1:-1, 1:-1] != around[:-2, 1:-1]) | (around[1:-1, 1:-1] != around[2:, 1:-1])
                rim |= (point != around[1:-1, :-2]) | (point != around[1:-1, 2:])
                assert not brighter[~rim].any()
                assert (brighter > 0).mean() > 0.1
        assert found == 1


def test_red_and_blue_of_one_brightness_differ_only_in_a_style_with_colours() -> None:
    figure = Image.new("L", (SIDE, SIDE))
    figure.paste(255, (16, 16, 48, 48))
    for group in STYLE_GROUPS:
        pictures = []
        for colour in (RED, BLUE):
            image = plain((230, 230, 230))
            image.paste(colour, (16, 16, 48, 48))
            pictures.append(painted(group[0], image, figure))
        apart = np.abs(pictures[0] - pictures[1]).mean()
        assert apart > 1 if STYLES[group[0]].colour else apart < 0.5, group


@pytest.mark.parametrize("side", [16, 17, 18, 19, 39, 40])
def test_small_posters_and_panels_show_more_than_their_border(side: int) -> None:
    image = plain((250, 250, 250), side)
    image.paste((200, 30, 30), (4, 4, side - 4, side - 4))
    for style in ("a propaganda poster of", "a comic strip of"):
        picture = painted(style, image)
        assert np.abs(picture[side // 2, side // 2] - picture[0, 0]).max() > 60, style
    panel = painted("a comic strip of", image)
    assert (panel[0] > 240).all()  # the gutter
    assert (panel[side // 2, : side // 4].max(axis=1) < 20).any()  # the panel's line


@pytest.mark.parametrize("side", [33, 65])
def test_four_pictures_fill_an_odd_side(side: int) -> None:
    picture = painted("pop art", plain((120, 160, 200), side))
    assert picture[-1].max() > 0 < picture[:, -1].max()


def test_a_vignette_is_darkest_in_the_corners_of_any_shape() -> None:
    for shape in ((64, 64), (64, 128), (128, 32)):
        light = vignette(*shape)[..., 0]
        assert light.shape == shape
        assert light[shape[0] // 2, shape[1] // 2] == 256
        assert light[0, 0] == light.min() < 170
        assert light[0, shape[1] // 2] == light[shape[0] // 2, 0] > 220
