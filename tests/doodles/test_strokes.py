"""What a network is told of strokes, and strokes as a trace gives them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doodles.own import FACE, HOUSE, LADDER, SUN
from unprompt.doodles.drawing import Drawing, joined
from unprompt.doodles.strokes import (
    NEAR,
    along,
    as_traced,
    clusters_of,
    join_clusters,
    see_strokes,
    take_together,
)

CROSS = Drawing(([(0, 5), (10, 5)], [(5, 0), (5, 10)], [(20, 0)]))


def length(drawing: Drawing) -> float:
    return sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in drawing.strokes)


def test_points_lie_evenly_along_a_stroke() -> None:
    bent = np.array([(0, 0), (4, 0), (4, 4)], float)
    np.testing.assert_allclose(along(bent, 5), [(0, 0), (2, 0), (4, 0), (4, 2), (4, 4)])
    np.testing.assert_allclose(along(np.array([(3.0, 1.0)]), 3), [(3, 1)] * 3)


def test_nearness_is_that_of_every_two_points() -> None:
    sheet = joined([HOUSE, SUN.moved(0.5, (120, 10)), FACE.moved(0.4, (40, 130))])
    seen = see_strokes(sheet)
    low, high = sheet.bounds
    points = [along((stroke - low) * 2 / (high - low).max(), 10) for stroke in sheet.strokes]
    for a, one in enumerate(points):
        for b, other in enumerate(points):
            nearest = min(np.hypot(*(p - q)) for p in one for q in other)
            assert np.exp(seen.pairs[a, b, 0]) - NEAR == pytest.approx(nearest, abs=2e-3)
    np.testing.assert_allclose(seen.pairs, seen.pairs.transpose(1, 0, 2), atol=1e-3)


def test_size_and_place_of_a_sheet_change_nothing() -> None:
    sheet = joined([HOUSE, SUN.moved(0.5, (120, 10))])
    one, other = see_strokes(sheet), see_strokes(sheet.moved(7.5, (-300, 40)))
    np.testing.assert_allclose(one.each, other.each, atol=1e-4)
    np.testing.assert_allclose(one.pairs[..., 4:], other.pairs[..., 4:], atol=1e-3)


def test_a_trace_cuts_lines_where_they_cross() -> None:
    for seed in range(4):
        traced, owners = as_traced(CROSS, (0, 1, 2), np.random.default_rng(seed))
        assert sorted(owners) == [0, 0, 1, 1, 2]
        assert sorted(map(len, traced.strokes)) == [1, 2, 2, 2, 2]
        assert sum((stroke == (5, 5)).all(1).any() for stroke in traced.strokes) == 4


def test_a_trace_loses_no_ink_and_keeps_owners() -> None:
    sheet = joined([HOUSE, LADDER.moved(1, (60, 20))])
    owners = (0,) * len(HOUSE.strokes) + (1,) * len(LADDER.strokes)
    traced, whose = as_traced(sheet, owners, np.random.default_rng(0))
    assert len(traced.strokes) > len(sheet.strokes) + 8
    assert length(traced) == pytest.approx(length(sheet))
    for thing, drawing in enumerate((HOUSE, LADDER)):
        part = Drawing(tuple(s for s, owner in zip(traced.strokes, whose, strict=True) if owner == thing))
        assert length(part) == pytest.approx(length(drawing))
        np.testing.assert_allclose(part.bounds[0], drawing.bounds[0] + (60, 20) * np.array(thing))


def test_clusters_join_by_the_mean_of_their_scores() -> None:
    scores = np.full((5, 5), -3.0)
    for a, b, score in ((0, 1, 4), (1, 2, 3), (0, 2, -1), (3, 4, 2)):
        scores[a, b] = scores[b, a] = score
    assert sorted(clusters_of(scores)) == [[0, 1, 2], [3, 4]]  # (3 - 1) / 2 is above 0
    scores[0, 2] = scores[2, 0] = -4
    assert sorted(clusters_of(scores)) == [[0, 1], [2], [3, 4]]
    assert clusters_of(np.zeros((1, 1))) == [[0]]
    assert clusters_of(np.zeros((0, 0))) == []


def test_what_is_not_clear_is_asked_and_what_is_refused_stays_apart() -> None:
    scores = np.full((5, 5), -9.0)
    for a, b, score in ((0, 1, 5), (0, 2, 1), (1, 2, -1), (3, 4, -1)):
        scores[a, b] = scores[b, a] = score
    refused = join_clusters(scores, 2.0)
    assert next(refused) == ([0, 1], [2])  # after 0 and 1, which were clear
    assert refused.send(False) == ([3], [4])
    with pytest.raises(StopIteration) as done:
        refused.send(False)
    assert sorted(done.value.value) == [[0, 1], [2], [3], [4]]
    granted = join_clusters(scores, 2.0)
    assert next(granted) == ([0, 1], [2])
    assert granted.send(True) == ([3], [4])
    with pytest.raises(StopIteration) as done:
        granted.send(True)
    assert sorted(done.value.value) == [[0, 1, 2], [3, 4]]


def test_many_strokes_are_taken_together_the_nearest_first() -> None:
    hatching = [
        np.array([(x + 100 * side, 0.0), (x + 100 * side, 1.0)]) for side in range(2) for x in range(40)
    ]
    bunches = take_together(Drawing(tuple(hatching)), 2)
    assert sorted(map(sorted, bunches)) == [list(range(40)), list(range(40, 80))]
    assert take_together(CROSS, 3) == [[0], [1], [2]]
    dots = Drawing(tuple(np.random.default_rng(0).random((4000, 1, 2))))
    bunches = take_together(dots)
    assert len(bunches) <= 128
    assert sorted(n for bunch in bunches for n in bunch) == list(range(4000))
