from __future__ import annotations

import numpy as np
import pytest

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.errors import InputError

pytest.importorskip("resvg_py")


def straight(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    return np.linspace(start, end, 4, dtype=np.float32)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_line_has_the_width_asked_for_at_any_size(scale: int) -> None:
    drawing = LineDrawing((100, 50), (straight((10, 25), (90, 25)),))
    image = drawing.render(100 * scale, line_pixels=6)
    assert image.size == (100 * scale, 50 * scale)
    ink = 1 - np.asarray(image, np.float64)[:, 50 * scale] / 255
    assert ink.sum() == pytest.approx(6, abs=0.05)
    assert np.flatnonzero(ink > 0.5).mean() == pytest.approx(25 * scale - 0.5, abs=0.01)


def test_a_line_back_to_its_start_is_closed() -> None:
    curve = np.concatenate([straight((10, 10), (40, 10)), straight((40, 10), (10, 10))[1:]])
    assert LineDrawing((50, 20), (curve,)).path().endswith("Z")
    assert not LineDrawing((50, 20), (straight((10, 10), (40, 10)),)).path().endswith("Z")


def test_no_lines_are_a_white_picture() -> None:
    assert LineDrawing((30, 20), ()).render(60, 3).getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("size", "curves", "said"),
    [((0, 5), (), "above 0"), ((5, 5), (np.zeros((3, 2)),), r"curve 0 .*\(3, 2\)")],
)
def test_what_is_no_drawing_is_told(
    size: tuple[float, float], curves: tuple[np.ndarray, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        LineDrawing(size, curves)
