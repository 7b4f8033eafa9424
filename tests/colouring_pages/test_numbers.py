from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("resvg_py")
pytest.importorskip("skimage")
pytest.importorskip("scipy")

from scipy import ndimage
from skimage.color import rgb2lab

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.numbers import (
    Numbering,
    choose_palette,
    half_diagonal,
    is_white,
    make_number_sheets,
    name_colours,
    number_box,
    number_regions,
    region_colours,
)
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.errors import ConfigError, InputError

RED, BLUE, WHITE = (220, 40, 40), (40, 60, 200), (255, 255, 255)


def halves(height: int = 40, width: int = 81) -> tuple[np.ndarray, np.ndarray]:
    """Two regions beside a line: labels and a picture with a red and a blue half, the red one larger."""
    labels = np.ones((height, width), np.int32)
    labels[:, width // 2 + 5] = 0
    labels[:, width // 2 + 6 :] = 2
    picture = np.full((height, width, 3), RED, np.uint8)
    picture[labels == 2] = BLUE
    return labels, picture


def covered(labels: np.ndarray, x: float, y: float, width: float, height: float) -> set[int]:
    """Labels of the pixels that a box (its middle and size, in pixels) touches; -1 beyond the picture."""
    rows = np.arange(math.floor(y - height / 2), math.ceil(y + height / 2))
    columns = np.arange(math.floor(x - width / 2), math.ceil(x + width / 2))
    padded = np.pad(labels, 1, constant_values=-1)
    rows, columns = (
        np.clip(along + 1, 0, size + 1) for along, size in zip((rows, columns), labels.shape, strict=True)
    )
    return set(padded[np.ix_(rows, columns)].ravel().tolist())


def check_spots(labels: np.ndarray, found: Numbering, scale: float, config: NumbersConfig) -> None:
    """Every number lies within one region, its own or, with a line to its own, another; none overlap."""
    boxes = []
    for spot in found.spots:
        wide = number_box(spot.number)[0] * spot.height / scale
        touched = covered(labels, spot.x, spot.y, wide, spot.height / scale)
        assert len(touched) == 1
        assert config.least_number <= spot.height <= config.most_number
        if spot.tip is None:
            assert touched == {spot.region}
        else:
            assert min(touched) > 0  # off the lines
            assert labels[int(spot.tip[1]), int(spot.tip[0])] == spot.region
        assert spot.number == found.number[spot.region]
        boxes.append((spot.x, spot.y, wide, spot.height / scale))
    for index, (x, y, width, height) in enumerate(boxes):
        for a, b, wide, high in boxes[:index]:
            assert abs(x - a) >= (width + wide) / 2 or abs(y - b) >= (height + high) / 2


def test_two_flat_regions_get_their_two_colours_and_numbers() -> None:
    labels, picture = halves()
    config = NumbersConfig()
    found = number_regions(labels, picture, 1.0, config)
    assert found.palette.tolist() == [list(RED), list(BLUE)]  # the one of more area first
    assert found.number.tolist() == [0, 1, 2]
    assert [(spot.region, spot.number, spot.tip) for spot in found.spots] == [(1, 1, None), (2, 2, None)]
    assert found.white == 0
    check_spots(labels, found, 1.0, config)


def test_a_number_stands_in_the_middle_of_the_largest_circle() -> None:
    labels = np.zeros((60, 100), np.int32)
    labels[10:51, 5:46] = 1  # a square of 41 with a thin tail to the right
    labels[29:32, 46:95] = 1
    spot = number_regions(labels, np.full((60, 100, 3), RED, np.uint8), 1.0, NumbersConfig()).spots[0]
    assert (spot.x, spot.y) == pytest.approx((25.5, 30.5), abs=1.5)


def test_digits_are_as_large_as_the_circle_allows() -> None:
    labels = np.ones((21, 21), np.int32)
    config = NumbersConfig(most_number=20, least_number=1)
    spot = number_regions(labels, np.full((21, 21, 3), RED, np.uint8), 1.0, config).spots[0]
    # The middle pixel is 11 from the middle of the next outside; less half a diagonal and 0.25 mm of space.
    assert spot.height == pytest.approx((11 - math.sqrt(0.5) - 0.25) / half_diagonal("0", None))
    limited = number_regions(labels, np.full((21, 21, 3), RED, np.uint8), 1.0, replace(config, most_number=3))
    assert limited.spots[0].height == 3


def test_neighbours_of_one_colour_stay_separate() -> None:
    labels, picture = halves()
    picture[:] = RED
    found = number_regions(labels, picture, 1.0, NumbersConfig())
    assert [(spot.region, spot.number) for spot in found.spots] == [(1, 1), (2, 1)]
    assert len(found.palette) == 1


def test_a_region_too_small_for_digits_has_its_number_beside_it_with_a_line() -> None:
    labels = np.ones((60, 60), np.int32)
    labels[27:34, 27:34] = 0
    labels[28:33, 28:33] = 2  # 5 x 5 pixels of 0.4 mm
    picture = np.full((60, 60, 3), RED, np.uint8)
    picture[labels == 2] = BLUE
    config = NumbersConfig()
    found = number_regions(labels, picture, 0.4, config)
    small = found.spots[1]
    assert (small.region, small.number, small.height) == (2, 2, 2.0)
    assert small.tip == pytest.approx((30.5, 30.5), abs=0.6)
    assert math.hypot(small.x - 30.5, small.y - 30.5) * 0.4 < 5
    check_spots(labels, found, 0.4, config)


def test_many_small_regions_keep_their_numbers_and_lines_apart() -> None:
    labels = np.ones((90, 90), np.int32)
    for index in range(16):
        row, column = 30 + 7 * (index // 4), 30 + 7 * (index % 4)
        labels[row : row + 6, column : column + 6] = 2 + index
    picture = np.full((90, 90, 3), RED, np.uint8)
    picture[labels > 1] = BLUE
    config = NumbersConfig()
    found = number_regions(labels, picture, 0.4, config)
    check_spots(labels, found, 0.4, config)
    outside = [spot for spot in found.spots if spot.tip]
    assert len(outside) >= 8
    for spot in outside:
        for other in found.spots:
            if other.region != spot.region:
                middle = np.array((other.x, other.y))
                assert (
                    distance(middle, np.array((spot.x, spot.y)), np.array(spot.tip))
                    > other.height * half_diagonal("0", None) / 0.4
                )


def test_a_line_that_would_cross_a_number_is_not_drawn() -> None:
    labels = np.zeros((14, 70), np.int32)
    labels[1:13, 16:66] = 1  # a corridor as high as one number
    labels[4:10, 9:15] = 2
    labels[4:10, 2:8] = 3  # whose way to the corridor leads through the number of the one before
    picture = np.array([WHITE, RED, BLUE, (250, 220, 50)], np.uint8)[labels]
    config = NumbersConfig(most_number=2)
    found = number_regions(labels, picture, 0.4, config)
    assert [spot.region for spot in found.spots] == [1, 2]
    assert found.number.tolist() == [0, 1, 2, 2]
    check_spots(labels, found, 0.4, config)


def distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """From a point to a straight line between two others."""
    along = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    return float(np.hypot(*(start + along * (end - start) - point)))


def test_a_sliver_takes_the_colour_beyond_its_longest_border() -> None:
    labels = np.ones((60, 90), np.int32)
    labels[:, 60:] = 3
    labels[:, 58:60] = 2  # two pixels wide: 60 of border to each side …
    labels[:20, 57] = 2  # … and some more to region 1
    picture = np.full((60, 90, 3), RED, np.uint8)
    picture[labels == 2] = (250, 220, 50)
    picture[labels == 3] = BLUE
    found = number_regions(labels, picture, 0.3, NumbersConfig())
    assert found.palette.tolist() == [list(RED), list(BLUE)]
    assert found.number.tolist() == [0, 1, 1, 2]
    assert {spot.region for spot in found.spots} == {1, 3}


def test_white_stays_as_the_paper_is_unless_asked_for() -> None:
    labels, picture = halves()
    picture[labels == 1] = WHITE
    found = number_regions(labels, picture, 1.0, NumbersConfig())
    assert [(spot.region, spot.number) for spot in found.spots] == [(2, 1)]
    assert (found.palette.tolist(), found.white) == ([list(BLUE), list(WHITE)], 2)
    every = number_regions(labels, picture, 1.0, NumbersConfig(number_white=True))
    assert [(spot.region, spot.number) for spot in every.spots] == [(1, 1), (2, 2)]
    assert every.white == 0


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 60), st.just(3))), st.integers(1, 12), st.data())
def test_a_palette_has_at_most_so_many_colours_of_the_picture(
    colours: np.ndarray, count: int, data: st.DataObject
) -> None:
    weights = np.array(
        data.draw(st.lists(st.integers(1, 1000), min_size=len(colours), max_size=len(colours)))
    )
    palette = choose_palette(colours, weights, count)
    assert 1 <= len(palette) <= count
    assert {tuple(colour) for colour in palette.tolist()} <= {tuple(colour) for colour in colours.tolist()}


def test_a_palette_with_room_for_all_has_all_that_differ() -> None:
    colours = np.array([RED, BLUE, WHITE, (10, 10, 10), (10, 12, 10)], np.uint8)
    palette = choose_palette(colours, np.array([1000, 2, 500, 10, 1]), 8)
    assert sorted(palette.tolist()) == sorted(colours[:4].tolist())  # the two blacks are one


def test_a_thousand_small_areas_take_seconds() -> None:
    """As the page of a picture of noise has them: each number keeps off a thousand others and their lines."""
    labels = np.ones((800, 800), np.int32)
    corners = np.argwhere(np.ones((32, 32), bool)) * 25 + 8
    for number, (row, column) in enumerate(corners.tolist(), start=2):
        labels[row : row + 10, column : column + 10] = 0
        labels[row + 1 : row + 9, column + 1 : column + 9] = number
    picture = np.random.default_rng(0).integers(0, 256, (labels.max() + 1, 3), np.uint8)[labels]
    config = NumbersConfig()
    start = time.process_time()
    found = number_regions(labels, picture, 0.25, config)
    assert time.process_time() - start < 10
    assert sum(spot.tip is not None for spot in found.spots) > 100
    check_spots(labels, found, 0.25, config)


def test_median_colours_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (30, 40)).astype(np.int32)
    labels[labels == 3] = 0
    picture = rng.integers(0, 256, (30, 40, 3), np.uint8)
    found = region_colours(labels, picture)
    for region in (1, 2, 4, 5):
        np.testing.assert_allclose(found[region], np.median(picture[labels == region], axis=0), atol=0.51)
    assert found[3].tolist() == [0, 0, 0]


def test_lightness_and_colour_are_measured_as_scikit_image_does() -> None:
    from unprompt.colouring_pages.cielab import to_lab

    colours = np.random.default_rng(0).integers(0, 256, (200, 3), np.uint8)
    np.testing.assert_allclose(to_lab(colours), rgb2lab(colours[None])[0], atol=0.02)


def test_colours_have_names() -> None:
    colours = np.array([RED, BLUE, WHITE, (0, 0, 0)], np.uint8)
    assert name_colours(colours) == ["red", "blue", "white", "black"]
    yellows = np.array([(241, 179, 28), (252, 234, 43)], np.uint8)
    assert name_colours(yellows[:1]) == name_colours(yellows[1:]) == ["yellow"]
    assert name_colours(yellows) == ["orange", "yellow"]


def test_paper_white_is_told_from_light_colours() -> None:
    assert is_white((252, 252, 250))
    assert not is_white((255, 255, 200))


@st.composite
def label_maps(draw: st.DrawFn) -> np.ndarray:
    """Coarse random regions with lines between them, or none; neighbours may touch."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    coarse = draw(arrays(np.int32, (rows, columns), elements=st.integers(0, 9)))
    heights = draw(st.lists(st.integers(1, 25), min_size=rows, max_size=rows))
    widths = draw(st.lists(st.integers(1, 25), min_size=columns, max_size=columns))
    labels = coarse.repeat(heights, 0).repeat(widths, 1)
    if draw(st.booleans()):
        drawn, _ = ndimage.label(labels)
        labels = np.where(ndimage.morphological_gradient(labels, 3) > 0, 0, drawn)
    return labels.astype(np.int32)


@settings(max_examples=80, deadline=None)
@given(label_maps(), st.sampled_from([0.1, 0.3, 1.0]), st.integers(1, 12))
def test_each_number_is_in_its_region_or_joined_to_it(labels: np.ndarray, scale: float, count: int) -> None:
    config = NumbersConfig(colours=count)
    picture = np.random.default_rng(count).integers(0, 256, (40, 3), np.uint8)[labels % 40]
    if not labels.any():
        with pytest.raises(InputError, match="no region"):
            number_regions(labels, picture, scale, config)
        return
    found = number_regions(labels, picture, scale, config)
    check_spots(labels, found, scale, config)
    there = np.unique(labels[labels > 0])
    assert (found.number[there] >= 1).all()
    assert sorted(set(found.number[there].tolist())) == list(range(1, len(found.palette) + 1))
    assert len(found.palette) <= count
    again = number_regions(labels, picture, scale, config)
    assert again.spots == found.spots


def test_a_whole_sheet_has_numbers_and_its_solution_colours() -> None:
    labels, picture = halves(80, 161)
    x = float(np.argwhere(labels[0] == 0)[0, 0]) + 0.5
    drawing = LineDrawing((161, 80), (np.linspace((x, 0), (x, 80), 4),))
    sheet, solution = make_number_sheets(drawing, labels, picture, PaperConfig(), NumbersConfig())
    assert sheet.size == (297, 210)
    colours = {picture.image.getpixel((0, 0)) for picture in sheet.pictures}
    assert colours == {RED, BLUE}
    page = np.asarray(solution.render(50))
    row = page[len(page) // 2]
    at_left, at_right = row[len(row) // 4], row[len(row) * 4 // 5]
    assert (tuple(at_left), tuple(at_right)) == (RED, BLUE)
    assert len(sheet.ink) == len(solution.ink) + 2


def test_what_cannot_be_numbered_is_told() -> None:
    labels, picture = halves()
    with pytest.raises(InputError, match=r"\(40, 81\).*\(39, 81, 3\)"):
        number_regions(labels, picture[1:], 1.0, NumbersConfig())
    drawing = LineDrawing((81, 40), (np.linspace((0, 0), (81, 40), 4),))
    with pytest.raises(InputError, match="no region"):
        make_number_sheets(drawing, labels * 0, picture, PaperConfig(), NumbersConfig())
    many = np.arange(1, 41, dtype=np.int32).reshape(5, 8).repeat(9, 0).repeat(9, 1)
    colours = np.random.default_rng(0).integers(0, 256, (41, 3), np.uint8)[many]
    tight = PaperConfig(margin=50, title="T", name_line=True, paper="letter")
    with pytest.raises(ConfigError, match="palette of 40 colours leaves no room"):
        make_number_sheets(
            drawing, many, colours, replace(tight, orientation="landscape"), NumbersConfig(colours=40)
        )
