"""Backdrops in whole numbers: landscapes, rooms, skies, plain and patterned grounds.

A painter takes the picture's side and a seed, and gives (side, side, 3) int16: 0 ... 255, but for
small excess that is cut off later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unprompt.errors import ConfigError
from unprompt.pocket.dice import Dice
from unprompt.pocket.kept import keep_array
from unprompt.pocket.textures import Mask, Short, Whole, clouds, grain, on_circle, ramp, rgb, rows_and_columns

Painter = Callable[[int, Dice], Short]


def land(sky: str, sky_low: str, ground: str, near: str, horizon: int = 600, rough: int = 22) -> Painter:
    """Sky over ground, with a soft horizon, clouds and rough ground."""

    def paint(side: int, dice: Dice) -> Short:
        line = side * (horizon + dice.between(-50, 50)) // 1000
        canvas = np.empty((side, side, 3), np.int16)
        canvas[:line] = ramp(sky, sky_low, line)[:, None]
        canvas[line:] = ramp(ground, near, side - line)[:, None]
        canvas[:line] += (np.maximum(clouds(line, side, side // 4, dice), 0) // 5)[..., None]
        canvas[line:] += (clouds(side - line, side, side // 12, dice) * rough // 128)[..., None]
        canvas[line:] += (grain(side - line, side, dice) * rough // 400)[..., None]
        return canvas

    return paint


def room(wall: str, wall_low: str, floor: str, near: str, pattern: str = "", horizon: int = 680) -> Painter:
    """A wall over a floor with a skirting board; `pattern`: of WALLS, or "" for a plain wall.

    Raises ConfigError for any other pattern.
    """
    if pattern and pattern not in WALLS:
        raise ConfigError(f"unknown pattern '{pattern}' of a wall; use one of: {', '.join(WALLS)}")

    def paint(side: int, dice: Dice) -> Short:
        line = side * (horizon + dice.between(-30, 30)) // 1000
        canvas = np.empty((side, side, 3), np.int16)
        canvas[:line] = ramp(wall, wall_low, line)[:, None]
        canvas[line:] = ramp(floor, near, side - line)[:, None]
        row, column = rows_and_columns(side, side)
        unit = max(4, side // 10)
        if pattern:
            shade, drawn = WALLS[pattern]
            canvas[:line][np.broadcast_to(drawn(row[:line], column, unit), (line, side))] += shade
        middle = side // 2
        depth = row[line:] - line + side // 6
        boards = ((column - middle) * side // depth) // unit % 2 == 0
        canvas[line:][boards] -= 9
        canvas[line - max(1, side // 40) : line] = np.array(rgb(near), np.int16) * 3 // 4
        canvas += (grain(side, side, dice) // 36)[..., None]
        return canvas

    return paint


def deep(top: str, bottom: str, stars: int = 0, haze: str = "", waves: bool = False) -> Painter:
    """No ground: space, the sky, under water. `stars` in a thousand pixels, `haze` a nebula's colour."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = np.empty((side, side, 3), np.int16)
        canvas[:] = ramp(top, bottom, side)[:, None]
        if haze:
            cloud = np.maximum(clouds(side, side, side // 3, dice), 0)[..., None]
            canvas += (np.array(rgb(haze), np.int16) - canvas) * cloud // 160
        if stars:
            cell = max(1, side // 128)
            sparks = grain(side // cell, side // cell, dice) > 127 - stars
            sparks = sparks.repeat(cell, axis=0).repeat(cell, axis=1)
            canvas[: sparks.shape[0], : sparks.shape[1]][sparks] += 200
        if waves:
            row, _ = rows_and_columns(side, side)
            light = clouds(side, side, side // 8, dice)
            canvas += ((abs(light) < 9) * np.maximum(0, 34 - row * 40 // side))[..., None]
        return canvas

    return paint


def flat(colour: str, grained: int = 36) -> Painter:
    """One colour with a little grain."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = np.empty((side, side, 3), np.int16)
        canvas[:] = rgb(colour)
        canvas += (grain(side, side, dice) // grained)[..., None]
        return canvas

    return paint


def faded(top: str, bottom: str) -> Painter:
    """One colour that turns into another downwards."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = np.empty((side, side, 3), np.int16)
        canvas[:] = ramp(top, bottom, side)[:, None]
        canvas += (grain(side, side, dice) // 36)[..., None]
        return canvas

    return paint


def patterned(colour: str, pattern: str, other: str) -> Painter:
    """One colour, and another where a pattern of PATTERNS says so. Raises ConfigError for any other."""
    if pattern not in PATTERNS:
        raise ConfigError(f"unknown pattern '{pattern}'; use one of: {', '.join(PATTERNS)}")

    def paint(side: int, dice: Dice) -> Short:
        canvas = flat(colour)(side, dice)
        canvas[_pattern(pattern, side)] = rgb(other)
        return canvas

    return paint


@keep_array
def _pattern(name: str, side: int) -> Mask:
    row, column = rows_and_columns(side, side)
    return np.broadcast_to(PATTERNS[name](row, column, max(4, side // 8)), (side, side))


def _dots(row: Whole, column: Whole, unit: int) -> Any:
    y, x = row % unit * 2 - unit, (column + row // unit % 2 * unit // 2) % unit * 2 - unit
    return y * y + x * x < unit * unit // 3


def _bricks(row: Whole, column: Whole, unit: int) -> Any:
    half = unit // 2
    return (row % half == 0) | ((column + row // half % 2 * half) % unit == 0)


def _ornaments(row: Whole, column: Whole, unit: int) -> Any:
    return (abs(row % unit - unit // 2) + abs(column % unit - unit // 2)) % 7 == 0


def _rings(row: Whole, column: Whole, unit: int) -> Any:
    y, x = row - 4 * unit, column - 4 * unit
    return (y * y + x * x) // (unit * unit * 8 // 3) % 2 == 0


def _rays(row: Whole, column: Whole, unit: int) -> Any:
    """Every second one of 24 sectors around the middle."""
    y, x = row - 4 * unit, column - 4 * unit
    sectors = y * 0 + x * 0
    for number in range(12):
        dx, dy = on_circle(number, 24, 1000)
        sectors += x * dy - y * dx > 0
    return sectors % 2 == 0


# Pixel rows (H, 1), columns (1, W) and an eighth of the picture -> where the second colour is.
PATTERNS: Mapping[str, Callable[[Whole, Whole, int], Any]] = {
    "stripes": lambda row, column, unit: (row + column) // unit % 2 == 0,
    "checks": lambda row, column, unit: (row // unit + column // unit) % 2 == 0,
    "squares": lambda row, column, unit: (row % (unit // 2) == 0) | (column % (unit // 2) == 0),
    "rules": lambda row, column, unit: row % (unit * 3 // 4) == 0,
    "waves": lambda row, column, unit: (row + abs(column % (2 * unit) - unit) // 2) // (unit // 2) % 2 == 0,
    "ornaments": _ornaments,
    "dots": _dots,
    "bricks": _bricks,
    "rings": _rings,
    "rays": _rays,
}

# How much brighter the pattern of a room's wall is than the wall, and the pattern, by a tenth of the picture.
WALLS: Mapping[str, tuple[int, Callable[[Whole, Whole, int], Any]]] = {
    "bricks": (-26, _bricks),
    "tiles": (-24, lambda row, column, unit: (row % unit == 0) | (column % unit == 0)),
    "stripes": (12, lambda row, column, unit: column // (unit // 2) % 2 == 0),
    "panels": (-34, lambda row, column, unit: column % unit == 0),
    "ornate": (18, _ornaments),
}


def boards(colour: str) -> Painter:
    """Planks of wood with their grain."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = flat(colour)(side, dice)
        row, _ = rows_and_columns(side, side)
        wave = clouds(side, side, side // 4, dice)
        canvas -= (abs((row * 2 + wave // 3) % 14 - 7) * 4)[..., None]
        canvas[np.broadcast_to(row % max(8, side // 4) == 0, (side, side))] -= 40
        return canvas

    return paint


def marble(colour: str) -> Painter:
    """A pale stone with dark veins."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = flat(colour)(side, dice)
        veins = abs(clouds(side, side, side // 3, dice) + clouds(side, side, side // 9, dice) // 3)
        canvas -= np.maximum(0, 60 - veins * 6)[..., None]
        return canvas

    return paint


def paper(colour: str) -> Painter:
    """Old stained paper."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = flat(colour)(side, dice)
        stains = clouds(side, side, side // 5, dice) // 5 + clouds(side, side, side // 20 + 1, dice) // 9
        canvas += stains[..., None]
        return canvas

    return paint


def curtain(colour: str) -> Painter:
    """Cloth that hangs in folds."""

    def paint(side: int, dice: Dice) -> Short:
        canvas = flat(colour)(side, dice)
        _, column = rows_and_columns(side, side)
        unit = max(4, side // 8)
        canvas += (abs(column % (unit * 2) - unit) * 70 // unit - 30)[..., None]
        return canvas

    return paint


@dataclass(frozen=True)
class Framed:
    """Another backdrop within a border: a stamp's, a screen's, a card's; `width` in thousandths of a side."""

    inner: Painter
    colour: str
    width: int
    perforated: bool = False

    def __call__(self, side: int, dice: Dice) -> Short:
        """A Painter."""
        canvas = self.inner(side, dice)
        row, column = rows_and_columns(side, side)
        edge = np.minimum(np.minimum(row, side - 1 - row), np.minimum(column, side - 1 - column))
        thick = side * self.width // 1000
        canvas[edge < thick] = np.array(rgb(self.colour), np.int16)
        canvas[(edge >= thick) & (edge < thick + max(1, side // 64))] -= 50
        if self.perforated:
            unit = max(4, side // 12)
            y, x = (row + unit // 2) % unit * 2 - unit, (column + unit // 2) % unit * 2 - unit
            canvas[(edge < unit // 2) & (y * y + x * x < unit * unit // 3)] = (60, 60, 70)
        return canvas
