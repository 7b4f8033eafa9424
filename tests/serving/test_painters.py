"""What txt2img paints with, where memory is short."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.diffusion.test_engine import OUT_OF_MEMORY, fail_above
from tests.tiny_sd import write_tiny_sd
from unprompt.serving.painters import Order, Sd2Painter
from unprompt.serving.stops import SkippedError


@pytest.fixture
def painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sd2Painter:
    """One on a device whose memory seems to take four pictures at once."""
    monkeypatch.setattr("unprompt.diffusion.memory.automatic_batch", lambda *_: 4)
    return Sd2Painter.open(str(write_tiny_sd(tmp_path / "sd")), "cpu")


ORDER = Order("a cat", tuple(range(9)), 64, 64, batch=4, steps=2)


def test_portions_stay_as_small_as_the_memory_needs(painter: Sd2Painter) -> None:
    one_by_one = {
        seed: np.asarray(image) for seed, image in painter.paint(replace(ORDER, batch=1), lambda *_: None)
    }
    tried = fail_above(painter._renderer, 2, OUT_OF_MEMORY[0])
    told: list[tuple[int, int]] = []
    with pytest.warns(UserWarning, match="going on with 2") as warned:
        painted = list(painter.paint(ORDER, lambda done, total: told.append((done, total))))
    assert [str(one.message)[-9:] for one in warned if "memory" in str(one.message)] == ["on with 2"]
    assert tried == [4, *[2] * 2 * 4, *[1] * 2]
    assert [seed for seed, _ in painted] == list(ORDER.seeds)
    for seed, image in painted:
        assert np.abs(np.asarray(image).astype(int) - one_by_one[seed]).max() <= 1
    assert told[-1] == (18, 18)
    assert told == sorted(told)


def test_a_portion_that_is_skipped_costs_no_other(painter: Sd2Painter) -> None:
    def skip(done: int, total: int) -> None:
        if done == 4:  # in the first portion of four, after its first step
            raise SkippedError("txt2img")

    assert [seed for seed, _ in painter.paint(ORDER, skip)] == list(ORDER.seeds[4:])
