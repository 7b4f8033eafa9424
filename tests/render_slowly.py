"""For test_render: renders pocket prompts with a pause before each picture, so that it can be killed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unprompt.generate.config import RenderConfig
from unprompt.generate.render.run import render_prompts
from unprompt.painting.engine import Picture, Renderer
from unprompt.pocket.engine import PocketEngine


@dataclass(frozen=True)
class SlowRenderer:
    renderer: Renderer
    pause: float

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        time.sleep(self.pause * len(pictures))
        return self.renderer.render(pictures)


@dataclass(frozen=True)
class SlowEngine(PocketEngine):
    pause: float = 0.0

    def open(self, worker: int = 0) -> SlowRenderer:  # type: ignore[override]
        return SlowRenderer(super().open(worker), self.pause)


def render_slowly(source: Path, out: Path, pause: float = 0.0, workers: int = 1) -> None:
    """Render into parts of 24 pictures, in chunks of 4, with so many seconds before each picture."""
    config = RenderConfig(part=24, chunk=4, workers=workers)
    render_prompts(source, out, SlowEngine(32, pause=pause), config)
