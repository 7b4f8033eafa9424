from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.colouring_pages.methods import CLASSIC, canny, dodge, resized, xdog


def filled(colour: tuple[int, int, int], height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("name", CLASSIC)
@settings(deadline=None)
@given(seed=st.integers(0, 99), height=st.integers(1, 40), width=st.integers(1, 40))
def test_ink_is_between_paper_and_line_for_any_picture(name: str, seed: int, height: int, width: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    ink = CLASSIC[name](picture, 2.0)
    assert ink.shape == (height, width)
    assert ink.dtype == np.float32
    assert ink.min() >= 0
    assert ink.max() <= 1


@pytest.mark.parametrize("name", CLASSIC)
def test_an_empty_sheet_has_no_ink(name: str) -> None:
    assert CLASSIC[name](filled((255, 255, 255)), 2.0).max() < 0.01


@pytest.mark.parametrize("name", CLASSIC)
def test_a_drawn_line_is_ink_where_it_is(name: str) -> None:
    picture = filled((255, 255, 255))
    picture[:, 39:42] = 0
    ink = CLASSIC[name](picture, 2.0)
    assert ink[:, 36:45].max(1).min() > 0.8
    assert ink[:, :30].max() < 0.1


def test_canny_has_one_line_at_a_step_and_two_along_a_stroke() -> None:
    step = filled((255, 255, 255))
    step[:, 40:] = (200, 30, 30)
    assert canny(step)[30].sum() == 1
    assert abs(int(np.argmax(canny(step)[30])) - 40) <= 1
    stroke = filled((255, 255, 255))
    stroke[:, 36:44] = 0
    assert canny(stroke)[30].sum() == 2


def test_a_dodge_divides_by_what_is_around() -> None:
    """A grey area far from anything is white, and a border of equal lightness is not seen."""
    assert dodge(filled((90, 90, 90))).max() < 0.01
    two = filled((200, 0, 0))  # luma 60
    two[:, 40:] = (0, 102, 0)  # luma 60
    assert dodge(two).max() < 0.02


def test_xdog_fills_dark_areas() -> None:
    assert xdog(filled((10, 10, 10))).min() > 0.95


@pytest.mark.parametrize(
    ("shape", "side", "expected"), [((100, 50), 40, (40, 20)), ((3, 300), 600, (6, 600))]
)
def test_resized_keeps_the_shape(shape: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert resized(np.zeros((*shape, 3), np.uint8), side).shape == (*expected, 3)
