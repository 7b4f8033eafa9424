from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.networks.pipeline import keep_ahead, see
from unprompt.storage.images import ImageFile


@pytest.mark.parametrize("ahead", [0, 1, 3, 9])
def test_keep_ahead_begins_so_many_before_one_is_handed_out(ahead: int) -> None:
    begun: list[int] = []

    def begin(item: int) -> str:
        begun.append(item)
        return f"work {item}"

    for number, (item, work) in enumerate(keep_ahead(range(5), begin, ahead)):
        assert (item, work) == (number, f"work {number}")
        assert begun == list(range(min(number + ahead + 1, 5)))
    assert begun == list(range(5))
    assert not list(keep_ahead([], begin, ahead))


class Widths:
    """Sees how wide images are, and has no memory for wide ones."""

    name, batch = "widths", 2

    def __init__(self, most: int) -> None:
        self.name = f"widths up to {most}"
        self.most = most

    def prepare(self, image: Image.Image) -> np.ndarray:
        if image.width > self.most:
            raise MemoryError
        return np.array([image.width])

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(prepared)


def test_a_picture_without_memory_is_a_problem(tmp_path: Path) -> None:
    for width in (1, 20, 3):
        Image.new("RGB", (width, 2)).save(tmp_path / f"{width}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    files = [ImageFile(str(width), tmp_path / f"{width}.png") for width in (1, 20, 4, 3)]
    seen = see(files, [Widths(100), Widths(10)], nullcontext())
    assert [bool(problem) for problem in seen.problems] == [False, True, True, False]
    assert seen.problems[1] == "not enough memory to prepare it"
    for features in seen.features.values():  # rows of both stay beside each other
        np.testing.assert_array_equal(features, [[1], [3]])
