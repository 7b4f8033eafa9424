"""The sample doodles: they lie on the sheet, are all different, and scenes hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.doodles.samples import SIDE, arc, curve, draw_samples, line

SAMPLES = draw_samples()


def test_there_are_things_and_scenes() -> None:
    assert sum(len(sample.words) == 1 for sample in SAMPLES.values()) >= 8
    assert sum(len(sample.words) > 2 for sample in SAMPLES.values()) == 3
    assert {word for sample in SAMPLES.values() for word in sample.words} >= {
        "house",
        "cat",
        "sun",
        "umbrella",
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_lies_on_the_sheet_and_fills_it(name: str) -> None:
    low, high = SAMPLES[name].drawing.bounds
    assert low.min() >= 0
    assert high.max() <= SIDE
    assert (high - low).max() >= SIDE / 2


def test_a_scene_has_as_many_strokes_as_its_things() -> None:
    strokes_of = {
        sample.words[0]: len(sample.drawing.strokes) for sample in SAMPLES.values() if len(sample.words) == 1
    }
    for sample in SAMPLES.values():
        assert len(sample.drawing.strokes) == sum(strokes_of[word] for word in sample.words)


def test_an_arc_is_a_part_of_an_ellipse_and_goes_with_the_clock() -> None:
    quarter = arc(10, 20, 3, 5, 0, 90)
    np.testing.assert_allclose(quarter[[0, -1]], [[13, 20], [10, 25]], atol=1e-12)
    np.testing.assert_allclose(((quarter - (10, 20)) / (3, 5)) @ np.ones(2) >= 1 - 1e-9, True)
    np.testing.assert_allclose((((quarter - (10, 20)) / (3, 5)) ** 2).sum(1), 1)


def test_a_curve_goes_through_its_points_in_their_order() -> None:
    points = np.array([(0, 0), (100, 0), (100, 100), (0, 100)], float)
    drawn = curve(*map(tuple, points))
    nearest = [int(np.hypot(*(drawn - point).T).argmin()) for point in points]
    assert nearest == sorted(nearest)
    np.testing.assert_allclose(drawn[nearest], points, atol=1e-9)
    straight = curve((0, 0), (50, 50), (100, 100))
    np.testing.assert_allclose(straight[:, 0], straight[:, 1], atol=1e-9)  # no bend where there is none
    closed = curve(*map(tuple, points), closed=True)
    np.testing.assert_allclose(closed[0], closed[-1], atol=1e-9)


def test_a_line_is_its_points() -> None:
    assert line((1, 2), (3, 4)).tolist() == [[1, 2], [3, 4]]
