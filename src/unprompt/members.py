"""What a member of an ensemble is: images in, embeddings (and maybe prompts) out.

Members do not read files and do not share state. What they look at is a backbone's features; a backbone
that two members name is run once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.records import FloatArray


@dataclass(frozen=True, eq=False)
class Guess:
    """What one member makes of B images: `embeddings` (B, 384) unit rows, `prompts` B texts or None."""

    embeddings: FloatArray
    prompts: tuple[str, ...] | None = None


class Backbone(Protocol):
    """An image model. `prepare` runs in the decoding threads, so it must not touch shared state."""

    @property
    def name(self) -> str:
        """What tells this backbone from others in a bundle; the same name is run once."""

    @property
    def batch(self) -> int:
        """How many images a forward pass takes at a time."""

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """One RGB image -> the array that `features` stacks."""

    def features(self, prepared: Sequence[NDArray[Any]]) -> FloatArray:
        """B prepared images -> (B, D) features."""


class Member(Protocol):
    """One predictor of an ensemble."""

    @property
    def name(self) -> str:
        """Its name in the bundle, in members/NAME.npz and in the report."""

    @property
    def backbone(self) -> Backbone:
        """Whose features it takes."""

    def guess(self, features: FloatArray) -> Guess:
        """(B, D) features -> a guess for each of the B images. Row i depends on image i alone."""


def distinct_backbones(members: Sequence[Member]) -> list[Backbone]:
    """The backbones that members look through, each name once, in the members' order."""
    return list({member.backbone.name: member.backbone for member in members}.values())


def softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Rows of logits -> rows of probabilities: (B, C) -> (B, C) float32."""
    numbers = np.asarray(logits, dtype=np.float64)
    powers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
