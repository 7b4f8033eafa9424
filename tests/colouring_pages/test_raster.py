"""Ink in pixels: beside resvg, and beside what distances to lines say of every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("resvg_py")

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.paper import lay_out
from unprompt.colouring_pages.paper_config import PaperConfig
from unprompt.colouring_pages.raster import draw_lines, fill_rings, flatten, read_path
from unprompt.colouring_pages.sheet import Ink, Sheet

numbers = st.integers(-1500, 4500).map(lambda number: number / 100)
places = st.tuples(numbers, numbers)
HEIGHT, WIDTH = 24, 31


def middles() -> np.ndarray:
    """The middle of each pixel (H, W, 2)."""
    return np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), -1)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(places, min_size=1, max_size=4), min_size=1, max_size=3), st.floats(1, 20))
def test_a_pixel_is_black_where_its_middle_is_near_enough_to_a_line(
    given_lines: list[list[tuple[float, float]]], width: float
) -> None:
    lines = [np.array(line) for line in given_lines]
    page = np.zeros((HEIGHT, WIDTH), bool)
    draw_lines(page, lines, width)
    nearest = np.full(page.shape, np.inf)
    for line in lines:
        for start, stop in zip(line, line[1:] if len(line) > 1 else line, strict=False):
            way = stop - start
            along = np.clip((middles() - start) @ way / max(way @ way, 1e-12), 0, 1)[..., None]
            nearest = np.minimum(nearest, np.hypot(*np.moveaxis(middles() - start - along * way, -1, 0)))
    sure = np.abs(nearest - width / 2) > 1e-6
    np.testing.assert_array_equal(page[sure], (nearest < width / 2)[sure])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(places, min_size=3, max_size=6), min_size=1, max_size=3))
def test_rings_hold_what_an_odd_number_of_their_sides_is_right_of(
    given_rings: list[list[tuple[float, float]]],
) -> None:
    rings = [np.array(ring) for ring in given_rings]
    page = np.zeros((HEIGHT, WIDTH), bool)
    fill_rings(page, rings)
    crossed, sure = np.zeros(page.shape, int), np.ones(page.shape, bool)
    x, y = np.moveaxis(middles(), -1, 0)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
            spans = (min(y0, y1) <= y) & (y < max(y0, y1))
            at = x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1)
            crossed += spans & (at > x)
            sure &= ~spans | (np.abs(at - x) > 1e-6)
    np.testing.assert_array_equal(page[sure], (crossed % 2 == 1)[sure])


def test_lines_thinner_than_a_pixel_do_not_break() -> None:
    page = np.zeros((20, 20), bool)
    draw_lines(page, [np.array([(2.0, 3.2), (17.0, 15.9)])], 0.1)
    assert page[:, 3:17].any(0).all()


def test_flat_pieces_stay_near_their_curve() -> None:
    controls = np.array([(0.0, 0.0), (300.0, 10.0), (-200.0, 400.0), (90.0, 80.0)])
    found = np.vstack([controls[:1], flatten(controls[:, None])])
    t = np.linspace(0, 1, 4000)[:, None]
    p0, p1, p2, p3 = controls
    curve = (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3
    start, way = found[:-1], np.diff(found, axis=0)
    along = np.clip(((curve[:, None] - start) * way).sum(2) / (way * way).sum(1), 0, 1)
    off = np.hypot(*np.moveaxis(curve[:, None] - start - along[..., None] * way, -1, 0)).min(1)
    assert 0.005 < off.max() < 0.05
    assert len(found) < 200


def test_paths_are_read_as_they_are_written() -> None:
    first, second, dot = read_path("M1 2H4V6h-1v2ZM0 0L1 1 2 0M5 5h0", (10, 100))
    np.testing.assert_allclose(first, [(10, 200), (40, 200), (40, 600), (30, 600), (30, 800), (10, 200)])
    np.testing.assert_allclose(second, [(0, 0), (10, 100), (20, 0)])
    np.testing.assert_allclose(dot, [(50, 500)] * 2)
    assert list(read_path("", (1, 1))) == []
    with pytest.raises(ValueError, match="'Q'"):
        list(read_path("M1 1Q2 2 3 3", (1, 1)))


def test_a_sheet_is_what_resvg_draws_but_for_pixels_that_are_half_covered() -> None:
    random = np.random.default_rng(0)
    curves = [np.cumsum(random.normal(0, 12, (16, 2)), 0) + np.array([120, 90]) for _ in range(12)]
    config = PaperConfig(dpi=150, title="Fox & Hen, 12 Eggs", name_line=True, page_numbers=True)
    (sheet,) = lay_out([LineDrawing((240, 180), (*curves, np.full((4, 2), 30.0)))], config)
    dot = Ink("M20.000 40.000h0", 4.0)
    sheet = Sheet(sheet.size, (*sheet.ink, dot, Ink("M30.000 40.000h9.000v7.000h-9.000Z", 0.3)))
    found = ~np.asarray(sheet.render_ink(150))
    grey = np.asarray(sheet.render(150, smooth=True))
    differ = found != (grey < 128)
    assert differ.sum() < 0.05 * found.sum()
    assert (np.abs(grey[differ].astype(int) - 128) < 110).all()  # two rims that each cover a little
    assert np.mean(np.abs(grey[differ].astype(int) - 128) < 50) > 0.95
