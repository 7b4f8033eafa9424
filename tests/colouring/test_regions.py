"""Closed regions of line art."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.colouring.examples import see
from unprompt.colouring.regions import Regions, fills_of, find_regions


def boxes(gap: int = 0, side: int = 80) -> np.ndarray:
    """Two boxes beside each other, with a gap in the wall that both share."""
    page = np.full((side, side), 255, np.uint8)
    page[20, 10:70] = page[60, 10:70] = page[20:61, 10] = page[20:61, 40] = page[20:61, 69] = 0
    page[38 : 38 + gap, 40] = 255
    return page


def test_boxes_are_regions_and_the_ground_is_one() -> None:
    regions = find_regions(boxes())
    assert regions.count == 3
    assert regions.areas[1:].tolist() == [80 * 80 - 60 * 41, 29 * 39, 28 * 39]
    assert regions.areas[0] == (boxes() == 0).sum()


def test_a_small_gap_is_bridged_and_only_where_that_is_asked_for() -> None:
    assert find_regions(boxes(gap=2)).count == 3
    assert find_regions(boxes(gap=2), bridge=False).count == 2


def test_a_large_gap_stays_open() -> None:
    assert find_regions(boxes(gap=25)).count == 2


def test_a_gap_of_a_large_drawing_is_bridged_as_well() -> None:
    large = boxes(gap=1).repeat(40, 0).repeat(40, 1)  # 3,200 pixels a side
    assert find_regions(large).count == 3


def test_lines_of_one_pixel_part_regions_that_only_corners_join() -> None:
    page = np.full((9, 9), 255, np.uint8)
    page[np.arange(9), np.arange(9)] = 0
    assert find_regions(page, bridge=False).count == 2


def test_what_is_too_small_belongs_to_the_lines() -> None:
    page = boxes()
    page[5, 5:8] = page[7, 5:8] = page[5:8, 5] = page[5:8, 7] = 0  # one pixel within
    assert find_regions(page).count == 4
    regions = find_regions(page, smallest=0.001)
    assert regions.count == 3
    assert sorted(np.unique(regions.labels)) == [0, 1, 2, 3]


def test_colour_reaches_under_the_lines_of_the_nearer_region() -> None:
    labels = np.array([[1, 0, 0, 0, 2]], np.int32)
    assert Regions(labels).spread.tolist()[0][1::2] == [1, 2]


def test_reduced_regions_are_all_there_still() -> None:
    page = boxes().repeat(30, 0).repeat(30, 1)  # 2,400 pixels a side, every third is looked at
    page[100:103, 100:103] = 0
    page[101, 101] = 255  # a region of one pixel, which none of those is
    regions = find_regions(page, bridge=False)
    reduced = regions.reduced()
    assert reduced.labels.shape == (800, 800)
    assert regions.count == reduced.count == 4
    np.testing.assert_allclose(reduced.areas[1:] * 9 / page.size, regions.areas[1:] / page.size, atol=2e-3)
    assert find_regions(boxes()).reduced().count == 3


def test_narrow_regions_of_a_large_drawing_may_be_passed_over() -> None:
    labels = np.zeros((3100, 12), np.int32)
    labels[:, 1], labels[:, 3], labels[:, 5:] = 1, 2, 3
    seen = see(np.where(labels, 255, 0).astype(np.uint8), Regions(labels), 64)
    assert seen.order[0] == 3
    assert set(seen.order) <= {1, 2, 3}
    assert len(seen.order) == len(seen.shapes) == len(seen.points)
    assert np.isfinite(seen.shapes).all()


def test_a_page_of_ink_has_no_region() -> None:
    regions = find_regions(np.zeros((12, 12), np.uint8))
    assert regions.count == 0
    assert not regions.spread.any()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_regions_have_the_value_that_most_of_their_pixels_have(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, (12, 9)).astype(np.int32)
    labels[0, :3] = [1, 2, 3]
    fills = random.integers(-1, 3, (12, 9))
    found = fills_of(Regions(labels), fills)
    for region in (1, 2, 3):
        values, counts = np.unique(fills[labels == region], return_counts=True)
        assert counts[values == found[region - 1]] == counts.max()


def test_a_photographs_many_colours_take_little_memory() -> None:
    labels = (np.arange(300 * 300) % 500 + 1).reshape(300, 300).astype(np.int32)
    tracemalloc.start()
    found = fills_of(Regions(labels), np.arange(300 * 300).reshape(300, 300))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.tolist() == list(range(500))
    assert most < 50e6
