"""A place that is taken is told before a training reads, loads or decodes anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unprompt.colouring.train_instruct import InstructTraining, train_instruct
from unprompt.colouring.train_small import train_painter
from unprompt.colouring_pages.train import train_pages
from unprompt.doodles.train_grid import train_grid
from unprompt.errors import RunError
from unprompt.learning.train_blip2 import train_blip2

UNREAD: Any = None  # what would be learnt from, and is not touched


@pytest.mark.parametrize(
    "train",
    [
        lambda out: train_instruct(UNREAD, out, InstructTraining("pocket")),
        lambda out: train_painter(UNREAD, out),
        lambda out: train_pages(UNREAD, out),
        lambda out: train_grid(UNREAD, out),
        lambda out: train_blip2(UNREAD, UNREAD, UNREAD, out),
    ],
    ids=["instruct", "painter", "pages", "grid", "blip2"],
)
def test_a_finished_training_is_told_before_anything_is_read(
    tmp_path: Path, train: Callable[[Path], object]
) -> None:
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(RunError, match=r"holds a finished .*; add --overwrite"):
        train(tmp_path)
