from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.regions import regions
from unprompt.colouring_pages.skeleton import (
    Rim,
    dilate,
    dissolve,
    erode,
    prune,
    thin,
    trace_skeleton,
)
from unprompt.colouring_pages.strokes import StrokeSettings, fit_segments, strokes
from unprompt.errors import ConfigError, InputError

pytest.importorskip("scipy")
pytest.importorskip("skimage")
pytest.importorskip("resvg_py")

SIDE = 200


def draw(*lines: list[tuple[float, float]], width: int = 5, side: int = SIDE) -> np.ndarray:
    """A page with polylines, drawn with round joints and ends."""
    page = Image.new("1", (side, side))
    pen = ImageDraw.Draw(page)
    for points in lines:
        pen.line(points, fill=1, width=width)
        for x, y in points if width > 1 else ():
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=1)
    return np.asarray(page)


def ring(radius: float, width: float, side: int = SIDE) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.abs(np.hypot(x - side / 2, y - side / 2) - radius) <= width / 2


def sample(drawing: LineDrawing, count: int = 100) -> np.ndarray:
    """Points along all curves of a drawing."""
    t = np.linspace(0, 1, count)[:, None]
    parts = [np.zeros((0, 2))]
    for curve in drawing.curves:
        for at in range(0, len(curve) - 1, 3):
            p0, p1, p2, p3 = curve[at : at + 4].astype(float)
            parts.append(p0 * (1 - t) ** 3 + 3 * p1 * t * (1 - t) ** 2 + 3 * p2 * t**2 * (1 - t) + p3 * t**3)
    return np.concatenate(parts)


def farthest(points: np.ndarray, others: np.ndarray) -> float:
    """How far the farthest of the points is from the nearest of the others."""
    from scipy.spatial import cKDTree

    return float(cKDTree(others).query(points)[0].max())


def middles(lines: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(thin(lines))
    return np.stack([columns, rows], 1) + 0.5


def render(drawing: LineDrawing, line_pixels: float) -> np.ndarray:
    return np.asarray(drawing.render(round(drawing.size[0]), line_pixels)) < 128


def count_regions(lines: np.ndarray) -> int:
    return int(regions(lines).max())


# The skeleton.


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)), st.floats(0, 5))
def test_dilating_is_all_within_a_radius(mask: np.ndarray, radius: float) -> None:
    from scipy import ndimage

    if mask.any():
        near = ndimage.distance_transform_edt(~mask) <= radius
        assert (dilate(mask, radius) == near).all()
    if not mask.all():
        assert (erode(mask, radius) == (ndimage.distance_transform_edt(mask) > radius)).all()


@settings(max_examples=100, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)))
def test_every_pixel_of_a_skeleton_is_on_a_path_or_at_a_node(mask: np.ndarray) -> None:
    thinned = thin(mask)
    skeleton = trace_skeleton(thinned)
    for path, (start, stop) in zip(skeleton.paths, skeleton.ends, strict=True):
        assert np.array_equal(path[0], skeleton.nodes[start])
        assert np.array_equal(path[-1], skeleton.nodes[stop])
        inside = np.abs(np.diff(path[1:-1], axis=0))
        assert (inside.max(axis=1, initial=0) <= 1).all()  # neighbours follow each other
    on_paths = [point for path in skeleton.paths for point in path[1:-1]] + [*skeleton.nodes]
    found = {(float(x), float(y)) for x, y in on_paths}
    padded = np.pad(thinned, 1)
    for y, x in zip(*np.nonzero(thinned), strict=True):
        junction = padded[y : y + 3, x : x + 3].sum() > 3  # those beside each other are one node
        assert junction or (x + 0.5, y + 0.5) in found


@settings(max_examples=100, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)))
def test_the_skeleton_hangs_together_as_the_lines_do(mask: np.ndarray) -> None:
    from scipy import ndimage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    skeleton = dissolve(trace_skeleton(thin(mask)))
    count = len(skeleton.nodes)
    graph = coo_array((np.ones(len(skeleton.ends)), tuple(skeleton.ends.T)), (count, count))
    assert connected_components(graph, directed=False)[0] == ndimage.label(thin(mask), np.ones((3, 3)))[1]


def test_a_figure_eight_is_a_junction_and_two_loops() -> None:
    eight = np.zeros((11, 11), bool)
    eight[1, 2:5] = eight[5, 2:9] = eight[9, 6:9] = True
    eight[2:5, 1] = eight[2:5, 5] = eight[6:9, 5] = eight[6:9, 9] = True
    eight[5, 2] = eight[5, 8] = True
    skeleton = trace_skeleton(eight)
    junctions = np.flatnonzero(skeleton.degrees() >= 3)
    assert len(junctions) == 1
    assert skeleton.degrees()[junctions].tolist() == [4]
    assert skeleton.ends.tolist() == [[junctions[0]] * 2] * 2


@pytest.mark.parametrize("width", [1, 4, 9])
@pytest.mark.parametrize("angle", [0, 30, 45])
def test_the_stroke_is_how_wide_lines_are(width: int, angle: int) -> None:
    y, x = np.mgrid[:150, :150] - 75.0
    across = x * np.sin(np.deg2rad(angle)) - y * np.cos(np.deg2rad(angle))
    lines = np.abs(across) <= width / 2
    assert Rim(lines).measure_stroke(thin(lines)) == pytest.approx(width, abs=1.2)
    none = np.zeros((20, 20), bool)
    assert Rim(none).measure_stroke(none) == 0


def test_spurs_go_and_branches_stay() -> None:
    trunk = [(20, 100), (180, 100)]
    branch = [(60, 100), (60, 60)]
    thorn = [(120, 100), (120, 95)]  # shows 5 pixels beside the trunk
    lines = draw(trunk, branch, thorn)
    traced = dissolve(trace_skeleton(thin(lines)))
    rim = Rim(lines)
    assert len(traced.paths) == 5
    assert len(prune(traced, rim, 8).paths) == 3
    assert len(prune(traced, rim, 2).paths) == 5
    assert len(prune(traced, rim, 60).paths) < 3


# Curves.


@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_ring_becomes_one_closed_curve_around_its_middle(width: int) -> None:
    (curve,) = strokes(ring(60, width)).curves
    assert np.array_equal(curve[0], curve[-1])
    radii = np.hypot(*(sample(LineDrawing((SIDE, SIDE), (curve,))) - SIDE / 2).T)
    assert radii == pytest.approx(60, abs=1)
    assert len(curve) // 3 <= 8


def test_a_cross_keeps_its_junction() -> None:
    lines = draw([(20, 30), (180, 150)], [(30, 170), (160, 20)], width=6)
    drawing = strokes(lines)
    assert len(drawing.curves) == 2  # both go on through the crossing
    one, two = (sample(LineDrawing(drawing.size, (curve,)), 200) for curve in drawing.curves)
    assert min(np.hypot(*(point - two).T).min() for point in one) < 0.5
    shared = set(map(tuple, drawing.curves[0][::3])) & set(map(tuple, drawing.curves[1][::3]))
    assert len(shared) == 1
    # The lines of the two polylines cross at (97.3, 88): both by 120/160 and -150/130.
    slope, other = 120 / 160, -150 / 130
    x = (170 - 30 + 20 * slope - 30 * other) / (slope - other)
    assert next(iter(shared)) == pytest.approx((x + 0.5, 30 + (x - 20) * slope + 0.5), abs=1.5)


def test_a_line_that_ends_on_another_ends_on_it() -> None:
    drawing = strokes(draw([(20, 100), (180, 100)], [(100, 100), (100, 30)], width=7))
    assert len(drawing.curves) == 2
    through, stem = sorted(drawing.curves, key=lambda curve: -float(np.ptp(curve[:, 0])))
    ends = {tuple(stem[0]), tuple(stem[-1])}
    assert ends & set(map(tuple, through[::3]))
    # Thinning pulls the line towards its branch: it is straight again.
    points = sample(LineDrawing(drawing.size, (through,)))
    assert points[np.abs(points[:, 0] - 100) < 60, 1] == pytest.approx(100.5, abs=0.8)


@pytest.mark.parametrize("width", [1, 3, 8])
def test_corners_stay_sharp(width: int) -> None:
    near, far = 40 + width / 2, 161 - width / 2
    corners = np.array([(near, near), (far, near), (far, far), (near, far)])
    page = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(page).rectangle((40, 40, 160, 160), outline=1, width=width)
    lines = np.asarray(page)
    (curve,) = strokes(lines).curves
    assert np.array_equal(curve[0], curve[-1])
    for corner in corners if width > 1 else ():  # thinning leaves out a corner of one pixel
        assert np.hypot(*(curve[::3] - corner).T).min() < 0.8
    assert len(curve) // 3 <= (6 if width > 1 else 20)


def test_a_wave_has_no_corner_and_few_segments() -> None:
    x = np.linspace(20, 180, 400)
    lines = draw(list(zip(x, 100 + 40 * np.sin(x / 20), strict=True)), width=3)
    (curve,) = strokes(lines).curves
    assert len(curve) // 3 <= 12
    bends = np.stack([curve[3:-1:3] - curve[2:-3:3], curve[4::3] - curve[3:-1:3]])
    bends /= np.linalg.norm(bends, axis=2, keepdims=True)
    assert (bends[0] * bends[1]).sum(1) == pytest.approx(1, abs=1e-3)


def test_dots_are_as_large_as_they_were() -> None:
    line = draw([(20, 180), (180, 180)], [(20, 20), (180, 20)], width=6)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    eye = np.hypot(x - 60, y - 100) <= 8
    almond = np.hypot((x - 130) / 1.5, y - 100) <= 7
    small = np.hypot(x - 95, y - 100) <= 2.5
    lines = line | eye | almond | small
    drawn = render(strokes(lines), 6)
    for part in (eye, almond):
        assert (drawn & part).sum() == pytest.approx(part.sum(), rel=0.08)
    assert (drawn & ~dilate(lines, 2)).sum() < 5
    assert drawn[100, 95]


@pytest.mark.parametrize("width", [2, 4, 7])
def test_regions_stay(width: int) -> None:
    grid = [[(x, 20), (x, 180)] for x in (20, 60, 100, 180)] + [[(20, y), (180, y)] for y in (20, 70, 180)]
    window = [[(130, 100), (160, 100), (145, 150), (130, 100)]]
    lines = draw(*grid, *window, width=width) | ring(25, width)
    assert count_regions(render(strokes(lines), width)) == count_regions(lines) >= 8


# From left to right and not too steep: the middle of an acute corner of wide lines is not on them.
POLYLINES = st.lists(st.integers(75, 125), min_size=2, max_size=5).map(
    lambda heights: list(zip(np.linspace(25, 175, len(heights)).tolist(), heights, strict=True))
)


@settings(max_examples=25, deadline=None)
@given(POLYLINES, st.integers(2, 8))
@example([(25, 75), (75, 125), (125, 75), (175, 125)], 8)
def test_tracing_what_was_traced_gives_the_same_lines(points: list[tuple[float, float]], width: int) -> None:
    drawing = strokes(draw(points, width=width))
    truth = np.concatenate([np.linspace(one, two, 400) for one, two in pairwise(points)]) + 0.5
    near = 2 + width / 3
    assert farthest(sample(drawing), truth) < near
    assert farthest(truth, sample(drawing)) < near + width / 2  # ends are drawn round, and thinned
    again = strokes(render(drawing, max(width, 2)))
    assert farthest(sample(again), sample(drawing)) < near
    assert farthest(sample(drawing), sample(again)) < near + width / 2


@settings(max_examples=60, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_no_line_is_lost_and_nothing_is_added(lines: np.ndarray) -> None:
    from scipy.spatial import cKDTree

    drawing = strokes(lines, StrokeSettings(spur=0))
    assert all(np.isfinite(curve).all() for curve in drawing.curves)
    rows, columns = np.nonzero(lines)
    black = np.stack([columns, rows], 1) + 0.5
    if not len(black):
        assert drawing.curves == ()
        return
    assert farthest(sample(drawing), black) < 2
    middle = middles(lines)
    missed = cKDTree(sample(drawing)).query(middle)[0]
    # Junctions may move, and a dot's rim is half a stroke inside.
    rim = Rim(lines)
    half = rim.measure_stroke(thin(lines)) / 2
    assert (missed < 2 + 1.5 * np.maximum(rim.measure_radii(middle), half)).all()


@pytest.mark.parametrize("width", [1.5, 3, 6])
def test_curves_are_within_a_pixel_of_the_middle(width: float) -> None:
    from scipy.spatial import cKDTree

    angles = np.linspace(0, 2 * np.pi, 800)
    radii = 65 + 8 * np.sin(3 * angles + 1) + 2 * np.sin(5 * angles)
    truth = 100 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    away = cKDTree(truth).query(np.stack([x.ravel(), y.ravel()], 1))[0].reshape(SIDE, SIDE)
    drawing = strokes(away <= width / 2)
    assert farthest(sample(drawing), truth) <= 1.1
    assert farthest(truth, sample(drawing)) <= 1.1
    assert farthest(sample(drawing), middles(away <= width / 2)) <= 1.2
    assert farthest(middles(away <= width / 2), sample(drawing)) <= 1.2


def test_one_segment_fits_the_points_of_one_segment() -> None:
    controls = np.array([(0, 0), (30, 60), (80, 70), (100, 10)], float)
    t = np.linspace(0, 1, 80)[:, None]
    points = (
        controls[0] * (1 - t) ** 3
        + 3 * controls[1] * t * (1 - t) ** 2
        + 3 * controls[2] * t**2 * (1 - t)
        + controls[3] * t**3
    )
    leaving = np.gradient(points, axis=0)
    start, stop, found = fit_segments(points, np.array([0]), np.array([79]), leaving, -leaving, 1)
    assert (start.tolist(), stop.tolist()) == ([0], [79])
    curve = np.array([controls[0], *found[0], controls[3]])
    assert farthest(sample(LineDrawing((100, 100), (curve,))), points) < 1.5  # the points are 2 apart


def test_a_smaller_tolerance_takes_more_segments() -> None:
    lines = ring(60, 3)
    loose, tight = (
        sum(len(curve) for curve in strokes(lines, StrokeSettings(tolerance=tolerance)).curves)
        for tolerance in (2, 0.05)
    )
    assert tight > loose


def test_what_are_no_lines_is_told() -> None:
    with pytest.raises(InputError, match=r"bool array \(H, W\).*float64 \(3, 3\)"):
        strokes(np.zeros((3, 3)))
    with pytest.raises(ConfigError, match="tolerance"):
        StrokeSettings(tolerance=0)


def test_a_bilevel_image_of_pillow_is_lines() -> None:
    page = Image.new("1", (60, 60))
    ImageDraw.Draw(page).rectangle((10, 10, 50, 50), outline=1, width=3)
    lines = np.asarray(page)  # read-only, and true is the byte 255
    assert not lines.flags.writeable
    assert strokes(lines).path() == strokes(lines == 1).path() != ""
