"""Which images are in which batch, and their loading ahead of the network.

The order is a pure function of the run's seed and the epoch: any process on any machine, and a run that goes
on after a kill, has the same batches.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.split import random_order
from unprompt.errors import ConfigError, InputError
from unprompt.networks.cores import keep_ahead
from unprompt.storage.processes import forking_from_server
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.datasets.pixels import Pixels

    Ints = NDArray[np.int64]

AHEAD = 2  # batches that are loaded before they are asked for


def epoch_batches(rows: Ints, batch: int, seed: int, epoch: int) -> list[Ints]:
    """All `rows` (n,) once, in an order of the epoch's own, cut into batches (batch,).

    Rows left over at the end are dropped, others each epoch, so that no step rests on a few images. Fewer
    rows than a batch make one batch of what there is.
    """
    shuffled = rows[random_order(len(rows), derive_seed(seed, "epoch", epoch))]
    whole = len(rows) // batch
    if not whole:
        return [shuffled]
    return [shuffled[number * batch : (number + 1) * batch] for number in range(whole)]


def share_of(batch_rows: Ints, process: int, processes: int, accumulate: int) -> list[Ints]:
    """The `accumulate` micro-batches of a batch that one process computes.

    Those of all processes together are the batch, each row once, and their sizes differ by at most one.
    Raises ConfigError where there are fewer rows than micro-batches.
    """
    if len(batch_rows) < processes * accumulate:
        raise ConfigError(
            f"a batch of {counted(len(batch_rows), 'image')} cannot be cut into {processes * accumulate} "
            "parts "
            f"({processes} processes, each with accumulate {accumulate}); raise batch or lower accumulate"
        )
    # The larger parts come first: dealt out in turn, no process gets more than one row more than another.
    return np.array_split(batch_rows, processes * accumulate)[process::processes]


def batches(pixels: Pixels, plan: Sequence[Ints], workers: int) -> Generator[tuple[Ints, Any], None, None]:
    """The batches of `plan` in its order: rows (B,) and images, tensor (B, S, S, 3) uint8.

    Two batches are loaded ahead, by one thread where `workers` is 0, else by so many processes (two batches
    each). Images lie in pinned memory where there is a CUDA device. What was begun stops when the caller
    stops early. Raises InputError for an image that cannot be read.
    """
    workers = min(workers, len(plan))
    loaded = _loaded_by_processes(pixels, plan, workers) if workers else _loaded_by_thread(pixels, plan)
    try:
        yield from zip(plan, loaded, strict=True)
    finally:
        loaded.close()


def _loaded_by_thread(pixels: Pixels, plan: Sequence[Ints]) -> Generator[Any, None, None]:
    pinned = torch.cuda.is_available()

    def load(rows: Ints) -> Any:
        images = torch.from_numpy(pixels.take(rows))
        return images.pin_memory() if pinned else images

    pool = ThreadPoolExecutor(1, "unprompt-load")
    try:
        for _, loading in keep_ahead(plan, lambda rows: pool.submit(load, rows), AHEAD):
            yield loading.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _loaded_by_processes(pixels: Pixels, plan: Sequence[Ints], workers: int) -> Generator[Any, None, None]:
    loader = DataLoader(
        _Loading(pixels),
        batch_size=None,  # what the sampler gives is asked for as it is: the rows of a whole batch
        sampler=plan,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # A plain fork would copy the locks of threads that do not live on in the child. This module is
        # imported once, or each process of each epoch would import torch anew, for seconds.
        multiprocessing_context=forking_from_server(__name__),
        # Of its own: the global one decides what dropout does, whichever way images are loaded.
        generator=torch.Generator(),
    )
    for images in loader:
        if isinstance(images, InputError):
            raise images
        yield images


class _Loading(Dataset):  # type: ignore[misc]  # torch has no types here
    """What a worker process does: rows -> images, or the error; raised there, its text would be lost."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    def __getitem__(self, rows: Ints) -> Any:
        try:
            return torch.from_numpy(self._pixels.take(rows))
        except InputError as error:
            return error
