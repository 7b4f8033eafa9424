from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from unprompt.colouring_pages.tiles import draw_in_tiles


def spread(picture: np.ndarray) -> np.ndarray:
    """Each pixel's ink depends on what is up to 4 pixels away, and on nothing else."""
    return maximum_filter(picture[..., 0].astype(np.float32) / 255, 9, mode="constant")


@settings(deadline=None)
@given(seed=st.integers(0, 99), height=st.integers(1, 150), width=st.integers(1, 150))
def test_no_seam_where_the_margin_is_as_wide_as_a_pixel_sees(seed: int, height: int, width: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    sizes = []

    def draw(part: np.ndarray) -> np.ndarray:
        sizes.append(part.shape[:2])
        return spread(part)

    ink = draw_in_tiles(draw, picture, tile=40, margin=4)
    np.testing.assert_allclose(ink, spread(picture), atol=1e-6)
    assert max(max(size) for size in sizes) <= 40


def test_what_fits_is_drawn_once() -> None:
    calls = []
    picture = np.zeros((40, 30, 3), np.uint8)
    draw_in_tiles(lambda part: calls.append(part) or spread(part), picture, tile=40, margin=4)
    assert len(calls) == 1


def test_tiles_that_disagree_go_over_into_each_other() -> None:
    """Two tiles of one grey each: no step between neighbouring pixels is larger than the ramp's."""
    greys = iter([0.0, 1.0])
    ink = draw_in_tiles(
        lambda part: np.full(part.shape[:2], next(greys), np.float32),
        np.zeros((10, 60, 3), np.uint8),
        tile=40,
        margin=4,
    )
    assert ink[0, 0] == 0
    assert ink[0, -1] == 1
    assert np.abs(np.diff(ink, axis=1)).max() < 0.15


def test_tiles_smaller_than_their_margins_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot overlap by 40"):
        draw_in_tiles(spread, np.zeros((50, 50, 3), np.uint8), tile=40, margin=10)
