"""Any picture of a drawing becomes strokes: a photograph of paper, a scan, white on black, a thick pen.

The ground is estimated wherever it is, what differs from it is ink, ink is thinned to its middle and traced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring_pages.clean import find_lines, hollow
from unprompt.colouring_pages.sheet_of_paper import (
    EVEN,
    FAINTEST,
    find_sheet,
    otsu,
    part_light,
    rim_of,
    size_of_ground,
)
from unprompt.colouring_pages.skeleton import NEIGHBOURS, Rim, thin
from unprompt.colouring_pages.strokes import middles
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
LIKELY, SURE = 0.3, 0.5  # of the ink's own strength
EVENED = 0.2  # of the longest side: how far the mean reaches by which uneven light is evened out
THIN = 0.08  # of the longest side: opaque parts that are nowhere thicker on a side are lines, not a sheet
HALFTONE = (0.12, 0.45)  # of the ink's strength, neither paper nor line
SHADED = 0.04  # share of such pixels from which on a picture is no drawing
BETWEEN = 0.08  # share of pixels between light and dark below which a picture has two tones
SOLID = 2.5  # pens: wider black keeps only its rim
THICK = 3.0  # pixels of half a pen from which on it is asked where lines ran together
USUAL = 25.0  # per cent of all places along the lines' middle at which a line is at most half a pen deep
TOGETHER = 1.3  # half pens: where black is deeper, several lines ran together
UNEVEN = 0.02  # share of ink that is too narrow for the pen, from which on the pen is not the same everywhere
DOT = 0.3  # of a square as wide as the pen: smaller pieces are dirt
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
            return np.divide(alpha, 255, dtype=np.float32), ("its ground is transparent",)
        rgb = np.asarray(image)[..., :3]
        under = Image.new("RGBA", image.size, tuple(int(v) for v in np.median(rgb[opaque], 0)))
        under.alpha_composite(image)
        image = under
    rgb = np.asarray(image.convert("RGB")).astype(np.float32)
    if not np.ptp(rgb, axis=2).any():
        rgb = rgb[..., :1]  # grey: what holds of one channel holds of all
    difference, dark = _differ_from_ground(rgb)
    if dark:
        told.append("it is light on dark")
    strength = _measure_strength(difference)
    if strength < FAINTEST:
        return np.zeros(difference.shape, np.float32), tuple(told)
    ink = np.minimum(difference / np.float32(strength), 1)
    if not _is_of_two_tones(rgb.mean(2)):
        _check_is_drawing(ink)
    return ink, tuple(told)


def _differ_from_ground(rgb: Reals) -> tuple[Reals, bool]:
    """How far each pixel (H, W, channels) is from the ground around it (H, W), 0 to 255; and whether that is
    dark. What lies beside a light sheet on a dark table does not differ."""
    with needed_for("tracing a picture", "pages", ConfigError):
        from scipy import ndimage

    height, width = rgb.shape[:2]
    size, reach = size_of_ground(height, width)
    small = np.stack([_scaled(channel, size, Image.Resampling.BOX) for channel in rgb.transpose(2, 0, 1)], 2)
    sheet = find_sheet(small.mean(2), reach)
    if sheet is not None:
        # The table gets the colour of the paper that is nearest.
        nearest = ndimage.distance_transform_edt(~sheet, return_distances=False, return_indices=True)
        small[~sheet] = small[tuple(nearest)][~sheet]
    dark = sheet is None and _has_dark_ground(small.mean(2))
    take = ndimage.grey_opening if dark else ndimage.grey_closing
    ground = np.empty_like(rgb)
    for channel in range(rgb.shape[2]):
        # In a shadow the ground is as dark as the shadow, as a window fits into it.
        level = take(ndimage.median_filter(small[..., channel], 3), size=(reach, reach))
        ground[..., channel] = _scaled(level, (width, height), Image.Resampling.BILINEAR)
    away = rgb - ground if dark else ground - rgb
    # A shadow takes a share of the light, and ink nearly all of it.
    room = 255 - ground if dark else ground
    difference = np.maximum((255 * away / np.maximum(room, 80)).max(2), 0)
    if sheet is not None:
        difference[_scaled(sheet.astype(np.float32), (width, height), Image.Resampling.BILINEAR) < 0.9] = 0
    return difference, dark


def _scaled(channel: Reals, size: tuple[int, int], way: Image.Resampling) -> Reals:
    return np.asarray(Image.fromarray(channel).resize(size, way), np.float32)


def _has_dark_ground(grey: Reals) -> bool:
    """Whether a picture (H, W) is light on dark: by its rim, and by what is thick."""
    from scipy import ndimage

    level = part_light(grey)
    if level == EVEN:
        return bool(np.median(grey) < EVEN)
    grey = grey - ndimage.gaussian_filter(grey, EVENED * max(grey.shape))  # light falls unevenly
    light = grey > otsu(grey)
    share = float(light[rim_of(light)].mean())
    if 0.2 < share < 0.8:
        return _thickness(light) < _thickness(~light)
    return share < 0.5


def _thickness(mask: Mask) -> float:
    """The radius of the largest circle that lies within a mask (H, W), in pixels; beyond the border is in."""
    from scipy import ndimage

    return 0.0 if not mask.any() else float(ndimage.distance_transform_edt(mask).max())


def _measure_strength(difference: Reals) -> float:
    """How much ink differs from the ground, as most of it does; 0: nothing differs."""
    some = difference[difference > FAINTEST / 2]
    if some.size < 4:
        return 0.0
    level = otsu(some)
    return float(np.percentile(some[some >= level], 60))


def _is_of_two_tones(grey: Reals) -> bool:
    """Whether nearly all of a picture (H, W) is either light or dark, so that nothing in it is shaded."""
    low, high = np.percentile(grey, (1, 99))
    quarter = (high - low) / 4
    return bool(((grey > low + quarter) & (grey < high - quarter)).mean() < BETWEEN)


def _check_is_drawing(ink: Reals) -> None:
    from scipy import ndimage

    low, high = HALFTONE
    smooth = ndimage.uniform_filter(ink, 3)  # without the grain of paper and camera
    beside = ndimage.binary_dilation(smooth >= high, iterations=4)  # where lines have their soft edges
    shaded = float(((smooth > low) & ~beside).mean())
    if shaded > SHADED:
        raise InputError(
            "the picture is no drawing: it is shaded all over, as photographs are; take one of lines on "
            "paper, or make its lines first: unprompt page make"
        )


# --- lines become strokes


def trace_lines(lines: Mask) -> tuple[Drawing, float]:
    """Black lines (H, W) of any width as strokes in the order of a hand, in pixels; and how wide they are."""
    pen = Rim(lines).measure_stroke(thin(lines))
    lines = _without_specks(lines, pen)
    parted = _part_thick_lines(lines)
    if parted is not None:
        lines, pen = parted
    else:
        lines = hollow(lines, max(SOLID * pen, 4.0), max(pen, 2.0))
    slack = SLACK * max(lines.shape)
    found = [without_needless_points(line, slack) for line in middles(lines)]
    found = [line[:1] if np.ptp(line, axis=0).max() < pen / 4 else line for line in found]
    return Drawing(tuple(order_strokes(found))), pen


def _part_thick_lines(lines: Mask) -> tuple[Mask, float] | None:
    """Narrow lines where the middle of a thick pen was, and how wide that is; None: no lines ran together.

    All black lies at most half a pen from where the pen's middle was. So the middle was half a pen from the
    paper all around black that is deeper: two lines come back that ran together, and small rings that were
    filled. What was drawn farther inside such black cannot be seen.
    """
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(lines) - 0.5
    middle = thin(lines)
    if not middle.any():
        return None
    half = float(np.percentile(depth[middle], USUAL))
    if half < THICK:
        return None
    inside, count = ndimage.label(depth >= half + 1, NEIGHBOURS)
    together = np.zeros(count + 1, bool)
    together[inside[depth >= max(TOGETHER * half, half + 1)]] = True
    if not together.any():
        return None
    been = depth >= half - 1
    narrow = lines & (ndimage.distance_transform_edt(~been) > half + 1.5)
    if narrow.sum() > UNEVEN * lines.sum():
        return None
    return been & ~together[inside], 2 * half


def _without_specks(lines: Mask, pen: float) -> Mask:
    """The lines without pieces that are much smaller than a dot of the pen."""
    from scipy import ndimage

    labels, _ = ndimage.label(lines, NEIGHBOURS)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept = areas >= min(max(3.0, DOT * pen**2), float(areas.max()))
    found: Mask = kept[labels]
    return found


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
