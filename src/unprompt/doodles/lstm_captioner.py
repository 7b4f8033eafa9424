"""A CNN-LSTM as a captioner of drawings: whatever it writes is read for its facts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from unprompt.doodles.captioners import Caption, captioned
from unprompt.doodles.facts import SceneFacts, read_nearly
from unprompt.doodles.grid_captioner import BATCH, scene_pixels
from unprompt.networks.cnn_lstm import CnnLstmCaptioner, read_cnn_lstm

if TYPE_CHECKING:
    from unprompt.doodles.drawing import Drawing


class LstmCaptioner:
    """Writes sentences; `words` are the nouns that are looked for in them."""

    def __init__(self, captioner: CnnLstmCaptioner, size: int, words: Sequence[str]) -> None:
        self._captioner = captioner
        self._size = size
        self._words = tuple(words)

    @classmethod
    def load(cls, weights: Path, words: Sequence[str], device: str = "cpu") -> LstmCaptioner:
        """A captioner of `unprompt doodle train --model cnn-lstm`. Raises CheckpointError."""
        size = read_cnn_lstm(weights).config.size
        return cls(CnnLstmCaptioner.load(device, weights), size, words)

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        """One for each drawing. How sure it is it does not say: 1."""
        found: list[Caption] = []
        for first in range(0, len(drawings), BATCH):
            some = drawings[first : first + BATCH]
            prepared = [
                self._captioner.prepare(Image.fromarray(scene_pixels(drawing, self._size)))
                for drawing in some
            ]
            for drawing, text in zip(some, self._captioner.features(prepared).tolist(), strict=True):
                facts = read_nearly(text, self._words) if drawing.strokes else SceneFacts(())
                found.append(captioned(facts, 1.0))
        return found
