"""A namer without a network: it knows the package's sample doodles, and says which of them is most alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.samples import draw_samples

SIDE = 24  # pixels at which drawings are compared
SHARP = 12.0  # of the softmax over cosines


class Likely(NamedTuple):
    """A word, and how probable it is."""

    word: str
    probability: float


def look(drawing: Drawing) -> np.ndarray:
    """A drawing's ink as a unit vector (SIDE * SIDE,)."""
    flat = ink(drawing.fitted(SIDE, 2), SIDE, SIDE, 3.0).ravel()
    return flat / np.linalg.norm(flat)


class SampleNamer:
    """Cosines with each single sample, as probabilities."""

    def __init__(self) -> None:
        known = [sample for sample in draw_samples().values() if len(sample.words) == 1]
        self.words = tuple(sample.words[0] for sample in known)
        self._looks = np.stack([look(sample.drawing) for sample in known])  # (N, SIDE * SIDE)

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> np.ndarray:
        """(N, words)."""
        likes = np.stack([np.exp(SHARP * (self._looks @ look(drawing))) for drawing in drawings])
        return (likes / likes.sum(1, keepdims=True)).astype(np.float32)

    def name(self, drawing: Drawing, top: int = 5) -> list[Likely]:
        """The most alike words first."""
        [shares] = self.probabilities([drawing])
        return [Likely(self.words[at], float(shares[at])) for at in np.argsort(-shares)[:top]]
