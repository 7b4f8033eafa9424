"""Who renders: this process, several processes of this machine, or Ray's workers on several machines.

Each of the three takes chunks of pictures and gives back their PNG files; what is in a chunk does not depend
on who made it. The pictures come back to this process, so machines need the model's folder, but no common
disk to write to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from unprompt.crew.here import Here
from unprompt.crew.processes import Processes
from unprompt.crew.ray_actors import join_ray
from unprompt.crew.work import Crew, Place, Ready
from unprompt.generate.config import RenderConfig
from unprompt.painting.engine import Picture, RenderEngine, Renderer
from unprompt.storage.images import encode_png


@dataclass(frozen=True)
class Chunk:
    """Pictures that are rendered together and saved together: rows from `first` on."""

    first: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Rendering:
    """The work: an engine that makes PNG files of chunks of pictures."""

    engine: RenderEngine

    @property
    def wants_gpu(self) -> bool:
        """As the engine says."""
        return self.engine.wants_gpu

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[Chunk, tuple[bytes, ...]]]:
        """Open the engine, on the place's GPU where there are several."""
        renderer = self.engine.open(place.number)

        def begin(chunk: Chunk) -> Callable[[], tuple[bytes, ...]]:
            return partial(render_chunk, renderer, chunk)

        yield Ready(begin)


def render_chunk(renderer: Renderer, chunk: Chunk) -> tuple[bytes, ...]:
    """Render and encode one chunk."""
    return tuple(encode_png(image) for image in renderer.render(chunk.pictures))


def renderers(config: RenderConfig) -> AbstractContextManager[Crew]:
    """Those that the settings ask for. Raises as `join_ray` does."""
    if config.cluster:
        return join_ray(cores=1, count=config.workers)
    return nullcontext(Processes(config.workers) if config.workers > 1 else Here())
