"""Doodles of our own to test with, where real ones are, and how far two drawings are from each other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.simplify import resample


def ring(x: float, y: float, radius: float, start: float = -1.5) -> list[tuple[float, float]]:
    turns = start + np.linspace(0, 2 * np.pi, 25)
    return [(x + radius * float(np.cos(t)), y + radius * float(np.sin(t))) for t in turns]


HOUSE = Drawing(
    (
        [(40, 110), (40, 220), (200, 220), (200, 110)],
        [(20, 120), (120, 30), (220, 120)],
        [(100, 220), (100, 160), (140, 160), (140, 220)],
        [(160, 130), (180, 130), (180, 150), (160, 150), (160, 130)],
    )
)
FACE = Drawing((ring(100, 100, 90), ring(65, 75, 12), ring(135, 75, 12), [(60, 130), (100, 155), (140, 130)]))
FISH = Drawing(
    (
        [(10, 60), (50, 20), (110, 15), (160, 60), (110, 105), (50, 100), (10, 60)],
        [(160, 60), (220, 20), (205, 60), (220, 100), (160, 60)],
        ring(45, 52, 5),
    )
)
STICK_FIGURE = Drawing(
    (
        ring(60, 30, 25),
        [(60, 55), (60, 150)],
        [(10, 90), (60, 75), (110, 90)],
        [(20, 220), (60, 150), (100, 220)],
    )
)
OWN = {"house": HOUSE, "face": FACE, "fish": FISH, "stick figure": STICK_FIGURE}


def quickdraw() -> Path:
    """The folder of real drawings, or skip the test saying why."""
    folder = os.environ.get("UNPROMPT_QUICKDRAW")
    if not folder or not (Path(folder) / "drawings").is_dir():
        pytest.skip(
            "$UNPROMPT_QUICKDRAW does not name a folder with drawings/train.ndjson.gz of Quick, Draw!"
        )
    return Path(folder)


def distances(one: Drawing, other: Drawing) -> tuple[float, float]:
    """The mean way from the lines of each drawing to the other's, where `one`'s longest side is 255."""
    from scipy.spatial import cKDTree

    low, high = one.bounds
    unit = 255 / float((high - low).max())
    first, second = (
        np.concatenate([resample(stroke, 1.0) for stroke in drawing.moved(unit).strokes])
        for drawing in (one, other)
    )
    return float(cKDTree(second).query(first)[0].mean()), float(cKDTree(first).query(second)[0].mean())


def assert_same(one: Drawing, other: Drawing) -> None:
    assert len(one.strokes) == len(other.strokes)
    for stroke, again in zip(one.strokes, other.strokes, strict=True):
        assert np.array_equal(stroke, again)
