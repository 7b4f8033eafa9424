"""Image files -> features, in order, with a bounded amount of work under way.

One worker takes one batch from the files to the features. On a CPU each worker computes with a single
thread: cores that each take their own batch are never waiting for each other inside a layer, which two
threads sharing one forward pass are for a third of the time. On a GPU the workers decode side by side and
take turns on the device.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from unprompt.errors import NoMemoryError, UnreadableImageError
from unprompt.networks.cores import torch_on_one_thread, use_one_thread
from unprompt.networks.devices import is_out_of_memory
from unprompt.networks.fits import Fit
from unprompt.storage.images import ImageFile, open_file
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

# Of an image whose features are infinite or NaN. In half precision numbers end at 65,504.
NOT_FINITE = (
    "what the model makes of it is infinite or not a number, as happens in the half precision of a GPU; "
    "look at it on the CPU (--device cpu)"
)

PATIENCE = 32  # batches that fit before a larger one is tried again


class Backbone(Protocol):
    """An image model. `prepare` runs in the decoding threads, so it must not touch shared state."""

    @property
    def name(self) -> str:
        """What tells this backbone from others in a bundle; the same name is run once."""

    @property
    def batch(self) -> int:
        """How many images a forward pass takes at a time."""

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """One RGB image -> the array that `features` stacks."""

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """B prepared images -> B rows: features (B, D), or a captioner's texts (B,)."""


@dataclass(frozen=True)
class Seen:
    """What came of a batch of files.

    `problems`: why there is nothing of a file: it could not be read, or a backbone's features of it are not
    finite; None for the others. `features`: for each backbone's name B_ok rows, those of the others in their
    order; no names where there are none. `seconds`: busy time by step.
    """

    problems: tuple[str | None, ...]
    features: dict[str, NDArray[Any]]
    seconds: dict[str, float]


class Fits:
    """How many images each backbone looks at at once; see `Fit`."""

    def __init__(self) -> None:
        self._by_name: dict[str, Fit] = {}

    def of(self, backbone: Backbone) -> Fit:
        """The backbone's."""
        return self._by_name.setdefault(backbone.name, Fit(backbone.batch, PATIENCE))


def look_through(backbone: Backbone, prepared: Sequence[NDArray[Any]], fits: Fits) -> NDArray[Any]:
    """B prepared images -> B rows, in the backbone's batches, or in smaller ones where memory is short.

    A batch that does not fit is halved, with a warning, and looked at again; `fits` has the sizes of those
    that follow. Raises NoMemoryError where a single image does not fit.
    """
    fit = fits.of(backbone)
    parts: list[NDArray[Any]] = []
    done = 0
    while done < len(prepared):
        batch = prepared[done : done + fit.size]
        rows = _rows_if_they_fit(backbone, batch)
        if rows is None:
            fit.shrink(len(batch))
            warnings.warn(
                f"{counted(len(batch), 'image')} at once do not fit into the memory; going on with "
                f"{len(batch) // 2}",
                stacklevel=2,
            )
        else:
            fit.note(len(batch))
            parts.append(rows)
            done += len(batch)
    return np.concatenate(parts)


def _rows_if_they_fit(backbone: Backbone, batch: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """What a backbone makes of a batch, or None where memory ran out and a smaller one can help.

    When it has returned, the error and the tensors that it held are gone, so that their memory is free.
    """
    try:
        return backbone.features(batch)
    except (MemoryError, RuntimeError, NoMemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            raise NoMemoryError(
                "the models have not enough memory for a single image; close what else uses it, or look at "
                "the images on the CPU (--device cpu)"
            ) from error
    return None


def see(
    files: Sequence[ImageFile],
    backbones: Sequence[Backbone],
    turn: Any,
    fits: Fits | None = None,
) -> Seen:
    """Read, prepare and look at one batch of files. `turn` is the context in which the device may be used.

    `fits`: the sizes that `look_through` goes by. Raises NoMemoryError as that does.
    """
    fits = fits or Fits()
    seconds: dict[str, float] = defaultdict(float)
    problems: list[str | None] = []
    prepared: dict[str, list[NDArray[Any]]] = {backbone.name: [] for backbone in backbones}
    start = time.perf_counter()
    for file in files:
        try:
            with open_file(file, reduced=True) as image:
                arrays = [backbone.prepare(image) for backbone in backbones]
        except UnreadableImageError as error:
            problems.append(str(error))
            continue
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            problems.append("not enough memory to prepare it")
            continue
        problems.append(None)
        for backbone, array in zip(backbones, arrays, strict=True):
            prepared[backbone.name].append(array)
    seconds["decode"] = time.perf_counter() - start
    features = {}
    for backbone in backbones:
        rows = prepared[backbone.name]
        if not rows:
            continue
        with turn:
            start = time.perf_counter()
            features[backbone.name] = look_through(backbone, rows, fits)
            seconds[backbone.name] += time.perf_counter() - start
    return _without_overflows(Seen(tuple(problems), features, seconds))


def finite_rows(features: NDArray[Any]) -> NDArray[np.bool_]:
    """Which images a backbone has made finite numbers of, or texts: B rows -> (B,)."""
    if features.dtype.kind != "f":
        return np.ones(len(features), dtype=bool)
    fine: NDArray[np.bool_] = np.isfinite(features.reshape(len(features), -1)).all(axis=1)
    return fine


def _without_overflows(seen: Seen) -> Seen:
    """The same, but for images that some backbone has no finite numbers of: they become problems."""
    if not seen.features:
        return seen
    kept = np.logical_and.reduce([finite_rows(rows) for rows in seen.features.values()])  # (B_ok,)
    if kept.all():
        return seen
    verdicts = iter(kept)
    problems = tuple(
        NOT_FINITE if problem is None and not next(verdicts) else problem for problem in seen.problems
    )
    features = {name: rows[kept] for name, rows in seen.features.items()} if kept.any() else {}
    return Seen(problems, features, seen.seconds)


class Pipeline:
    """A pool of workers for `see`. The caller decides how many chunks are under way at a time."""

    def __init__(self, workers: int, device: str) -> None:
        self._turn = nullcontext() if device == "cpu" else threading.Lock()
        begin = use_one_thread if device == "cpu" else None
        self._pool = ThreadPoolExecutor(workers, "unprompt-worker", initializer=begin)
        self._fits = Fits()

    def submit(self, files: Sequence[ImageFile], backbones: Sequence[Backbone]) -> list[Future[Seen]]:
        """Begin a chunk; its batches always have the same borders, so their numbers are always the same."""
        step = max((backbone.batch for backbone in backbones), default=1)
        batches = [files[first : first + step] for first in range(0, len(files), step)]
        return [self._pool.submit(see, batch, backbones, self._turn, self._fits) for batch in batches]

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def open_pipeline(workers: int, device: str) -> Iterator[Pipeline]:
    """A pipeline that is closed, and torch's thread count restored, when the block ends in any way."""
    pipeline = Pipeline(workers, device)
    with torch_on_one_thread() if device == "cpu" else nullcontext():
        try:
            yield pipeline
        finally:
            pipeline.close()


def gather(futures: Sequence[Future[Seen]]) -> Seen:
    """Wait for a chunk's batches and join them, in order."""
    parts = [future.result() for future in futures]
    names = {name for part in parts for name in part.features}
    seconds: dict[str, float] = defaultdict(float)
    for part in parts:
        for step, taken in part.seconds.items():
            seconds[step] += taken
    return Seen(
        problems=tuple(problem for part in parts for problem in part.problems),
        features={
            name: np.concatenate([part.features[name] for part in parts if name in part.features])
            for name in names
        },
        seconds=seconds,
    )
