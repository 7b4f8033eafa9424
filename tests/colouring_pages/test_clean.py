from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unprompt.colouring_pages.clean import (
    CleanSettings,
    clean,
    close_gaps,
    fill_doubles,
    hollow,
    join_small_parts,
    merge_small_regions,
    remove_specks,
    remove_spurs,
)
from unprompt.colouring_pages.regions import regions
from unprompt.errors import ConfigError, InputError

pytest.importorskip("scipy")
pytest.importorskip("skimage")

SIDE = 240
DIAGONAL = SIDE * 2**0.5
WIDTH = 5
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.hypot(X - x, Y - y) <= radius


def ring(x: float, y: float, radius: float, width: float = WIDTH) -> np.ndarray:
    return np.abs(np.hypot(X - x, Y - y) - radius) <= width / 2


def box(left: float, top: float, right: float, bottom: float, width: float = WIDTH) -> np.ndarray:
    inside = np.minimum(np.minimum(X - left, right - X), np.minimum(Y - top, bottom - Y))
    return np.abs(inside) <= width / 2


def bar(left: float, right: float, y: float, width: float = WIDTH) -> np.ndarray:
    return (left <= X) & (right >= X) & (np.abs(Y - y) <= width / 2)


def arc_with_gap(gap: float, radius: float = 70) -> np.ndarray:
    """A circle in the middle, open for `gap` pixels on its right."""
    angle = np.arctan2(Y - SIDE / 2, X - SIDE / 2)
    return ring(SIDE / 2, SIDE / 2, radius) & (np.abs(angle) > gap / 2 / radius)


def count_regions(lines: np.ndarray) -> int:
    return max(0, int(regions(lines).max()))


def make(lines: np.ndarray, **changes: object) -> np.ndarray:
    return clean(lines.astype(np.float32), CleanSettings(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("gap", "closes"), [(3, True), (6, True), (12, True), (20, False), (40, False)])
def test_a_circle_closes_if_its_gap_is_short(gap: float, closes: bool) -> None:
    lines = arc_with_gap(gap)
    assert count_regions(lines) == 0
    assert CleanSettings().facing * DIAGONAL == pytest.approx(13.6, abs=0.1)
    assert count_regions(make(lines)) == int(closes)
    assert count_regions(make(lines, facing=0.1)) == int(gap < 30)
    assert count_regions(make(lines, gap=0, facing=0, double=0)) == 0
    assert count_regions(make(lines, facing=0)) == int(gap < 10)


def test_an_end_is_joined_to_the_line_ahead_and_not_to_one_beside() -> None:
    wall = (np.abs(X - 150) <= 2.5) & (Y > 20) & (Y < 220)
    ahead = bar(50, 140, 120)  # 7.5 pixels from the wall
    beside = bar(50, 145, 211)
    joined = close_gaps(wall | ahead, 10, 10, WIDTH)
    assert joined[118:122, 145].all()
    assert (joined & ~(wall | ahead) & (X < 139)).sum() == 0
    assert (close_gaps(wall | ahead, 5, 20, WIDTH) == (wall | ahead)).all()
    # Two bars one above the other: their ends look the same way, and not at each other.
    pair = bar(50, 140, 100) | bar(50, 140, 112)
    assert (close_gaps(pair, 10, 20, WIDTH) == pair).all()
    assert (close_gaps(beside, 10, 20, WIDTH) == beside).all()


def test_an_end_near_the_border_runs_to_it() -> None:
    joined = close_gaps(bar(100, 233, 120), 10, 0, WIDTH)
    assert joined[120].tolist() == [False] * 100 + [True] * 140


def test_a_speck_goes_and_an_eye_stays() -> None:
    face = ring(120, 120, 90)
    speck, eye, dash = disc(90, 100, 1.2), disc(140, 100, 4.5), bar(100, 140, 150)
    lines = make(face | speck | eye | dash)
    assert not lines[speck].any()
    assert (lines & eye).sum() == pytest.approx(eye.sum(), rel=0.02)
    assert lines[dash].all()
    assert lines[face].all()


def test_what_a_speck_is_depends_on_the_detail() -> None:
    dash = bar(100, 107, 120)
    face = ring(120, 120, 90)
    kept = {detail: bool(make(face | dash, detail=detail)[120, 103]) for detail in ("low", "middle", "high")}
    assert kept == {"low": False, "middle": True, "high": True}


def test_how_long_a_piece_is_counts_a_ring_around() -> None:
    small, dash = ring(60, 60, 5, 2), bar(110, 122, 120, 2)
    kept = remove_specks(small | dash, 20, 2)
    assert (kept == small).all()  # its way around is 31 pixels


def test_a_solid_disc_becomes_a_ring() -> None:
    solid = disc(120, 120, 5 * WIDTH)
    lines = make(solid | box(20, 20, 220, 220))
    rim = np.hypot(X - 120, Y - 120)
    assert lines[(rim > 4.2 * WIDTH) & solid].all()
    assert not lines[rim < 3.8 * WIDTH].any()
    assert count_regions(lines) == 2
    # Three strokes wide is a pupil.
    pupil = disc(120, 120, 1.4 * WIDTH)
    assert make(pupil | box(20, 20, 220, 220))[pupil].all()


def test_a_dark_ground_is_not_black_and_has_no_frame() -> None:
    ground = ~disc(120, 120, 60)
    lines = hollow(ground, 3 * WIDTH, WIDTH)
    assert not lines[:40].any()
    assert lines.mean() < 0.05
    assert count_regions(lines) == 1


def test_double_lines_become_one() -> None:
    double = ring(120, 120, 60, 1) | ring(120, 120, 63, 1)
    assert count_regions(double) == 2
    assert count_regions(fill_doubles(double, 4)) == 1
    assert count_regions(make(double, double=0.012)) == 1
    assert (fill_doubles(double, 0) == double).all()


def test_a_narrow_part_between_two_larger_becomes_a_line_and_opens_neither() -> None:
    lines = box(20, 20, 220, 220) | ((np.abs(X - 120) <= 2.5) | (np.abs(X - 130) <= 2.5)) & (Y > 20) & (
        Y < 220
    )
    assert count_regions(lines) == 3
    merged = merge_small_regions(lines, 8, WIDTH)
    assert count_regions(merged) == 2
    assert merged[120, 100:150].sum() == pytest.approx(WIDTH, abs=1)
    assert merged[120, 124:126].all()
    assert (merge_small_regions(lines, 3, WIDTH) == lines).all()


def test_a_pattern_becomes_one_part_with_a_rim() -> None:
    inside = (X > 70) & (X < 172) & (Y > 70) & (Y < 172)
    grid = inside & (((X - 70) % 10 < 2) | ((Y - 70) % 10 < 2))
    lines = grid | box(20, 20, 220, 220)
    assert count_regions(lines) == 101
    merged = merge_small_regions(lines, 10, 3)
    labels = regions(merged)
    assert labels.max() == 2
    assert labels[120, 120] != labels[40, 40]
    assert merged[120, 70:74].any()


def test_narrow_parts_between_wide_lines_stay() -> None:
    chimney = box(100, 20, 120, 90, 14) | box(40, 90, 200, 220, 14)
    assert count_regions(chimney) == 2  # the chimney's is 6 pixels wide, and 20 between thin lines
    assert count_regions(make(chimney)) == 2


def test_a_part_with_a_single_neighbour_stays() -> None:
    lines = box(20, 20, 220, 220) | ring(100, 100, 6, 3)
    assert (merge_small_regions(lines, 20, WIDTH) == lines).all()


def test_thorns_go_and_branches_stay() -> None:
    thorn = (np.abs(X - 80) <= 2) & (Y > 112) & (Y < 120)
    branch = (np.abs(X - 150) <= 2) & (Y > 80) & (Y < 120)
    trunk = bar(30, 210, 120)
    lines = remove_spurs(trunk | thorn | branch, 10, WIDTH)
    assert lines[branch].all()
    assert not lines[thorn & (Y < 115.5)].any()
    assert lines[trunk & (X > 33) & (X < 207)].mean() > 0.98


def test_faint_ink_is_line_where_it_goes_on_from_sure_ink() -> None:
    ink = np.zeros((SIDE, SIDE), np.float32)
    ink[bar(30, 120, 60)], ink[bar(120, 210, 60)] = 0.9, 0.4
    ink[bar(30, 210, 160)] = 0.4
    lines = clean(ink)
    assert lines[60, 35:205].all()
    assert not lines[140:].any()


@pytest.mark.parametrize("detail", ["low", "middle", "high"])
def test_a_drawing_that_is_clean_stays(detail: str) -> None:
    lines = ring(120, 120, 90) | disc(90, 100, 6) | disc(150, 100, 6) | bar(90, 150, 160)
    found = make(lines, detail=detail)
    assert (found ^ lines).sum() <= 0.01 * lines.sum()
    assert (make(found, detail=detail) ^ found).sum() <= 0.01 * lines.sum()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(0, 1, width=32)),
    st.sampled_from(["low", "middle", "high"]),
)
def test_any_ink_gives_a_page(ink: np.ndarray, detail: str) -> None:
    before = ink.copy()
    lines = clean(ink, CleanSettings(detail=detail))
    assert lines.shape == ink.shape
    assert lines.dtype == bool
    assert (ink == before).all()
    assert (clean(ink, CleanSettings(detail=detail)) == lines).all()


@pytest.mark.parametrize("ink", [np.zeros((30, 40)), np.zeros((1, 1), np.float32), np.ones((50, 50))])
def test_a_page_without_drawing_is_blank(ink: np.ndarray) -> None:
    assert not clean(ink).any()


@pytest.mark.parametrize(
    ("ink", "said"),
    [
        (np.zeros((3, 3, 3)), r"float array \(H, W\)"),
        (np.zeros((0, 3)), r"float array \(H, W\)"),
        (np.full((3, 3), 255, np.uint8), "uint8"),
        (np.full((3, 3), 255.0), "0 to 1|255"),
        (np.full((3, 3), np.nan), "nan"),
    ],
)
def test_what_is_no_ink_is_told(ink: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        clean(ink)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"detail": "some"}, "low, middle, high"),
        ({"likely": 0.8}, "likely must be at most sure, got 0.8 and 0.5"),
        ({"least_stroke": 0.05}, "least_stroke must be at most most_stroke"),
        ({"solid": 0.5}, "solid"),
    ],
)
def test_settings_that_cannot_be_are_told(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CleanSettings(**changes)  # type: ignore[arg-type]


def halved_square(faint: float) -> np.ndarray:
    """Ink of a frame around a square of 30 pixels, which a wall divides, and `faint` ink right of it."""
    ink = np.zeros((SIDE, SIDE), np.float32)
    ink[box(40, 40, 200, 200)] = 1
    ink[box(100, 100, 130, 130)] = 1
    ink[bar(100, 130, 115)] = 0.8
    ink[bar(130, 200, 115)] = faint
    return ink


def test_small_parts_lose_their_faintest_line() -> None:
    """Two halves of a square become one where the line between them is faintest; then it is large enough."""
    ink = halved_square(0.6)
    lines = ink > 0.5
    joined = join_small_parts(lines, ink, 500, WIDTH)
    gone = lines & ~joined
    assert count_regions(lines) == 3
    assert count_regions(joined) == 2
    assert gone[113:118, 104:126].all()
    assert not gone[:110].any()
    assert not gone[121:].any()
    assert not gone[:, 131:].any()


def test_where_all_are_small_the_smallest_goes_first() -> None:
    """Of a row of three, the narrow one in the middle goes to the side whose wall is the fainter."""
    ink = box(40, 100, 200, 140).astype(np.float32)
    for x, strength in ((110, 0.9), (130, 0.7)):
        ink[100:140, x - 2 : x + 3] = np.maximum(ink[100:140, x - 2 : x + 3], strength)
    lines = ink > 0.5
    joined = join_small_parts(lines, ink, 1000, WIDTH)
    assert count_regions(joined) == 2
    assert joined[110:130, 110].all()
    assert not joined[110:130, 130].any()


def test_small_parts_with_a_single_neighbour_and_large_ones_stay() -> None:
    lines = ring(120, 120, 60) | ring(120, 120, 8)
    for least in (0.0, 1000.0):
        assert (join_small_parts(lines, lines.astype(np.float32), least, WIDTH) == lines).all()
    divided = ring(120, 120, 60) | (bar(60, 180, 120))
    assert (join_small_parts(divided, divided.astype(np.float32), 3000, WIDTH) == divided).all()


def test_a_small_corner_of_the_page_is_no_button() -> None:
    lines = np.abs(X + Y - 30) <= WIDTH / 2
    lines |= ring(120, 120, 60)
    joined = join_small_parts(lines, lines.astype(np.float32), 600, WIDTH)
    assert (joined == ring(120, 120, 60)).all()


def test_a_small_part_with_walls_as_short_as_lines_are_wide_is_opened() -> None:
    """Two lines near each other, and two bars between them: the cell that they enclose goes."""
    across, along = np.abs(Y - 120), np.abs(X - 120)
    lines = (np.abs(across - 6) <= 3.5) & (along <= 80)
    lines |= (across <= 6) & ((np.abs(along - 6) <= 3.5) | (np.abs(along - 80) <= 3.5))
    before = count_regions(lines)
    joined = join_small_parts(lines, lines.astype(np.float32), 400, 9)
    assert count_regions(joined) == before - 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 30.0, 200.0, 5000.0]))
def test_joining_only_takes_ink_away_and_leaves_no_small_part_between_others(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    ink = np.kron(rng.random((8, 9)), np.ones((9, 9))).astype(np.float32)
    lines = np.zeros_like(ink, bool)
    lines[::9] = lines[:, ::9] = True
    lines &= np.kron(rng.random((8, 9)) < 0.9, np.ones((9, 9), bool))
    joined = join_small_parts(lines, ink, least, 1)
    assert not (joined & ~lines).any()
    before, after = (regions(page, frame=True).max() for page in (lines, joined))
    assert after <= before if least else after == before
