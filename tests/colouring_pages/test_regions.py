from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unprompt.colouring_pages.regions import OUTSIDE, measure_shares, regions
from unprompt.errors import InputError

pytest.importorskip("scipy")
pytest.importorskip("skimage")


def draw(text: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in text.split()])


HOUSE = draw(
    """
    ..........
    .#######..
    .#..#..#..
    .#..####..
    .#.....#..
    .#######..
    ..........
    """
)


def test_regions_are_what_lines_enclose() -> None:
    labels = regions(HOUSE)
    assert labels.dtype == np.int32
    assert (labels[HOUSE] == 0).all()
    assert (labels[2, 2], labels[2, 5], labels[0, 0]) == (1, 2, OUTSIDE)
    assert [(labels == number).sum() for number in (1, 2)] == [9, 2]
    assert labels.max() == 2


def test_a_frame_makes_the_border_a_line() -> None:
    labels = regions(HOUSE, frame=True)
    assert labels.min() == 0
    assert (labels[2, 2], labels[2, 5], labels[0, 0]) == (2, 3, 1)  # the largest first


def test_shares_are_of_the_figure() -> None:
    figure = 5 * 7
    assert measure_shares(regions(HOUSE)) == pytest.approx([9 / figure, 2 / figure])
    assert measure_shares(regions(np.zeros((4, 5), bool))).tolist() == []


def test_lines_that_touch_over_a_corner_are_closed() -> None:
    diamond = draw("..#.. .#.#. #...# .#.#. ..#..")
    assert regions(diamond).max() == 1
    assert (regions(diamond) == 1).sum() == 5


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)), st.booleans())
def test_every_paper_pixel_is_in_a_region_or_outside(lines: np.ndarray, frame: bool) -> None:
    labels = regions(lines, frame)
    assert ((labels == 0) == lines).all()
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if frame:
        assert labels.min() >= 0
    else:
        assert border.max() <= 0
    sizes = np.bincount(labels[labels > 0])[1:]
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()
    # Neighbours on paper are in the same region.
    for one, two in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        assert ((one == two) | (one == 0) | (two == 0)).all()


def test_grey_is_no_page() -> None:
    with pytest.raises(InputError, match=r"bool array \(H, W\).*uint8"):
        regions(np.zeros((3, 3), np.uint8))
