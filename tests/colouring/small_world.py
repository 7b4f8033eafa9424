"""What tests of the small painter share: a tiny network, a drawing of two boxes, words without MiniLM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from unprompt.colouring.network import Painter
from unprompt.colouring.network_config import PainterConfig
from unprompt.networks.minilm import TokenStates
from unprompt.records import DIM

TINY = PainterConfig(side=32, width=16, layers=1, heads=2, filters=8)


class LetterEncoder:
    """Stands in for MiniLM where its weights are too slow to load: a token a word, states by its letters."""

    identity = "letters"

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenStates]:
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> TokenStates:
        starts, states = [0], [np.zeros(DIM, np.float32)]
        place = 0
        for word in text.split(" "):
            if word:
                random = np.random.default_rng(sum(word.encode()))
                starts.append(place)
                states.append(random.normal(size=DIM).astype(np.float32))
            place += len(word) + 1
        return TokenStates(np.stack(states), tuple(starts))


def tiny_painter(seed: int = 0, config: PainterConfig = TINY) -> Painter:
    """A painter that knows nothing."""
    torch.manual_seed(seed)
    return Painter(config).eval()


def two_boxes(side: int = 80) -> np.ndarray:
    """A large and a small box: (side, side) uint8."""
    page = np.full((80, 80), 255, np.uint8)
    page[10, 5:50] = page[70, 5:50] = page[10:71, 5] = page[10:71, 49] = 0
    page[40, 55:75] = page[60, 55:75] = page[40:61, 55] = page[40:61, 74] = 0
    return page.repeat(side // 80, 0).repeat(side // 80, 1)
