"""Doodles of our own, for tests."""

from __future__ import annotations

import math

from unprompt.doodles.drawing import Doodle, Drawing


def circle(x: float, y: float, radius: float, points: int = 24) -> list[tuple[float, float]]:
    """A closed line."""
    turns = [2 * math.pi * n / points for n in range(points + 1)]
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


SUN = Drawing((circle(50, 50, 20), *([(50 + 25 * x, 50 + 25 * y), (50 + 45 * x, 50 + 45 * y)] for x, y in (
    (1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7)))))  # fmt: skip
HOUSE = Drawing(
    (
        [(10, 50), (10, 100), (90, 100), (90, 50)],
        [(0, 50), (50, 5), (100, 50), (0, 50)],
        [(40, 100), (40, 70), (60, 70), (60, 100)],
    )
)
LADDER = Drawing(
    ([(20, 0), (20, 100)], [(50, 0), (50, 100)], *([(20, y), (50, y)] for y in (15, 35, 55, 75)))
)
FACE = Drawing((circle(50, 50, 45), [(35, 40)], [(65, 40)], [(30, 65), (50, 75), (70, 65)]))
BY_WORD = {"face": FACE, "house": HOUSE, "ladder": LADDER, "sun": SUN}


def doodles(copies: int = 1) -> list[Doodle]:
    """Each of them so often, with its word."""
    return [
        Doodle(f"{word}-{copy}", drawing.moved(1 + copy), word)
        for copy in range(copies)
        for word, drawing in BY_WORD.items()
    ]
