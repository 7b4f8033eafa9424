"""What a picture is, by hand-made ones."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.colouring_pages.choosing import (
    find_own_lines,
    is_photograph,
    measure_restlessness,
    take_own_lines,
)

pytest.importorskip("scipy")


def test_restlessness_is_the_share_of_pixels_that_differ_from_a_neighbour() -> None:
    picture = np.full((257, 257, 3), 90, np.uint8)
    assert measure_restlessness(picture[:256, :256]) == 0
    half = picture[:256, :256].copy()
    half[:, ::2, 1] += 4  # every pixel differs by one channel
    assert measure_restlessness(half) == 1
    half[:, 128:] = 90
    assert measure_restlessness(half) == pytest.approx(127.5 / 255, abs=0.004)
    half[:, ::2, 1] = 93  # too little
    half[:, 1::2, 1] = 90
    assert measure_restlessness(half) == 0


def test_a_shaded_fill_is_even_and_grain_is_not() -> None:
    shaded = np.repeat(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    assert not is_photograph(shaded)
    noise = np.random.default_rng(0).normal(0, 10, shaded.shape)
    assert is_photograph(np.clip(shaded + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (2, 2, 3)])
def test_pictures_without_neighbours_are_no_photographs(shape: tuple[int, ...]) -> None:
    assert not is_photograph(np.zeros(shape, np.uint8))


def striped(*places: int) -> np.ndarray:
    """Dark lines, six pixels wide, on two fills."""
    picture = np.full((200, 200, 3), 230, np.uint8)
    picture[:, 100:] = (60, 80, 120)
    for place in places:
        picture[:, place : place + 6] //= 4
    return picture


def ink(*places: int) -> np.ndarray:
    found = np.zeros((200, 200), np.float32)
    for place in places:
        found[:, place : place + 4] = 1
    return found


def test_own_lines_are_darker_than_both_sides() -> None:
    found = find_own_lines(striped(50, 140)) >= 0.5
    assert sorted(set(np.nonzero(found)[1])) == [*range(50, 56), *range(140, 146)]  # not the border at 100
    assert not find_own_lines(np.zeros((50, 50, 3), np.uint8)).any()


def test_a_line_as_much_darker_as_asked_for_is_just_a_line() -> None:
    picture = np.full((200, 200, 3), 80, np.uint8)
    picture[:, 90:94] = 55  # 0.69 of it
    assert find_own_lines(picture)[100, 92] == pytest.approx(0.52, abs=0.01)


def test_lines_that_are_not_dark_are_left_to_a_network() -> None:
    def lines(*levels: int) -> bool:
        picture = np.full((200, 200, 3), 255, np.uint8)
        for number, level in enumerate(levels):
            picture[:, 20 + 40 * number : 24 + 40 * number] = level
        return bool(find_own_lines(picture).any())

    assert lines(60)
    assert not lines(70)
    assert lines(60, 60, 150)
    assert not lines(60, 150, 150)


def test_an_outlined_picture_keeps_its_lines_and_gets_what_is_missing() -> None:
    own = find_own_lines(striped(20, 50, 80, 110, 140, 170))
    lines = [21, 51, 81, 111, 141, 171]
    both = take_own_lines(own, ink(*lines))
    assert both is not None
    np.testing.assert_array_equal(both, own)  # the network's are a little wrong in place and width
    both = take_own_lines(own, ink(*lines, 99))  # a border that has no line
    assert both is not None
    np.testing.assert_array_equal(both[:, 99:103], ink(99)[:, 99:103])
    np.testing.assert_array_equal(np.delete(both, range(99, 103), 1), np.delete(own, range(99, 103), 1))


def test_a_picture_is_not_outlined_where_lines_are_missing_or_passed_over() -> None:
    own = find_own_lines(striped(50, 140))
    assert take_own_lines(own, ink(51, 141)) is not None
    assert take_own_lines(own, ink(51, 99, 141)) is None  # a third of what there is to draw has no line
    assert take_own_lines(own, ink(51)) is None  # dark marks that the network passes over
    assert take_own_lines(np.zeros_like(own), ink(51)) is None
    assert take_own_lines(own, ink()) is None
