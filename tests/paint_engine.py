"""An engine for tests of what is around engines: paints one colour, and fails where it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unprompt.errors import CheckpointError, InputError, RunError
from unprompt.painting.engine import Picture


@dataclass(frozen=True)
class PaintEngine:
    """Paints the picture's seed as a colour.

    `die_at`: the process kills itself before the picture of this id, as long as the file `alive` is absent.
    `fail_at`: raises RunError before it, likewise. `pause`: seconds a picture. `closed`: it cannot be opened.
    """

    name = "paint"
    chunk = 4
    wants_gpu = False
    packages = ("pillow",)

    size: int = 8
    die_at: str = ""
    fail_at: str = ""
    alive: str = "no such file"
    pause: float = 0.0
    closed: bool = False

    def resolved(self) -> PaintEngine:
        return self

    def settings(self) -> Mapping[str, Any]:
        return {"size": self.size}

    def check(self, prompts: Sequence[str]) -> None:
        if "impossible" in prompts:
            raise InputError(f"1 of {len(prompts)} prompts cannot be painted, first: impossible")

    def open(self, worker: int = 0) -> PaintEngine:
        if self.closed:
            raise CheckpointError("the paint shop is closed")
        return self

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        images = []
        for picture in pictures:
            time.sleep(self.pause)
            if picture.image_id == self.die_at and not Path(self.alive).exists():
                os.kill(os.getpid(), signal.SIGKILL)
            if picture.image_id == self.fail_at and not Path(self.alive).exists():
                raise RunError(f"no paint left for {picture.image_id}")
            colour = tuple(picture.seed.to_bytes(4, "little")[:3])
            images.append(Image.new("RGB", (self.size, self.size), colour))
        return images
