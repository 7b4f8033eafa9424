from __future__ import annotations

import numpy as np
import pytest

from unprompt.colouring_pages.textures import PATTERNS, areas_of, noise, texture_like_a_photograph


def two_areas(side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A red and a blue half of a square on white, with one mixed column between them; and its figure."""
    flat = np.full((side, side, 3), 255, np.uint8)
    flat[8:-8, 8:32] = (220, 30, 30)
    flat[8:-8, 32:33] = (130, 30, 130)
    flat[8:-8, 33:-8] = (30, 30, 220)
    figure = np.zeros((side, side), bool)
    figure[8:-8, 8:-8] = True
    return flat, figure


def test_areas_are_those_of_one_colour_and_edges_go_to_the_nearest() -> None:
    flat, figure = two_areas()
    flat[8:-8, 32:33] = (130, 30, 130)
    flat[20, 32] = (131, 30, 129)  # few pixels of many mixtures, as smooth edges have them
    for row in range(8, 56):
        flat[row, 32] = (100 + row, 30, 150 - row)
    labels, colours = areas_of(flat, figure)
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert (labels[~figure] == 0).all()
    assert len(np.unique(labels[8:-8, 8:32])) == len(np.unique(labels[8:-8, 33:-8])) == 1
    assert colours[labels[30, 10] - 1] == pytest.approx(np.array([220, 30, 30]) / 255)
    assert colours[labels[30, 40] - 1] == pytest.approx(np.array([30, 30, 220]) / 255)


def test_two_areas_of_one_colour_are_two() -> None:
    flat = np.full((20, 40, 3), 255, np.uint8)
    figure = np.zeros((20, 40), bool)
    for left in (4, 24):
        flat[5:15, left : left + 10] = (10, 200, 10)
        figure[5:15, left : left + 10] = True
    labels, colours = areas_of(flat, figure)
    assert labels.max() == len(colours) == 2
    assert labels[8, 8] != labels[8, 28]


def test_the_same_random_numbers_give_the_same_picture_and_others_another() -> None:
    flat, figure = two_areas()
    one, same, other = (
        texture_like_a_photograph(flat, figure, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert one.shape == flat.shape
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_borders_stay_where_they_are() -> None:
    """Over many pictures, colours differ more across the border of the areas than within them."""
    flat, figure = two_areas()
    pictures = np.stack(
        [texture_like_a_photograph(flat, figure, np.random.default_rng(seed)) for seed in range(40)]
    ).astype(float)
    steps = np.abs(np.diff(pictures[:, 12:-12], axis=2)).mean((0, 1, 3))  # between columns
    inner = [*range(12, 28), *range(38, 52)]
    assert min(steps[7], steps[55]) > 2 * np.median(steps[inner])  # the figure's rim
    assert steps[31:33].max() > 1.5 * np.median(steps[inner])  # between its areas


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_of_their_size_and_finite(pattern: object) -> None:
    plane = pattern((37, 53), np.random.default_rng(1))  # type: ignore[operator]
    assert plane.shape == (37, 53)
    assert np.isfinite(plane).all()
    assert plane.std() > 0.1


def test_noise_has_mean_0_and_deviation_1_and_its_patches_their_width() -> None:
    fine, coarse = (noise((200, 200), cell, np.random.default_rng(2), octaves=1) for cell in (4, 40))
    for plane in (fine, coarse):
        assert plane.mean() == pytest.approx(0, abs=1e-4)
        assert plane.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(fine)).mean() > 4 * np.abs(np.diff(coarse)).mean()


def test_nothing_to_cover_is_a_background() -> None:
    flat = np.full((30, 30, 3), 255, np.uint8)
    picture = texture_like_a_photograph(flat, np.zeros((30, 30), bool), np.random.default_rng(0))
    assert picture.shape == (30, 30, 3)
