"""Line art as it comes: scans, photographs of paper, white on black, transparent, or no line art at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops

from unprompt.colouring_pages.sheet_of_paper import without_table
from unprompt.errors import ConfigError, InputError
from unprompt.storage.images import reduced
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

LONGEST = 8192  # pixels a side; more are reduced
DARK = 100  # of 255: a picture whose median is darker is white on black
CLEAN = 250  # of 255: paper that is lighter needs no cleaning
GROUND = 0.03  # of the longest side: dark things narrower than this are no ground
MIDDLE = (70, 200)  # of 255, between black and white
SHADED = 0.2  # of a picture's pixels between black and white, from which on it is no line art
COLOURED = 24  # of 255: difference of channels from which on a pixel has a colour
NARROW, NARROW_UNEVEN = 0.055, 0.039  # of the longest side: what is narrower may be a line, by the paper
FEWEST = 3  # pixels that are narrow in a tiny picture, too
BLACK = 0.25  # of white: what is darker may be ink, however wide it is
SLOW = 0.02  # of its lightness that paper changes from one of 128 pixels to the next, however it is lit
BORDERS = 0.0025  # from here on a picture on white has areas beside its lines
BORDERS_UNEVEN = 0.0145  # the same on paper that is not white: the edges of shadows are let pass
TINTS = 0.15  # how far the tint of what is taken for paper may spread; 0.01 where a lamp shines on real paper
ALPHA = 128
LINE = 1 / 160  # of the longest side, how wide the lines of a page are that is made of a picture


@dataclass(frozen=True, eq=False)
class LineArt:
    """`page`: (H, W) uint8, dark lines on white. `alpha`: (H, W) the picture's own transparency, or None.

    `size`: width and height of the picture that it is of. `told`: what was done to it, in sentences.
    """

    page: Bytes
    alpha: Bytes | None
    size: tuple[int, int]
    told: tuple[str, ...] = ()


def read_line_art(picture: Image.Image, longest: int = LONGEST) -> LineArt:
    """Prepare a picture of any mode to be coloured.

    Transparent is paper, and so is what a sheet of paper lies on; uneven paper is made white; white on black
    is turned round. A picture that is no line art, as areas of it are grey or in colour, gets the lines of
    its colouring page. `longest`: pixels a side; more are reduced.
    """
    if min(picture.size) < 1:
        raise InputError("the picture has no pixels")
    size = picture.size
    told: list[str] = []
    if max(size) > longest:
        picture = reduced(picture, longest)
        told.append(f"it is larger than {longest:,} pixels, and was made {picture.width} x {picture.height}")
    rgba = np.asarray(picture.convert("RGBA"))
    alpha = rgba[..., 3]
    clear = bool((alpha < ALPHA).any())
    over = Image.new("RGBA", picture.size, "white")
    over.alpha_composite(picture.convert("RGBA"))
    picture_rgb = rgb = np.asarray(over.convert("RGB"))
    on_table = without_table(rgb)
    if on_table is not None:
        rgb = on_table
    page = np.asarray(Image.fromarray(rgb).convert("L"))
    is_dark = bool(np.median(page) < DARK)
    if is_dark:
        page, rgb = 255 - page, 255 - rgb
    if np.percentile(page, 75) >= CLEAN:
        is_line_art = measure_borders(rgb, NARROW, BLACK) < BORDERS
    else:
        page = flatten_paper(page)
        is_line_art = (
            spread_of_tints(page, rgb) < TINTS
            and not is_shaded(page, rgb)
            and measure_borders(rgb, NARROW_UNEVEN) < BORDERS_UNEVEN
        )
    if not is_line_art:
        page = _page_of(picture_rgb)
        told.append("it is no line art, so its colouring page was made first")
    else:
        if on_table is not None:
            told.append("what its sheet of paper lies on was left out")
        if is_dark:
            told.append("it is white on black, and was turned round")
    return LineArt(page, alpha if clear else None, size, tuple(told))


def flatten_paper(page: Bytes) -> Bytes:
    """A grey picture (H, W) with its paper white, however it was lit: each pixel as a share of the paper
    around it, which is what remains when all that is dark and narrow is taken away (a grey closing)."""
    with needed_for("colouring", "pages", ConfigError):
        from scipy import ndimage
    height, width = page.shape
    scale = max(1.0, max(height, width) / 512)
    small = Image.fromarray(page).resize(
        (max(1, round(width / scale)), max(1, round(height / scale))), Image.Resampling.BOX
    )
    reach = max(3, round(GROUND * max(small.size)) | 1)
    ground = ndimage.grey_closing(np.asarray(small), size=(reach, reach))
    ground = ndimage.uniform_filter(ground.astype(np.float32), reach)
    paper = np.asarray(Image.fromarray(ground).resize((width, height), Image.Resampling.BILINEAR))
    share = page / np.maximum(paper, 1)
    # What is nearly as light as the paper is paper, and dark ink is black.
    flat: Bytes = np.rint(255 * np.clip((share - 0.35) / 0.5, 0, 1)).astype(np.uint8)
    return flat


def measure_borders(rgb: Bytes, narrow: float, black: float = 0) -> float:
    """How much border is left in a picture (H, W, 3), dark on light, when its lines are taken away.

    Lines are what is narrower than `narrow` of the longest side, and what is darker than `black` of the
    ground. Of line art paper is left, whose light changes slowly; of drawings with fills and of photographs,
    grey ones too, areas that differ from their neighbours. The mean change from pixel to pixel, 128 of them a
    side, in the channel that changes most, as a share of the lightness, beyond SLOW.
    """
    with needed_for("colouring", "pages", ConfigError):
        from scipy import ndimage
    height, width = rgb.shape[:2]
    scale = 256 / max(height, width)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(rgb).resize(size, way))
    small = small[: size[1] // 2 * 2, : size[0] // 2 * 2]
    small = small.reshape(size[1] // 2, 2, size[0] // 2, 2, 3).max((1, 3))  # the paper between fine lines
    reach = round(max(narrow, FEWEST / max(height, width)) * 128) | 1
    ground = ndimage.grey_closing(small, size=(reach, reach, 1)).astype(np.float32)
    lightest = ground.max(2)
    ink = ndimage.binary_dilation(lightest < black * np.percentile(lightest, 90), np.ones((3, 3)))
    if ink.any() and not ink.all():
        nearest = ndimage.distance_transform_edt(ink, return_distances=False, return_indices=True)
        ground = ground[tuple(nearest)]
    ground = ndimage.uniform_filter(ground, (reach, reach, 1))
    light = np.maximum(ground.max(2), 12)
    change = np.zeros_like(light)
    change[:, 1:] = abs(np.diff(ground, axis=1)).max(2) / np.minimum(light[:, 1:], light[:, :-1])
    down = abs(np.diff(ground, axis=0)).max(2) / np.minimum(light[1:], light[:-1])
    change[1:] = np.maximum(change[1:], down)
    return float(np.clip(change - SLOW, 0, 0.5).mean())


def is_shaded(page: Bytes, rgb: Bytes) -> bool:
    """Whether a picture has areas between black and white, or in colour: then it is no line art."""
    low, high = MIDDLE
    step = max(1, max(page.shape) // 512)
    small = page[::step, ::step]
    if ((small > low) & (small < high)).mean() > SHADED:
        return True
    seen = rgb[::step, ::step].astype(np.int16)
    coloured = (seen.max(2) - seen.min(2)) > COLOURED
    # Old paper is yellowish all over; colours differ from place to place.
    return bool((coloured & (small < CLEAN)).mean() > SHADED)


def spread_of_tints(page: Bytes, rgb: Bytes) -> float:
    """How different the tints are of what is white on a page (H, W), in the picture (H, W, 3) that it is of.

    Paper has one tint however it was lit; what is light in a photograph of the world has many. The standard
    deviations of red less green and of green less blue, as shares of the lightness, summed.
    """
    step = max(1, max(page.shape) // 512)
    light = rgb[::step, ::step][page[::step, ::step] >= CLEAN].astype(np.float32)  # (N, 3)
    if not len(light):
        return 0.0
    tints = np.diff(light, axis=1) / np.maximum(light.mean(axis=1, keepdims=True), 1)  # (N, 2)
    return float(tints.std(axis=0).sum())


def _page_of(rgb: Bytes) -> Bytes:
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.colouring_pages.page import draw_page
    from unprompt.colouring_pages.page_config import PageConfig

    config = PageConfig()
    drawing = draw_page(Image.fromarray(rgb), open_extractor(config), config.detail).drawing
    width, height = rgb.shape[1::-1]
    lines = drawing.render(width, LINE * max(width, height))
    return np.asarray(lines.resize((width, height)))


def fitting(size: tuple[int, int], longer: int, multiple: int) -> tuple[int, int]:
    """Width and height in the same proportion, the longer side `longer`, both multiples and not 0."""
    factor = longer / max(size)
    width, height = (max(multiple, round(side * factor / multiple) * multiple) for side in size)
    return width, height


def with_lines(made: Image.Image, drawing: Image.Image) -> Image.Image:
    """A picture with a drawing of its size multiplied on top: white changes nothing, black stays black."""
    return ImageChops.multiply(made, drawing.convert("L").convert("RGB"))
