"""Black ink in pixels without grey: a pixel is black where its middle is covered.

A renderer of smooth pictures makes 35 MB of colours of an A4 page at 300 dpi, and packs them as a PNG, of
which one bit a pixel is wanted. Here each piece of a line is a span of pixels in each row that it crosses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int64]
    Points = NDArray[np.float64]

OFF = 0.05  # pixels that straight pieces may be off their curve
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


def read_path(path: str, scale: tuple[float, float]) -> Iterator[Points]:
    """The data of an SVG path as lines of points (K, 2) in pixels, `scale` of them to a unit in x and y.

    It knows what this package writes: M, L, H, V, C and Z, and h and v from the point before. ValueError for
    others.
    """
    factor = np.array(scale)
    parts: list[Points] = []
    at = np.zeros((1, 2))
    for command, text in COMMAND.findall(path):
        numbers = np.array(text.replace(",", " ").split(), np.float64)
        if command == "M":
            if parts:
                yield np.concatenate(parts)
            parts = [numbers.reshape(-1, 2) * factor]
        elif command == "L":
            parts.append(numbers.reshape(-1, 2) * factor)
        elif command == "C":
            controls = np.concatenate([at, numbers.reshape(-1, 2) * factor])
            parts.append(flatten(np.stack([controls[k : len(controls) - 3 + k : 3] for k in range(4)])))
        elif command in "HVhv":
            axis = "HV".index(command.upper())
            to = at.copy()
            to[0, axis] = numbers[-1] * factor[axis] + (at[0, axis] if command.islower() else 0)
            parts.append(to)
        elif command == "Z":
            parts.append(parts[0][:1])
        else:
            raise ValueError(f"no command of a path of ink: '{command}'")
        at = parts[-1][-1:]
    if parts:
        yield np.concatenate(parts)


def flatten(controls: Points) -> Points:
    """Points (P, 2) along cubic Bézier segments (4, K, 2) that follow each other, without the first start.

    A segment of n straight pieces is off by at most 6 / 8 of its greatest second difference over n squared.
    """
    p0, p1, p2, p3 = controls
    bend = np.maximum(np.hypot(*(p0 - 2 * p1 + p2).T), np.hypot(*(p1 - 2 * p2 + p3).T))
    pieces = np.maximum(1, np.ceil(np.sqrt(0.75 / OFF * bend))).astype(np.int64)
    of = np.repeat(np.arange(len(pieces)), pieces)
    step = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    t = ((step + 1) / pieces[of])[:, None]
    s = 1 - t
    points: Points = s**3 * p0[of] + 3 * s * s * t * p1[of] + 3 * s * t * t * p2[of] + t**3 * p3[of]
    return points


def draw_lines(page: Mask, lines: list[Points], width: float) -> None:
    """Blacken what lines (K, 2) of `width` pixels with round ends cover of a page (H, W).

    Lines thinner than a pixel count as that wide, so that they do not break.
    """
    radius = max(width, 1.0) / 2
    start = np.concatenate([line[: max(1, len(line) - 1)] for line in lines])
    stop = np.concatenate([line[min(1, len(line) - 1) :] for line in lines])
    low, high = np.sort([start[:, 1], stop[:, 1]], 0)
    row, of = _find_rows(low - radius, high + radius, len(page))
    start, way = start[of], (stop - start)[of]
    # In a row, the disc that goes along the piece reaches farthest where the piece's edge crosses the row.
    flat = way[:, 1] == 0
    rise = np.where(flat, 1, way[:, 1])
    aside = radius * way[:, 0] * np.sign(rise) / np.maximum(np.hypot(*way.T), 1e-12)
    height = row + 0.5 - start[:, 1]
    edges = []
    for side in (-1, 1):
        along = np.where(flat, side * way[:, 0] > 0, np.clip((height + side * aside) / rise, 0, 1))
        reach = np.sqrt(np.maximum(radius**2 - (height - along * way[:, 1]) ** 2, 0))
        edges.append(start[:, 0] + along * way[:, 0] + side * reach)
    column = np.ceil(np.concatenate(edges) - 0.5)
    box, count = _sum_in_rows(page, np.tile(row, 2), column, np.repeat([1, -1], len(row)))
    page[box] |= count > 0


def fill_rings(page: Mask, rings: list[Points]) -> None:
    """Blacken what closed rings (K, 2) hold of a page (H, W), by the even-odd rule."""
    start = np.concatenate(rings)
    stop = np.concatenate([np.roll(ring, -1, 0) for ring in rings])
    low, high = np.sort([start[:, 1], stop[:, 1]], 0)
    row, of = _find_rows(low, high, len(page))
    start, way = start[of], (stop - start)[of]
    crossing = start[:, 0] + (row + 0.5 - start[:, 1]) / way[:, 1] * way[:, 0]
    box, count = _sum_in_rows(page, row, np.ceil(crossing - 0.5), np.ones(len(row), np.int64))
    page[box] |= count % 2 == 1


def _find_rows(low: Points, high: Points, height: int) -> tuple[Numbers, Numbers]:
    """Of each piece from `low` to `high`, the rows with their middle there, and which piece it is."""
    first, end = (np.clip(np.ceil(edge - 0.5), 0, height).astype(np.int64) for edge in (low, high))
    counts = end - first
    of = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(of)) - (np.cumsum(counts) - counts - first)[of], of


def _sum_in_rows(
    page: Mask, row: Numbers, column: Points, step: Numbers
) -> tuple[tuple[slice, slice], NDArray[np.int32]]:
    """What all steps at or left of each pixel of its row come to, in the part of the page that has any."""
    if not len(row):
        return np.s_[:0, :0], np.zeros((0, 0), np.int32)
    at = np.clip(column, 0, page.shape[1]).astype(np.int64)
    top, left = int(row.min()), int(at.min())
    count = np.zeros((int(row.max()) + 1 - top, int(at.max()) + 1 - left), np.int32)
    np.add.at(count, (row - top, at - left), step.astype(np.int32))
    np.cumsum(count, axis=1, out=count)
    box = np.s_[top : top + len(count), left : left + count.shape[1] - 1]
    return box, count[:, :-1]
