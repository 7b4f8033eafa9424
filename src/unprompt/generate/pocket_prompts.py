"""The pocket world's grammar as an engine of prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import InputError
from unprompt.generate.prompts import Draft
from unprompt.pocket.grammar import read_scene, sample_scene
from unprompt.pocket.scene import Scene
from unprompt.pocket.version import VERSION, WORLD


class PocketPrompts:
    """The endless stream of the pocket world's prompts. A PromptEngine.

    A scene whose prompt reads back as another is rejected, so `read_scene` is right for all that are kept.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def settings(self) -> Mapping[str, Any]:
        """What decides the stream."""
        return {"engine": "pocket", WORLD: VERSION, "seed": self.seed}

    def drafts(self, start: int) -> Iterator[Draft]:
        """Drafts from number `start` on, endless."""
        number = start
        while True:
            seed = derive_seed(self.seed, "pocket", number)
            scene = sample_scene(seed)
            rejected = "" if _reads_back(scene) else "ambiguous"
            yield Draft(number, f"pocket{self.seed}-{number:07d}", scene.prompt, "pocket", seed, rejected)
            number += 1


def _reads_back(scene: Scene) -> bool:
    try:
        return read_scene(scene.prompt) == scene
    except InputError:
        return False
