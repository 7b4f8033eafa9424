from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.errors import NoMemoryError
from unprompt.networks.pipeline import (
    NOT_FINITE,
    PATIENCE,
    Fits,
    look_through,
    open_pipeline,
    see,
)
from unprompt.storage.images import ImageFile


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


class Crowded(Widths):
    """Has memory for `room` images at once. `tried`: how many it was given each time."""

    batch = 8

    def __init__(self, room: int, error: type[Exception]) -> None:
        super().__init__(100)
        self.room = room
        self.error = error
        self.tried: list[int] = []

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        self.tried.append(len(prepared))
        if len(prepared) > self.room:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().features(prepared)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, NoMemoryError])
def test_a_batch_that_does_not_fit_is_looked_at_in_smaller_ones(
    tmp_path: Path, error: type[Exception]
) -> None:
    for width in range(1, 13):
        Image.new("RGB", (width, 2)).save(tmp_path / f"{width}.png")
    files = [ImageFile(str(width), tmp_path / f"{width}.png") for width in range(1, 13)]
    crowded = Crowded(3, error)
    with open_pipeline(1, "cpu") as pipeline:
        with pytest.warns(UserWarning, match="do not fit into the memory") as told:
            parts = [future.result() for future in pipeline.submit(files, [crowded])]
        parts += [future.result() for future in pipeline.submit(files[:3], [crowded])]
    assert [str(one.message) for one in told] == [
        "8 images at once do not fit into the memory; going on with 4",
        "4 images at once do not fit into the memory; going on with 2",
    ]
    found = [row[0] for part in parts for row in part.features[crowded.name].tolist()]
    assert found == [*range(1, 13), 1, 2, 3]
    assert crowded.tried == [8, 4, 2, 2, 2, 2, 2, 2, 2, 1]  # what did not fit once is not tried again


@pytest.mark.filterwarnings("ignore:.*do not fit into the memory")
def test_batches_grow_again_when_there_is_memory_and_seldom_try_where_there_is_none() -> None:
    crowded, fits = Crowded(3, RuntimeError), Fits()
    images = [np.array([1])] * 8

    def look(calls: int) -> list[int]:
        """The sizes that are tried in so many calls of eight images, each once as long as they stay."""
        crowded.tried.clear()
        for _ in range(calls):
            look_through(crowded, images, fits)
        return [size for size, _ in groupby(crowded.tried)]

    assert look(1) == [8, 4, 2]
    # 64 batches of two, then 128, then 256 between two tries, each of which fails.
    assert look((64 + 128 + 256) // 4) == [2, 4, 2, 4, 2, 4, 2]
    crowded.room = 8
    assert look(500) == [2, 4, 8]
    crowded.room = 7  # another spell begins with the short wait again
    assert look(1 + PATIENCE // 2) == [8, 4, 8, 4]
    look_through(crowded, images[:1], fits)
    assert crowded.tried[-1] == 1


def test_where_not_even_one_image_fits_it_is_told_in_a_sentence(tmp_path: Path) -> None:
    Image.new("RGB", (5, 2)).save(tmp_path / "5.png")
    files = [ImageFile("5", tmp_path / "5.png")]
    with pytest.raises(NoMemoryError, match=r"not enough memory for a single image; .*--device cpu"):
        see(files, [Crowded(0, RuntimeError)], nullcontext())


def test_a_fault_that_is_not_of_memory_stays_what_it_is(tmp_path: Path) -> None:
    class Faulty(Crowded):
        def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    Image.new("RGB", (5, 2)).save(tmp_path / "5.png")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        see([ImageFile("5", tmp_path / "5.png")], [Faulty(9, RuntimeError)], nullcontext())


class Overflowing(Widths):
    """Numbers of which those of images of some widths are not finite, as they are in half precision."""

    def __init__(self, most: int, bad: dict[int, float]) -> None:
        super().__init__(most)
        self.bad = bad

    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        widths = super().features(prepared).astype(np.float32)  # (B, 1)
        return np.hstack([widths, [[self.bad.get(int(width), 0)] for width in widths[:, 0]]])


class Speaking(Widths):
    def features(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([f"{array[0]} wide" for array in prepared])


def test_a_picture_whose_features_are_not_finite_is_a_problem_and_costs_no_other(tmp_path: Path) -> None:
    for width in (1, 2, 3, 5):
        Image.new("RGB", (width, 2)).save(tmp_path / f"{width}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    files = [ImageFile(str(width), tmp_path / f"{width}.png") for width in (1, 2, 4, 3, 5)]
    backbones = [Overflowing(10, {2: np.nan}), Overflowing(11, {5: np.inf}), Speaking(12)]
    seen = see(files, backbones, nullcontext())
    assert [problem == NOT_FINITE for problem in seen.problems] == [False, True, False, False, True]
    assert seen.problems[2] is not None
    for backbone in backbones[:2]:
        np.testing.assert_array_equal(seen.features[backbone.name], [[1, 0], [3, 0]])
    assert seen.features["widths up to 12"].tolist() == ["1 wide", "3 wide"]
    none = see(files[1:3], backbones, nullcontext())
    assert (none.problems[0], none.features) == (NOT_FINITE, {})
