"""Image -> embedding with no training on images: what packaged networks see, carried into MiniLM space.

ConSE (Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings", eq. 3) says
an image's embedding is the mean of the class names' embeddings, weighted by the classifier's probabilities.
Class sentences have a mean of their own, though, which real prompts do not share; and "a photo of a dog" is
not where prompts with dogs are on the average. So the member here takes how the image differs from the
average class sentence, adds what the detector found, and carries the sum to where prompts differ from the
average prompt by a linear map W that was fitted to public prompts alone (data/prompt_map.json):

    e(x) = unit( m + g * (sum_c p(c|x) (s_c - s) + sum_k q_k^3 (s_kn - s)) W )

with m the prior (the mean embedding of a public prompt list), s_c the embedding of "a photo of a NAME", s
the mean of all s_c, q_k the probability of the surest thing of kind k, s_kn that of "a photo of N THINGS",
and g the gain. The cube keeps boxes that are hardly surer than nothing from adding up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess, softmax
from unprompt.ensemble.prior import prior_mean
from unprompt.errors import ConfigError
from unprompt.members.sight import Found, find_things
from unprompt.networks import imagenet, minilm
from unprompt.networks.detector import Detector
from unprompt.networks.imagenet import ImageNetClassifier, class_names
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.networks.shipped import read_shipped
from unprompt.networks.things import MOST, thing_names
from unprompt.records import unit_rows
from unprompt.settings import setting
from unprompt.text.english import add_article

if TYPE_CHECKING:
    from unprompt.records import FloatArray

POWER = 3  # of the detector's probabilities


@dataclass(frozen=True)
class ZeroshotConfig:
    """Settings of the zeroshot member."""

    gain: float = setting(1.0, "how far what is seen moves the guess away from the prior")

    def __post_init__(self) -> None:
        if not 0 <= self.gain <= 10:
            raise ConfigError(f"gain must be between 0 and 10, got {self.gain}")


def sentence_about(noun: str) -> str:
    """ "dog" -> "a photo of a dog": how classes are embedded."""
    return f"a photo of {add_article(noun)}"


def class_sentences() -> list[str]:
    """The 1,000 ImageNet classes' sentences."""
    return [sentence_about(name) for name in class_names()]


@cache
def prompt_map() -> FloatArray:
    """W (384, 384): rows of differences between sentences times W are differences between prompts.

    Raises CheckpointError where the package's file is not whole.
    """
    mapped: FloatArray = read_shipped("prompt_map")["map"].float().numpy()
    return mapped


@dataclass(frozen=True, eq=False)
class Projection:
    """What is seen -> MiniLM space, the formula at the top of this file.

    `prior` (384,) is m, not scaled to unit length: its length says how much real prompts have in common.
    `classes` (1000, 384) are (s_c - s) W, `things` (T, 6, 384) are (s_kn - s) W for each of
    `thing_names` and n = 1 to 5 and many.
    """

    prior: FloatArray
    classes: FloatArray
    things: FloatArray
    gain: float

    @classmethod
    def load(cls, _device: str, encoder: PromptEncoder, gain: float) -> Projection:
        """Embed the sentences (once; then from the cache)."""
        classes = encode_cached(encoder, class_sentences(), "classes")  # (1000, 384)
        counted = [
            f"a photo of {thing.counted(count)}" for thing in thing_names() for count in range(1, MOST + 1)
        ]
        things = encode_cached(encoder, counted, "things")  # (T * 6, 384)
        centre, carried = classes.mean(axis=0), prompt_map()
        return cls(
            prior_mean(),
            (classes - centre) @ carried,
            ((things - centre) @ carried).reshape(-1, MOST, things.shape[1]),
            gain,
        )

    def embeddings(self, probabilities: FloatArray, found: Sequence[Sequence[Found]]) -> FloatArray:
        """Class probabilities (B, 1000) and what was found in each of B images -> (B, 384) unit rows."""
        moved = probabilities @ self.classes
        for row, things in zip(moved, found, strict=True):
            for one in things:
                row += one.probability**POWER * self.things[one.thing, one.count - 1]
        return unit_rows(np.asarray(self.prior + self.gain * moved, dtype=np.float32))


class ZeroshotMember:
    """The member `zeroshot`: classifier, detector, and the projection of what they see."""

    def __init__(
        self, name: str, classifier: ImageNetClassifier, detector: Detector, projection: Projection
    ) -> None:
        self.name = name
        self.backbones = (classifier, detector)
        self._projection = projection

    def guess(self, logits: FloatArray, boxes: FloatArray) -> Guess:
        """(B, 1000) logits and (B, K, 6) boxes -> embeddings; no prompts."""
        probabilities = softmax(logits)
        found = [find_things(*one) for one in zip(probabilities, boxes, strict=True)]
        return Guess(self._projection.embeddings(probabilities, found))


def build(loader: Loader, spec: MemberSpec) -> ZeroshotMember:
    """The member of a table in a bundle."""
    return ZeroshotMember(
        spec.name,
        loader.once(ImageNetClassifier.load, spec.checkpoint),
        loader.once(Detector.load),
        loader.once(Projection.load, loader.encoder, spec.read(ZeroshotConfig).gain),
    )


def checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoints that it needs: the classifier, where its table names none, and MiniLM."""
    return [*([] if spec.checkpoint else [imagenet.CHECKPOINT]), minilm.CHECKPOINT]


KIND = MemberKind((ZeroshotConfig,), build, checkpoints)
