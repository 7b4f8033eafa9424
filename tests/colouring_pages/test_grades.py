from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unprompt.colouring_pages.grades import (
    PageScore,
    count_specks,
    label_regions,
    match_lines,
    mean_score,
    measure_chamfer,
    rand_index,
    score_page,
    score_pages,
    share_closed,
    write_scores,
)
from unprompt.errors import InputError

pytest.importorskip("scipy")
pytest.importorskip("skimage")
SIDE = 200


def drawing(draw: Callable[[ImageDraw.ImageDraw], object]) -> Image.Image:
    page = Image.new("L", (SIDE, SIDE), 255)
    draw(ImageDraw.Draw(page))
    return page


def square(left: int = 50, top: int = 50, right: int = 150, bottom: int = 150, width: int = 3) -> Image.Image:
    return drawing(lambda pen: pen.rectangle((left, top, right, bottom), outline=0, width=width))


def test_a_page_is_its_own_best() -> None:
    score = score_page(square(), square())
    assert (score.f1, score.precision, score.recall) == (1, 1, 1)
    assert (score.chamfer, score.specks, score.closed, score.regions) == (0, 0, 1, 1)
    assert (score.grey, score.black) == (0, 0)


def test_a_shift_of_one_pixel_costs_nothing_and_one_of_three_percent_all() -> None:
    assert score_page(square(51, 51, 151, 151), square()).f1 == pytest.approx(1, abs=0.01)
    lines = drawing(lambda pen: pen.line((20, 100, 180, 100), fill=0, width=3))
    shifted = drawing(lambda pen: pen.line((20, 109, 180, 109), fill=0, width=3))  # 9 of 283 pixels: 3.2%
    score = score_page(shifted, lines)
    assert score.f1 == 0
    assert score.chamfer == pytest.approx(100 * 9 / (SIDE * 2**0.5), abs=0.01)


def test_a_line_drawn_twice_counts_half() -> None:
    """Every pixel of both contours is near to a true one: only one to one tells."""

    def twice(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((49, 49, 151, 151), outline=0)
        pen.rectangle((52, 52, 148, 148), outline=0)

    score = score_page(drawing(twice), square(width=1))
    assert score.recall == pytest.approx(1, abs=0.02)
    assert score.precision == pytest.approx(0.5, abs=0.02)
    assert score.f1 == pytest.approx(2 / 3, abs=0.02)


def test_matches_are_one_to_one_and_nearly_as_many_as_there_can_be() -> None:
    from scipy.optimize import linear_sum_assignment

    random = np.random.default_rng(3)
    first, second = (random.random((60, 80)) < 0.02 for _ in range(2))
    near = 0.06
    precision, recall = match_lines(first, second, near)
    one, other = np.argwhere(first), np.argwhere(second)
    apart = np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1)) > near * 100
    rows, columns = linear_sum_assignment(apart)
    most = int((~apart[rows, columns]).sum())
    count = precision * len(one)
    assert count == pytest.approx(recall * len(other))
    assert 0.85 * most <= round(count) <= most


def test_a_hatched_page_is_scored_at_all() -> None:
    """Points with many neighbours at equal distances: no search may go on for ever."""
    hatched = np.zeros((120, 120), bool)
    hatched[::2] = True
    precision, recall = match_lines(hatched, np.roll(hatched, 1, axis=0))
    assert precision == recall > 0.9


def test_empty_pages() -> None:
    blank = Image.new("L", (SIDE, SIDE), 255)
    assert score_page(blank, blank).f1 == 1
    assert score_page(blank, square()).f1 == 0
    assert score_page(blank, square()).closed == 0
    assert measure_chamfer(np.zeros((9, 9), bool), np.eye(9, dtype=bool)) == 100


def test_an_open_square_is_not_closed() -> None:
    truth = square()
    opened = truth.copy()
    ImageDraw.Draw(opened).line((90, 50, 96, 50), fill=255, width=7)
    assert score_page(truth, truth).closed == 1
    assert score_page(opened, truth).closed < 0.01
    assert score_page(opened, truth).f1 > 0.95
    assert score_page(opened, truth).regions < 0.1


def test_half_a_figure_closed_is_half() -> None:
    lines = np.zeros((100, 100), bool)
    lines[20:81, [20, 50]] = lines[[20, 80], 20:51] = True
    figure = np.zeros((100, 100), bool)
    figure[20:81, 20:81] = True
    inside, white = 59 * 29, (61 * 61) - (2 * 61 + 2 * 29)
    assert share_closed(lines, figure) == pytest.approx(inside / white)


def test_areas_are_compared_as_scikit_learn_does() -> None:
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(0)
    first = random.integers(0, 5, (40, 30))
    second = np.where(random.random((40, 30)) < 0.7, first, random.integers(0, 9, (40, 30)))
    assert rand_index(first, second) == pytest.approx(adjusted_rand_score(first.ravel(), second.ravel()))
    assert rand_index(first, first + 7) == 1
    assert rand_index(np.zeros((4, 4), int), np.zeros((4, 4), int)) == 1


def test_lines_belong_to_the_area_beside_them() -> None:
    lines = np.zeros((9, 9), bool)
    lines[:, 4] = True
    regions = label_regions(lines)
    assert len(np.unique(regions)) == 2
    assert (regions[:, :4] == regions[0, 0]).all()
    assert (regions[:, 5:] == regions[0, 8]).all()
    # A slanted line one pixel wide parts two areas.
    assert len(np.unique(label_regions(np.eye(9, dtype=bool)))) == 2


def test_specks_are_counted() -> None:
    lines = np.zeros((100, 100), bool)
    lines[10, 10:60] = True
    lines[50, 50] = lines[70:72, 70:72] = True
    assert count_specks(lines) == 1 + (2 < 0.015 * 100 * 2**0.5)


def test_grey_and_black_are_shares_of_the_page() -> None:
    page = np.full((100, 100), 255, np.uint8)
    page[:10] = 128
    assert score_page(page, square().resize((100, 100))).grey == pytest.approx(0.1)
    solid = np.full((100, 100), 255, np.uint8)
    solid[20:60, 20:60] = 0
    truth = np.full((100, 100), 255, np.uint8)
    truth[20:60, [20, 21, 58, 59]] = truth[[20, 21, 58, 59], 20:60] = 0
    assert score_page(solid, truth).black == pytest.approx(0.16, abs=0.01)
    assert score_page(truth, truth).black == 0


def test_scores_become_a_table_with_their_mean(tmp_path: Path) -> None:
    blank = Image.new("L", (SIDE, SIDE), 255)
    scores = score_pages({"b": square(), "a": blank}, {"a": square(), "b": square(), "c": blank})
    assert list(scores) == ["a", "b"]
    assert mean_score(scores.values()).f1 == 0.5
    write_scores(tmp_path / "scores.csv", scores)
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0] == "imgId,f1,precision,recall,chamfer,specks,closed,regions,grey,black"
    assert [line.split(",")[0] for line in lines[1:]] == ["a", "b", "mean"]
    assert lines[3].split(",")[1] == "0.50000"


def test_what_cannot_be_scored_is_told() -> None:
    with pytest.raises(InputError, match="200 x 200 and 100 x 100"):
        score_page(square(), square().resize((100, 100)))
    with pytest.raises(InputError, match="1 of 1 page has no truth, first: x"):
        score_pages({"x": square()}, {})
    with pytest.raises(InputError, match="no pages"):
        mean_score([])
    with pytest.raises(InputError, match="grey"):
        score_page(np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5, 3), np.uint8))


def test_scores_are_frozen() -> None:
    score = PageScore(*range(9))
    with pytest.raises(AttributeError):
        score.f1 = 2.0  # type: ignore[misc]
