"""What a member of an ensemble is: images in, embeddings (and maybe prompts) out.

Members do not read files and do not share state. What they look at is what backbones make of the image:
features, or a caption. A backbone that two members name is run once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from unprompt.networks.pipeline import Backbone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray


@dataclass(frozen=True, eq=False)
class Guess:
    """What one member makes of B images: `embeddings` (B, 384) unit rows, `prompts` B texts or None.

    `phrases`: those that each prompt is made of, in its order; None where prompts are made of no phrases.
    """

    embeddings: FloatArray
    prompts: tuple[str, ...] | None = None
    phrases: tuple[tuple[str, ...], ...] | None = None


class Member(Protocol):
    """One predictor of an ensemble."""

    @property
    def name(self) -> str:
        """Its name in the bundle, in members/NAME.npz and in the report."""

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """Through which it looks at an image."""

    @property
    def guess(self) -> Callable[..., Guess]:
        """B rows from each of its backbones, in order -> B guesses. Guess i depends on image i alone."""


def distinct_backbones(members: Sequence[Member]) -> list[Backbone]:
    """The backbones that members look through, each name once, in the members' order."""
    return list({backbone.name: backbone for member in members for backbone in member.backbones}.values())


def guess_from(member: Member, seen: Mapping[str, NDArray[Any]]) -> Guess:
    """A member's guesses from what was seen, by backbones' names."""
    return member.guess(*(seen[backbone.name] for backbone in member.backbones))


def softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Rows of logits -> rows of probabilities: (B, C) -> (B, C) float32."""
    numbers = np.asarray(logits, dtype=np.float64)
    powers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
