"""What the rendering engines have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Picture:
    """One picture to be made. `seed` decides all that the prompt leaves open."""

    image_id: str
    prompt: str
    seed: int


class Renderer(Protocol):
    """An engine that is loaded and ready. A picture depends on its prompt and seed, not on its neighbours."""

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """One RGB image a picture, in order."""


class RenderEngine(Protocol):
    """An engine's settings: a frozen dataclass that can be sent to another process and opened there.

    `chunk`: pictures between two saves, some seconds' to minutes' work. `packages`: those whose versions
    decide what the pictures look like. `wants_gpu`: whether a worker of a cluster should have a GPU.
    """

    @property
    def name(self) -> str: ...

    @property
    def chunk(self) -> int: ...

    @property
    def wants_gpu(self) -> bool: ...

    @property
    def packages(self) -> tuple[str, ...]: ...

    def resolved(self) -> RenderEngine:
        """The same engine with what is "auto" chosen, so that workers elsewhere choose nothing else."""

    def settings(self) -> Mapping[str, Any]:
        """All that decides the pictures, as JSON; written into the data set."""

    def check(self, prompts: Sequence[str]) -> None:
        """Raise InputError, with a count and the first, where there are prompts that it cannot draw."""

    def open(self, worker: int = 0) -> Renderer:
        """Load what is needed (models, drawings) and get ready; of several GPUs take that of the worker."""
