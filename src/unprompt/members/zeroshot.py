"""Image -> embedding with no training: ImageNet class probabilities carried into MiniLM space.

ConSE (Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings", eq. 3) says
an image's embedding is the mean of the class names' embeddings, weighted by the classifier's probabilities.
Class sentences have a mean of their own, though, which real prompts do not share. So the members here take
only how the image differs from the average class, and add that to the average prompt:

    e(x) = unit( m + g * (sum_c p(c|x) s_c - mean_c s_c) )

with m the prior (the mean embedding of a public prompt list), s_c the embedding of "a photo of a NAME" and
g the gain, by which an unsure classifier's guess shrinks toward the prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import Guess, softmax
from unprompt.ensemble.prior import _prior_mean
from unprompt.errors import ConfigError
from unprompt.networks import imagenet, minilm
from unprompt.networks.imagenet import ImageNetClassifier, class_names
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.records import unit_rows
from unprompt.text.english import add_article

if TYPE_CHECKING:
    from unprompt.records import FloatArray


def check_gain(gain: float) -> None:
    """Raise ConfigError for a gain that is negative or absurd."""
    if not 0 <= gain <= 10:
        raise ConfigError(f"gain must be between 0 and 10, got {gain}")


@dataclass(frozen=True)
class ZeroshotConfig:
    """Settings of the zeroshot member."""

    gain: float = 0.5  # how far a certain classification moves the guess away from the prior

    def __post_init__(self) -> None:
        check_gain(self.gain)


@dataclass(frozen=True, eq=False)
class ConSE:
    """Class probabilities -> MiniLM space, the formula at the top of this file.

    `prior` (384,) is m, not scaled to unit length: its length says how much real prompts have in common.
    `centre` (384,) is mean_c s_c, the average class sentence; `offsets` (1000, 384) are s_c - centre.
    """

    prior: FloatArray
    centre: FloatArray
    offsets: FloatArray
    gain: float

    @classmethod
    def build(cls, encoder: PromptEncoder, gain: float) -> ConSE:
        """Embed the class sentences (once; then from the cache)."""
        sentences = [f"a photo of {add_article(name)}" for name in class_names()]
        embedded = encode_cached(encoder, sentences, "classes")  # (1000, 384)
        centre = embedded.mean(axis=0)
        return cls(_prior_mean(), centre, embedded - centre, gain)

    def directions(self, probabilities: FloatArray) -> FloatArray:
        """How the images differ from the average class: (B, 1000) -> (B, 384), not unit length."""
        return probabilities @ self.offsets

    def embeddings(self, probabilities: FloatArray) -> FloatArray:
        """(B, 1000) -> (B, 384) unit rows."""
        return self.moved(self.directions(probabilities))

    def moved(self, differences: FloatArray) -> FloatArray:
        """The prior moved by differences from the average class sentence: (B, 384) -> (B, 384) unit rows."""
        return unit_rows(self.prior + self.gain * differences)


class ZeroshotMember:
    """The member `zeroshot`: classifier and ConSE."""

    def __init__(self, name: str, backbone: ImageNetClassifier, conse: ConSE) -> None:
        self.name = name
        self.backbones = (backbone,)
        self._conse = conse

    def guess(self, features: FloatArray) -> Guess:
        """(B, 1000) logits -> embeddings; no prompts."""
        return Guess(self._conse.embeddings(softmax(features)))


def build(loader: Loader, spec: MemberSpec) -> ZeroshotMember:
    """The member of a table in a bundle."""
    classifier = loader.once(ImageNetClassifier.load, spec.checkpoint)
    return ZeroshotMember(spec.name, classifier, ConSE.build(loader.encoder, spec.read(ZeroshotConfig).gain))


def checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoints that it needs: the classifier, where its table names none, and MiniLM."""
    return [*([] if spec.checkpoint else [imagenet.CHECKPOINT]), minilm.CHECKPOINT]


KIND = MemberKind((ZeroshotConfig,), build, checkpoints)
