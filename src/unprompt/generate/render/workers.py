"""Who renders: this process, several processes of this machine, or Ray's workers on several machines.

Each of the three takes chunks of pictures and gives back their PNG files in whatever order they are done;
what is in a chunk does not depend on who made it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError, RunError
from unprompt.networks.devices import core_count
from unprompt.painting.engine import Picture, RenderEngine, Renderer
from unprompt.storage.images import encode_png
from unprompt.storage.packages import needed_for
from unprompt.storage.processes import killed_worker_told, spawning

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

AHEAD = 4  # chunks given to each worker before it has asked for them


@dataclass(frozen=True)
class Chunk:
    """Pictures that are rendered together and saved together: rows from `first` on."""

    first: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Rendered:
    """The PNG files of a chunk."""

    first: int
    images: tuple[bytes, ...]


Render = Callable[[RenderEngine, Sequence[Chunk]], Iterator[Rendered]]


def render_chunk(renderer: Renderer, chunk: Chunk) -> Rendered:
    """Render and encode one chunk."""
    return Rendered(chunk.first, tuple(encode_png(image) for image in renderer.render(chunk.pictures)))


def render_here(engine: RenderEngine, chunks: Sequence[Chunk]) -> Iterator[Rendered]:
    """One after the other, in this process."""
    renderer = engine.open()
    for chunk in chunks:
        yield render_chunk(renderer, chunk)


def render_in_processes(engine: RenderEngine, chunks: Sequence[Chunk], workers: int) -> Iterator[Rendered]:
    """In `workers` processes, each with the engine open.

    Raises RunError where a worker is killed from outside, as a system that runs out of memory does.
    """
    context = spawning()
    numbers = context.Value("i", 0)
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(engine, numbers))
    try:
        waiting = deque(chunks)
        under_way: set[Future[Rendered]] = set()
        with killed_worker_told():
            while waiting or under_way:
                while waiting and len(under_way) < AHEAD * workers:
                    under_way.add(pool.submit(_render_in_worker, waiting.popleft()))
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
                process.join()


_open: Callable[[], Renderer]  # of a worker process: the same renderer at every call


def _begin_worker(engine: RenderEngine, numbers: Synchronized[int]) -> None:
    global _open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the main process, which ends the workers
    threading.Thread(target=_end_with_main_process, daemon=True).start()
    with numbers.get_lock():
        number = numbers.value
        numbers.value += 1
    # Opened with the first chunk: an error here would only break the pool, and say nothing to the user.
    _open = cache(partial(engine.open, number))


def _end_with_main_process() -> None:
    """Workers whose main process was killed would else wait for work for ever."""
    main_process = multiprocessing.parent_process()
    assert main_process is not None
    wait_for([main_process.sentinel])
    os._exit(1)


def _render_in_worker(chunk: Chunk) -> Rendered:
    return render_chunk(_open(), chunk)


def render_with_ray(engine: RenderEngine, chunks: Sequence[Chunk], workers: int) -> Iterator[Rendered]:
    """With Ray Data, by `workers` actors on the cluster of $RAY_ADDRESS, or on one that is started here.

    The pictures come back to this process: the machines need the model's folder, but no common disk to write
    to. Raises ConfigError where Ray is not installed, RunError where the work fails there.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with needed_for("--cluster ray", "cluster", ConfigError):
        import ray
        from ray.data import ActorPoolStrategy, DataContext
        from ray.exceptions import RayError
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    started = not ray.is_initialized()
    if started:
        here = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False, "num_cpus": workers}
        # Ray gives its workers one thread each; another number of threads adds up in another order.
        threads = {"OMP_NUM_THREADS": str(core_count())}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": threads}, **here)
    try:
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        rows = ray.data.from_items([_as_row(chunk) for chunk in chunks], override_num_blocks=len(chunks)).map(
            _RayRenderer,
            fn_constructor_args=(engine,),
            compute=ActorPoolStrategy(size=workers),
            num_gpus=1 if engine.wants_gpu and ray.cluster_resources().get("GPU") else 0,
        )
        for row in rows.iter_rows():
            yield Rendered(int(row["first"]), tuple(bytes(image) for image in row["images"]))
    except RayError as error:
        reason = next(line for line in reversed(str(error).splitlines()) if line.strip())
        raise RunError(f"rendering with Ray failed: {reason}; what is done stays done") from error
    finally:
        if started:
            ray.shutdown()


def _as_row(chunk: Chunk) -> dict[str, Any]:
    """A chunk in plain columns, as Ray Data carries them."""
    return {
        "first": chunk.first,
        "ids": [picture.image_id for picture in chunk.pictures],
        "prompts": [picture.prompt for picture in chunk.pictures],
        "seeds": [picture.seed for picture in chunk.pictures],
    }


class _RayRenderer:
    """An actor of Ray Data with the engine open."""

    def __init__(self, engine: RenderEngine) -> None:
        self._renderer = engine.open()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        columns = zip(row["ids"], row["prompts"], row["seeds"], strict=True)
        pictures = tuple(Picture(image_id, prompt, int(seed)) for image_id, prompt, seed in columns)
        rendered = render_chunk(self._renderer, Chunk(int(row["first"]), pictures))
        return {"first": rendered.first, "images": list(rendered.images)}
