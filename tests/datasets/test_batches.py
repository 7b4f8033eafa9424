"""Batches: each row once, the same for one seed and epoch, in the plan's order however they are loaded."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unprompt.datasets.batches import AHEAD, batches, epoch_batches, share_of
from unprompt.datasets.pixels import DecodedPixels, EncodedPixels, Pixels
from unprompt.errors import ConfigError, InputError
from unprompt.networks.preprocess import Preprocess
from unprompt.storage.images import ImageFile


@given(count=st.integers(1, 200), batch=st.integers(2, 64), seed=st.integers(0, 99), epoch=st.integers(0, 9))
def test_an_epoch_has_each_row_once_but_for_the_last_incomplete_batch(
    count: int, batch: int, seed: int, epoch: int
) -> None:
    rows = np.arange(count) * 3 + 1
    parts = epoch_batches(rows, batch, seed, epoch)
    seen = np.concatenate(parts).tolist()
    assert len(set(seen)) == len(seen) == (count - count % batch if count >= batch else count)
    assert set(seen) <= set(rows.tolist())
    assert {len(part) for part in parts} == {min(batch, count)}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    rows = np.arange(100)
    orders = {
        (seed, epoch): tuple(np.concatenate(epoch_batches(rows, 10, seed, epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    assert orders[1, 2] == tuple(np.concatenate(epoch_batches(rows, 10, 1, 2)))
    left_over = {
        frozenset(rows) - set(np.concatenate(epoch_batches(rows, 30, 0, epoch))) for epoch in range(3)
    }
    assert len(left_over) == 3


@given(
    size=st.integers(1, 100),
    processes=st.integers(1, 8),
    accumulate=st.integers(1, 8),
    start=st.integers(0, 9),
)
def test_the_shares_of_all_processes_are_the_batch(
    size: int, processes: int, accumulate: int, start: int
) -> None:
    rows = np.arange(start, start + size)
    if size < processes * accumulate:
        with pytest.raises(ConfigError, match=f"batch of {size} images? .* {processes * accumulate} parts"):
            share_of(rows, 0, processes, accumulate)
        return
    shares = [share_of(rows, process, processes, accumulate) for process in range(processes)]
    assert all(len(share) == accumulate for share in shares)
    parts = [part for share in shares for part in share]
    assert sorted(np.concatenate(parts)) == rows.tolist()
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    of_processes = [sum(len(part) for part in share) for share in shares]
    assert max(of_processes) - min(of_processes) <= 1


def test_a_share_by_hand() -> None:
    assert [part.tolist() for part in share_of(np.arange(6), 0, 2, 2)] == [[0, 1], [4]]
    assert [part.tolist() for part in share_of(np.arange(6), 1, 2, 2)] == [[2, 3], [5]]


# --- loading


@pytest.fixture
def decoded(tmp_path: Path) -> DecodedPixels:
    """40 images of 4 x 4 pixels, each of its row's shade."""
    shades = np.arange(40, dtype=np.uint8)[:, None, None, None]
    np.save(tmp_path / "pixels.npy", np.broadcast_to(shades, (40, 4, 4, 3)))
    return DecodedPixels(tmp_path / "pixels.npy")


@pytest.fixture
def encoded(tmp_path: Path) -> EncodedPixels:
    """12 image files, of which number 5 is not an image."""
    files = []
    for number in range(12):
        files.append(ImageFile(str(number), tmp_path / f"{number}.png"))
        Image.new("RGB", (6, 6), (number, 0, 0)).save(files[-1].path)
    files[5].path.write_text("not an image")
    return EncodedPixels(tmp_path, tuple(files), Preprocess(4))


def plan_of(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.permutation(40)[:size] for size in sizes]


def check_order(pixels: Pixels, workers: int) -> None:
    plan = plan_of(3, 5, 1, 4, 4, 7, 2)
    seen = list(batches(pixels, plan, workers))
    assert len(seen) == len(plan)
    for (rows, images), planned in zip(seen, plan, strict=True):
        assert rows is planned
        assert images.dtype == torch.uint8
        assert images.shape == (len(rows), 4, 4, 3)
        assert (images.numpy() == planned[:, None, None, None]).all()
    assert not multiprocessing.active_children()


def check_error(pixels: Pixels, workers: int) -> None:
    seen = []
    with pytest.raises(InputError, match=r"^1 of 12 images of .* first: 5 \(not an image.*\); remove it"):
        seen += list(batches(pixels, [np.array([0, 1]), np.array([4, 5])], workers))
    first = next(batches(pixels, [np.array([0, 1]), np.array([4, 5])], workers))
    assert first[1][:, 0, 0, 0].tolist() == [0, 1]


def loading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("unprompt-load")]


def test_a_thread_keeps_the_plans_order(decoded: DecodedPixels) -> None:
    check_order(decoded, workers=0)
    assert not loading_threads()


def test_a_threads_error_comes_to_the_caller(encoded: EncodedPixels) -> None:
    check_error(encoded, workers=0)


def test_an_empty_plan(decoded: DecodedPixels) -> None:
    assert list(batches(decoded, [], 0)) == []
    assert list(batches(decoded, [], 2)) == []


class Counting(Pixels):
    """Notes what it is asked for."""

    decoded = True

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 40

    def __getitem__(self, row: int) -> np.ndarray:
        self.asked.append(row)
        return np.full((4, 4, 3), row, dtype=np.uint8)


def test_a_thread_is_two_batches_ahead_and_stops_with_the_caller() -> None:
    pixels = Counting()
    loader = batches(pixels, [np.array([row]) for row in range(40)], 0)
    for row in range(3):
        assert next(loader)[0].tolist() == [row]
    deadline = time.monotonic() + 10
    while len(pixels.asked) < 3 + AHEAD and time.monotonic() < deadline:
        time.sleep(0.001)  # until the thread has done what it was given
    assert pixels.asked == list(range(3 + AHEAD))
    loader.close()
    assert not loading_threads()
    assert pixels.asked == list(range(3 + AHEAD))


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    pixels = Counting()
    loader = batches(pixels, [np.array([0])], 0)
    assert not pixels.asked
    loader.close()


@pytest.mark.slow
def test_processes_keep_the_plans_order(decoded: DecodedPixels) -> None:
    state = torch.get_rng_state()
    check_order(decoded, workers=2)
    assert torch.equal(torch.get_rng_state(), state)  # what dropout does next is the same with any workers


@pytest.mark.slow
def test_a_processs_error_comes_to_the_caller(encoded: EncodedPixels) -> None:
    check_error(encoded, workers=1)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_processes_stop_with_the_caller(decoded: DecodedPixels) -> None:
    loader = batches(decoded, plan_of(*[2] * 30), 1)
    next(loader)
    assert multiprocessing.active_children()
    loader.close()
    assert not multiprocessing.active_children()
