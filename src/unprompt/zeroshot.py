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

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.checkpoints import locate, verify
from unprompt.embed import PromptEncoder, encode_cached
from unprompt.errors import CheckpointError, ConfigError
from unprompt.files import read_json
from unprompt.images import central_square
from unprompt.members import Guess, softmax
from unprompt.packages import load_alone
from unprompt.records import DIM, unit_rows
from unprompt.words import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.records import FloatArray

CHECKPOINT = "efficientnet-lite2"
ARCHITECTURE = "tf_efficientnet_lite2"
INPUT_SIZE = 260  # pixels; with CROP, MEAN and STD the values this network was trained with
CROP = 0.89  # share of the short side that the network sees, around the centre
CLASSES = 1000
CPU_BATCH = 4  # larger batches fall out of a CPU's cache: 19 ms an image at 4, 26 ms at 8 (2 cores)
GPU_BATCH = 64


class ImageNetClassifier:
    """EfficientNet-Lite2 as a backbone: its features are the 1,000 ImageNet logits."""

    name = CHECKPOINT
    title = "EfficientNet-Lite2, a classifier of 1,000 kinds of things"

    def __init__(self, network: Any, device: str) -> None:
        self._network = network
        self._device = device
        self.batch = CPU_BATCH if device == "cpu" else GPU_BATCH

    @classmethod
    def load(cls, device: str = "cpu", folder: Path | None = None) -> ImageNetClassifier:
        """Find the checkpoint, check its sha256, load it into timm's architecture and fold its batch norms.

        Raises CheckpointError where the checkpoint is missing, damaged or of another model.
        """
        found = locate(CHECKPOINT, folder)
        verify(found)
        try:
            import timm
            import torch
        except ImportError as error:
            raise CheckpointError(
                f"this bundle needs {error.name}; run: pip install 'unprompt[lite]'"
            ) from error
        theirs = torch.load(found.main_path, map_location="cpu", weights_only=True)
        network = timm.create_model(ARCHITECTURE, pretrained=False)
        network.load_state_dict(match_by_order(theirs, network.state_dict()))
        network = fold_batch_norms(network.eval().requires_grad_(False))
        return cls(network.to(device), device)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """The central square at the network's input size: RGB image -> (260, 260, 3) uint8."""
        return central_square(image, INPUT_SIZE, CROP)

    def features(self, prepared: Sequence[NDArray[Any]]) -> FloatArray:
        """B times (260, 260, 3) uint8 -> (B, 1000) float32 logits."""
        import torch

        pixels = torch.from_numpy(np.stack(prepared)).to(self._device)  # (B, H, W, 3)
        with torch.inference_mode():
            batch = pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)  # mean 0.5, std 0.5
            logits: FloatArray = self._network(batch).float().cpu().numpy()
        return logits


def match_by_order(
    theirs: dict[str, Any], ours: dict[str, Any], architecture: str = ARCHITECTURE
) -> dict[str, Any]:
    """Give the tensors of one state dict the names of another that has the same order and shapes.

    The packaged file comes from an implementation with other names. Raises CheckpointError where a shape
    differs, so a checkpoint of another model is never loaded by accident; `architecture` names ours there.
    """
    if len(theirs) != len(ours):
        raise CheckpointError(
            f"the checkpoint has {len(theirs)} tensors, {architecture} has {len(ours)}: another model"
        )
    for (their_name, tensor), (our_name, expected) in zip(theirs.items(), ours.items(), strict=True):
        if tensor.shape != expected.shape:
            raise CheckpointError(
                f"'{their_name}' has shape {tuple(tensor.shape)}, '{our_name}' of {architecture} has "
                f"{tuple(expected.shape)}: another model"
            )
    return dict(zip(ours, theirs.values(), strict=True))


def fold_batch_norms(network: Any) -> Any:
    """Fold every batch norm that directly follows a convolution into it, in place; the answer is the same.

    Saves a third of this network's time on a CPU, where the extra pass over memory costs more than the
    arithmetic. The norm's activation stays.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in list(network.modules()):
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, getattr(norm, "act", torch.nn.Identity()))
    return network


@cache
def class_names() -> tuple[str, ...]:
    """The 1,000 ImageNet class names as CLIP's authors cleaned them ("upright piano", not "upright").

    Taken from the installed open_clip without importing it, which would take seconds. Where two names are
    given, the first counts.
    """
    module = load_alone("open_clip", "zero_shot_metadata.py")
    if module is None:
        raise CheckpointError("the class names come from open_clip_torch; run: pip install 'unprompt[lite]'")
    names = tuple(first_alternative(name) for name in module.IMAGENET_CLASSNAMES)
    if len(names) != CLASSES:
        raise CheckpointError(f"open_clip lists {len(names)} ImageNet class names, expected {CLASSES}")
    return names


def first_alternative(name: str) -> str:
    """One name where two are given; where both share the noun, the one that has it.

    "gas mask or respirator" -> "gas mask", "traffic or street sign" -> "street sign".
    """
    first, _, second = name.partition(" or ") if " or " in name else name.partition(" / ")
    shares_noun = " or " in name and " " not in first and " " in second
    return second if shares_noun else first


def prior_embedding() -> FloatArray:
    """The embedding to guess when nothing is known of an image: (384,) float32, unit length.

    It is the mean of the embeddings of a public prompt list; `data/prior.json` says which.
    """
    prior: FloatArray = unit_rows(_prior_mean()[None])[0]
    return prior


@cache
def _prior_mean() -> FloatArray:
    record = read_json(Path(str(files("unprompt") / "data" / "prior.json")))
    mean = np.frombuffer(base64.b64decode(record["embedding_float32_base64"]), dtype="<f4")
    assert mean.shape == (DIM,)
    return mean


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
        sentences = [f"a photo of {with_article(name)}" for name in class_names()]
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
