"""Noise, ramps and patterns in whole numbers, made once a process as long as there is room for them.

Only integer arithmetic is used, so that a seed gives the same picture on every machine.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from unprompt.pocket.dice import Dice
from unprompt.pocket.kept import keep_array

Bytes = NDArray[np.uint8]
Short = NDArray[np.int16]  # sums of colours
Mask = NDArray[np.bool_]
Whole = NDArray[np.int32]  # coordinates and whatever is multiplied

BANK = 512  # the noise's side; larger pictures see it repeated


@cache
def _bank() -> Bytes:
    """White noise (512, 512), from a bit generator whose stream numpy promises to keep."""
    words = np.random.PCG64(11).random_raw(BANK * BANK // 8)
    return words.astype("<u8").view(np.uint8).reshape(BANK, BANK)


def grain(height: int, width: int, dice: Dice) -> Short:
    """White noise in [-128, 127], cut from the bank at a random place: (height, width) int16."""
    top, left = dice.below(BANK), dice.below(BANK)
    return (
        _wide_bank()[top : top + height, left : left + width]
        if max(height, width) <= BANK
        else _tiled(height, width, top, left)
    )


@cache
def _wide_bank() -> Short:
    return np.tile(_bank().astype(np.int16) - 128, (2, 2))


def _tiled(height: int, width: int, top: int, left: int) -> Short:
    rows = (np.arange(height) + top) % BANK
    columns = (np.arange(width) + left) % BANK
    return _wide_bank()[rows[:, None], columns]


def clouds(height: int, width: int, cell: int, dice: Dice) -> Whole:
    """Smooth noise in about [-128, 127] whose patches are `cell` pixels wide: (height, width) int32."""
    sheet = _clouds(max(height, width), max(2, cell))
    extra = sheet.shape[0] - max(height, width)
    top, left = dice.below(extra), dice.below(extra)
    cut = sheet[top : top + height, left : left + width]
    return cut[:, ::-1] if dice.chance(50) else cut


@keep_array
def _clouds(side: int, cell: int) -> Whole:
    whole = side * 2
    cells = min(BANK, whole // cell + 2)
    small = Image.fromarray(np.ascontiguousarray(_bank()[:cells, :cells]))
    return np.asarray(small.resize((whole, whole), Image.Resampling.BICUBIC)).astype(np.int32) - 128


def clipped(values: NDArray[np.integer]) -> Bytes:
    """Whole numbers -> uint8, cut at 0 and 255."""
    small: Bytes = np.clip(values, 0, 255).astype(np.uint8)
    return small


def faint(mask: Image.Image, share: int) -> Image.Image:
    """A mask (L) of which `share` of 255 is left."""
    return ImageChops.multiply(mask, Image.new("L", mask.size, share))


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#ff8000" -> (255, 128, 0)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ramp(first: str, last: str, length: int) -> Short:
    """Colours from one to the other in even steps: (length, 3) int16."""
    steps = np.arange(length, dtype=np.int32)[:, None]
    low, high = np.array(rgb(first), np.int32), np.array(rgb(last), np.int32)
    return (low + (high - low) * steps // max(1, length - 1)).astype(np.int16)


@cache
def ramp_of(colours: tuple[str, ...]) -> Bytes:
    """A table of 256 colours through the given ones, for a grey value each: (256, 3) uint8."""
    ends = [255 * number // (len(colours) - 1) for number in range(len(colours))]
    table = np.zeros((256, 3), np.uint8)
    for number in range(len(colours) - 1):
        low, high = ends[number], ends[number + 1]
        table[low : high + 1] = ramp(colours[number], colours[number + 1], high - low + 1)
    return table


def grey(pixels: Bytes) -> Bytes:
    """Luminance of (H, W, 3+) pixels: (H, W) uint8."""
    weighted = pixels[..., 0].astype(np.uint16) * 77
    weighted += pixels[..., 1].astype(np.uint16) * 150
    weighted += pixels[..., 2].astype(np.uint16) * 29
    return (weighted >> 8).astype(np.uint8)


def on_circle(number: int, count: int, radius: int) -> tuple[int, int]:
    """Whole-number coordinates of one of `count` points around (0, 0), the first to the right."""
    # Rounded to thousandths, so that the last digit of a machine's cosine does not matter.
    angle = 2 * math.pi * number / count
    return round(math.cos(angle) * 1000) * radius // 1000, round(math.sin(angle) * 1000) * radius // 1000


@cache
def rows_and_columns(height: int, width: int) -> tuple[Whole, Whole]:
    """Each pixel's row (height, 1) and column (1, width)."""
    return np.arange(height, dtype=np.int32)[:, None], np.arange(width, dtype=np.int32)[None, :]


@keep_array
def vignette(height: int, width: int) -> Whole:
    """How bright a lens leaves pixels, 256 in the middle, about 150 in the corners: (height, width, 1)."""
    y, x = np.arange(height, dtype=np.int64) * 2 - height, np.arange(width, dtype=np.int64) * 2 - width
    squared = (y * width)[:, None] ** 2 + (x * height)[None] ** 2
    distance = squared * 256 // (2 * height * height * width * width)  # 0 ... 256
    return (256 - distance * distance * 100 // 65536)[..., None].astype(np.int32)


@keep_array
def cells(side: int, count: int) -> Whole:
    """Which of count x count scattered points is nearest to each pixel: (side, side)."""
    bank = _bank().astype(np.int64)
    rows = (np.arange(count)[:, None] * 256 + bank[:count, :count]) * side // (count * 256)
    columns = (np.arange(count)[None, :] * 256 + bank[64 : 64 + count, :count]) * side // (count * 256)
    row, column = (axis.astype(np.int64) for axis in rows_and_columns(side, side))
    nearest = np.full((side, side), 1 << 40, np.int64)
    labels = np.zeros((side, side), np.int32)
    reach = 3 * side // count + 1
    for number, (y, x) in enumerate(zip(rows.ravel().tolist(), columns.ravel().tolist(), strict=True)):
        part = np.s_[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
        distance = (row[part[0]] - y) ** 2 + (column[:, part[1]] - x) ** 2
        closer = distance < nearest[part]
        nearest[part] = np.where(closer, distance, nearest[part])
        labels[part] = np.where(closer, number, labels[part])
    return labels


def cell_means(pixels: Bytes, labels: Whole) -> Bytes:
    """Every pixel's cell mean, (H, W, 3) uint8. Sums of whole numbers: their order does not matter."""
    flat = labels.ravel()
    count = np.maximum(np.bincount(flat), 1)
    means = [np.bincount(flat, pixels[..., band].ravel()).astype(np.int64) // count for band in range(3)]
    return np.stack(means, axis=-1).astype(np.uint8)[labels]


@keep_array
def cell_borders(side: int, count: int) -> Mask:
    """Where one cell of `cells` meets another: (side, side)."""
    labels = cells(side, count)
    border = np.zeros((side, side), bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    return border
