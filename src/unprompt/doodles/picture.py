"""Any picture of a drawing becomes strokes: a photograph of paper, a scan, white on black, a thick pen.

The ground is estimated wherever it is, what differs from it is ink, ink is thinned to its middle and traced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring_pages.clean import find_lines, hollow
from unprompt.colouring_pages.skeleton import NEIGHBOURS, Rim, thin
from unprompt.colouring_pages.strokes import StrokeSettings, strokes
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.simplify import without_needless_points
from unprompt.errors import ConfigError, InputError
from unprompt.storage.images import AnyImage, image_of
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Reals = NDArray[np.float32]
    Points = NDArray[np.float64]

LARGEST, SMALLEST = 400, 224  # pixels of the longest side at which a picture is looked at
GROUND_SIDE = 128  # pixels of the longest side at which the ground is estimated
WIDEST = 0.14  # of the longest side: what is darker than the ground and narrower than this is ink
RIM = 0.03  # of the longest side: how far the rim reaches in that shows which ground there is
FAINTEST = 30.0  # of 255: what differs less from the ground all over is no ink
LIKELY, SURE = 0.3, 0.5  # of the ink's own strength
THIN = 0.08  # of the longest side: opaque parts that are nowhere thicker on a side are lines, not a sheet
HALFTONE = (0.12, 0.45)  # of the ink's strength, neither paper nor line
SHADED = 0.2  # share of such pixels from which on a picture is no drawing
SOLID = 2.5  # pens: wider black keeps only its rim
STEP = 6  # points of each curve
SLACK = 0.0025  # of the longest side: how far a point may be from the line that stands for it


@dataclass(frozen=True, eq=False)
class Traced:
    """What was found in a picture: its strokes, in pixels of the picture, and how wide the pen was there.

    `told`: what was done to the picture, in sentences. No ink at all gives a drawing without strokes.
    """

    drawing: Drawing
    pen: float
    told: tuple[str, ...] = ()


def read_picture(picture: AnyImage) -> Drawing:
    """The strokes of a picture, in its pixels. InputError where nothing is drawn on it, and for photographs.

    UnreadableImageError for what is no picture at all.
    """
    drawing = trace_picture(picture).drawing
    if not drawing.strokes:
        raise InputError("the picture is empty: nothing on it differs from its ground; draw something first")
    return drawing


def trace_picture(picture: AnyImage) -> Traced:
    """The strokes of a picture, the pen's width and what was done; an empty sheet has no strokes.

    InputError for a picture that is shaded all over, as photographs of other things than paper are.
    """
    image = image_of(picture, alpha=True)
    small, scale = _resize(image)
    ink, told = find_ink(small)
    lines = find_lines(ink, LIKELY, SURE)
    lines = _without_specks(lines)
    if not lines.any():
        return Traced(Drawing(()), 0.0, told)
    traced, pen = trace_lines(lines)
    return Traced(traced.moved(1 / scale), pen / scale, told)


def _resize(image: Image.Image) -> tuple[Image.Image, float]:
    """The picture at a size that lines can be traced at, and how many times larger it is."""
    longest = max(image.size)
    scale = min(LARGEST / longest, 1.0) if longest > SMALLEST else SMALLEST / longest
    if scale == 1:
        return image, scale
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    way = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return image.resize(size, way, reducing_gap=None if scale > 1 else 2.0), scale


# --- what is ink


def find_ink(image: Image.Image) -> tuple[Reals, tuple[str, ...]]:
    """How much each pixel differs from the ground: (H, W), 0 paper, 1 as the ink is; and what was done.

    All 0 where nothing differs enough. InputError for a picture that is no drawing.
    """
    told: list[str] = []
    if image.mode == "RGBA":
        alpha = np.asarray(image)[..., 3]
        opaque = alpha >= 128
        if not opaque.any():
            return np.zeros(alpha.shape, np.float32), ("it is transparent all over",)
        if _thickness(opaque) <= THIN * max(alpha.shape):
            return alpha.astype(np.float32) / 255, ("its ground is transparent",)
        rgb = np.asarray(image)[..., :3]
        under = Image.new("RGBA", image.size, tuple(int(v) for v in np.median(rgb[opaque], 0)))
        under.alpha_composite(image)
        image = under
    rgb = np.asarray(image.convert("RGB")).astype(np.float32)
    difference, dark = _differ_from_ground(rgb)
    if dark:
        told.append("it is light on dark")
    strength = _measure_strength(difference)
    if strength < FAINTEST:
        return np.zeros(difference.shape, np.float32), tuple(told)
    ink = np.minimum(difference / np.float32(strength), 1)
    _check_is_drawing(ink)
    return ink, tuple(told)


def _differ_from_ground(rgb: Reals) -> tuple[Reals, bool]:
    """How far each pixel is from the ground around it (H, W), 0 to 255; and whether the ground is dark."""
    with needed_for("tracing a picture", "pages", ConfigError):
        from scipy import ndimage

    height, width = rgb.shape[:2]
    scale = min(1.0, GROUND_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(
        Image.fromarray(rgb.astype(np.uint8)).resize(size, Image.Resampling.BOX), np.float32
    )
    reach = max(3, round(WIDEST * max(size)) | 1)
    dark = _has_dark_ground(small, reach)
    nearest = ndimage.grey_opening if dark else ndimage.grey_closing
    ground = np.empty_like(rgb)
    for channel in range(3):
        level = nearest(ndimage.median_filter(small[..., channel], 3), size=(reach, reach))
        level = ndimage.uniform_filter(level, max(3, reach // 2))
        large = Image.fromarray(level).resize((width, height), Image.Resampling.BILINEAR)
        ground[..., channel] = np.asarray(large)
    away = rgb - ground if dark else ground - rgb
    # A shadow darkens all channels alike and by a share of the light; ink takes nearly all of it.
    room = 255 - ground if dark else ground
    share = 255 * away / np.maximum(room, 64)
    return np.maximum(share.max(2), 0), dark


def _has_dark_ground(small: Reals, reach: int) -> bool:
    """Whether a picture (H, W, 3) is light on dark: by what is at its rim, and by what is thick."""
    grey = small.mean(2)
    level = _otsu(grey)
    light = grey > level
    if light.all() or not light.any():
        return bool(grey.mean() < 100)
    rim = max(1, round(RIM * max(light.shape)))
    at_rim = np.ones_like(light)
    at_rim[rim:-rim, rim:-rim] = False
    share = float(light[at_rim].mean())
    thick_light, thick_dark = _thickness(light), _thickness(~light)
    if share > 0.5:
        # Light at the rim: dark ground only where light is nothing but lines there.
        return False if thick_light * 2 >= thick_dark or share > 0.8 else True
    # A light sheet on a dark table is thick, light lines are not.
    return thick_light * 2 < 0.6 * reach * 2 or thick_light < 0.5 * thick_dark


def _thickness(mask: Mask) -> float:
    """The radius of the largest circle that lies within a mask (H, W), in pixels; beyond the border is in."""
    from scipy import ndimage

    return 0.0 if not mask.any() else float(ndimage.distance_transform_edt(mask).max())


def _otsu(values: NDArray[np.floating]) -> float:
    """The value that parts values into two groups best (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts).astype(float)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.nan_to_num(between, nan=-1.0)))])


def _measure_strength(difference: Reals) -> float:
    """How much ink differs from the ground, as most of it does; 0: nothing differs."""
    some = difference[difference > FAINTEST / 2]
    if some.size < 4:
        return 0.0
    level = _otsu(some)
    return float(np.percentile(some[some >= level], 60))


def _check_is_drawing(ink: Reals) -> None:
    low, high = HALFTONE
    half = float(((ink > low) & (ink < high)).mean())
    if half > SHADED:
        raise InputError(
            "the picture is no drawing: it is shaded all over, as photographs are; take one of lines on paper, "
            "or make its lines first: unprompt page make"
        )


# --- lines become strokes


def _without_specks(lines: Mask) -> Mask:
    """The lines without pieces that are much smaller than a dot of the pen."""
    from scipy import ndimage

    labels, count = ndimage.label(lines, NEIGHBOURS)
    if count < 2:
        return lines
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    pen = max(1.0, Rim(lines).measure_stroke(thin(lines)))
    kept = areas >= max(3.0, 0.3 * pen**2)
    if not kept.any():
        return lines
    found: Mask = kept[labels]
    return found


def trace_lines(lines: Mask) -> tuple[Drawing, float]:
    """Black lines (H, W) of any width as strokes in the order of a hand, in pixels; and how wide they are."""
    pen = Rim(lines).measure_stroke(thin(lines))
    lines = hollow(lines, max(SOLID * pen, 4.0), max(pen, 2.0))
    curves = strokes(lines, StrokeSettings()).curves
    slack = SLACK * max(lines.shape)
    found = [without_needless_points(flatten(curve.astype(np.float64)), slack) for curve in curves]
    found = [stroke[:1] if np.ptp(stroke, axis=0).max() < 0.5 else stroke for stroke in found]
    return Drawing(tuple(order_strokes(found))), pen


def flatten(curve: Points, steps: int = STEP) -> Points:
    """Points (1 + `steps` K, 2) along K cubic Bézier segments that follow each other (1 + 3 K, 2)."""
    t = np.arange(1, steps + 1)[:, None] / steps
    p0, p1, p2, p3 = curve[:-1:3, None], curve[1::3, None], curve[2::3, None], curve[3::3, None]
    points = (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3
    return np.concatenate([curve[:1], points.reshape(-1, 2)])


def order_strokes(found: list[Points]) -> list[Points]:
    """Strokes in an order in which a hand may have drawn them: the longest first, then always the nearest.

    The pen goes on from where it is to the end of another stroke that is nearest, so that what lies together
    is drawn together; a stroke is turned round where its other end is nearer.
    """
    if not found:
        return []
    lengths = [float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in found]
    left = set(range(len(found)))
    at = int(np.argmax(lengths))
    first = found[at]
    if tuple(first[-1]) < tuple(first[0]):  # from the left
        first = first[::-1]
    ordered = [first]
    left.remove(at)
    ends = np.array([[stroke[0], stroke[-1]] for stroke in found])  # (S, 2, 2)
    while left:
        rest = sorted(left)
        gaps = np.hypot(*(ends[rest] - ordered[-1][-1]).transpose(2, 0, 1))  # (R, 2)
        row, end = divmod(int(gaps.argmin()), 2)
        at = rest[row]
        ordered.append(found[at][::-1] if end else found[at])
        left.remove(at)
    return ordered
