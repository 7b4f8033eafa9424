"""What does a drawing show? Words with their probabilities, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.ink import ink, segments_of, small_ink
from unprompt.doodles.namer_config import NamerConfig
from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

BATCH = 128
SWEPT = 64  # pixels a side up to which all lines are swept at once
TURN, WIDER = 0.1, 1.1  # radians either way, and how many times as wide: further looks at a drawing
LOOKS = (
    ((1.0, 0.0), (0.0, 1.0)),
    ((math.cos(TURN), -math.sin(TURN)), (math.sin(TURN), math.cos(TURN))),
    ((math.cos(TURN), math.sin(TURN)), (-math.sin(TURN), math.cos(TURN))),
    ((WIDER, 0.0), (0.0, 1 / WIDER)),
    ((1 / WIDER, 0.0), (0.0, WIDER)),
)  # what each point is multiplied by


class Guess(NamedTuple):
    """A word and how probable it is, 0 to 1."""

    word: str
    probability: float


class Names(Protocol):
    """What is asked of a namer; see Namer."""

    words: tuple[str, ...]

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> NDArray[np.float32]:
        """How probable each word is for each drawing (N, words), by so many looks at it."""


class Namer:
    """Names drawings. `words`: what it tells apart, in the order of its probabilities."""

    def __init__(self, config: NamerConfig, network: nn.Module, device: str = "cpu") -> None:
        self.words = config.words
        self.config = config
        self._network = network.to(device).eval()
        self._device = device

    @classmethod
    def load(cls, weights: Path | None = None, device: str = "cpu") -> Namer:
        """A namer of a file of `unprompt doodle train` or DoodleNet's folder; None: the package's own.

        Raises CheckpointError.
        """
        from unprompt.doodles.namer_files import read_namer

        return cls(*read_namer(weights), device)

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> NDArray[np.float32]:
        """How probable each word is for each drawing (N, words).

        `looks`: how many of LOOKS are taken: as it is, turned a little either way, wider and narrower; each
        with its mirror image. The mean of the answers counts. InputError for an empty drawing.
        """
        import torch

        found = [np.zeros((0, len(self.words)), np.float32)]
        for first in range(0, len(drawings), BATCH):
            some = drawings[first : first + BATCH]
            seen = np.stack([[see(one, self.config, look) for one in some] for look in LOOKS[:looks]])
            with torch.inference_mode():
                shown = torch.from_numpy(np.concatenate([seen, seen[..., ::-1]])).to(self._device)
                logits = self._network(shown.flatten(0, 1)[:, None]).unflatten(0, shown.shape[:2])
                found.append(logits.softmax(2).mean(0).float().cpu().numpy())
        return np.concatenate(found)

    def name(self, drawing: Drawing, top: int = 5) -> list[Guess]:
        """The most probable words by all LOOKS, best first."""
        return self.best(self.probabilities([drawing], len(LOOKS))[0], top)

    def best(self, probabilities: NDArray[np.float32], top: int) -> list[Guess]:
        """The most probable words of a row (words,), best first."""
        order = np.argsort(-probabilities, kind="stable")[:top]
        return [Guess(self.words[at], float(probabilities[at])) for at in order]


def see(
    drawing: Drawing, config: NamerConfig, look: Sequence[Sequence[float]] = LOOKS[0]
) -> NDArray[np.float32]:
    """A drawing as a namer sees it: as large as fits, lines of the width that it knows (side, side).

    `look`: what its points are multiplied by before.
    """
    if look != LOOKS[0]:
        drawing = Drawing(tuple(stroke @ np.transpose(look) for stroke in drawing.strokes))
    fitted = drawing.fitted(config.side, config.margin)
    if config.side <= SWEPT:
        return small_ink(*segments_of(fitted), config.side, config.pen)
    return ink(fitted, config.side, config.side, config.pen)


def labels_of(doodles: Sequence[Doodle], words: Sequence[str]) -> NDArray[np.int64]:
    """The number of each drawing's word (N,). InputError for one that is not among `words`."""
    number = {word: at for at, word in enumerate(words)}
    strange = [one for one in doodles if one.word not in number]
    if strange:
        first = strange[0]
        told = f"'{first.word}', which is none of the {len(words)} words" if first.word else "no word"
        raise InputError(f"{len(strange)} of {len(doodles)} drawings: {first.key} has {told}")
    return np.array([number[one.word] for one in doodles], np.int64)


def found_among(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Of each drawing (N,) whether the right word is the first, and whether it is among the first five."""
    rank = (probabilities > np.take_along_axis(probabilities, labels[:, None], 1)).sum(1)
    return {"top_1": rank < 1, "top_5": rank < 5}


def hits(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """How often the right word is the first, and among the first five."""
    return {name: float(right.mean()) for name, right in found_among(probabilities, labels).items()}
