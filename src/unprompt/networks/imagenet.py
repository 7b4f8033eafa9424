"""EfficientNet-Lite2, a classifier of ImageNet's 1,000 classes, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import CheckpointError
from unprompt.networks.checkpoints import locate, verify
from unprompt.networks.cores import torch_on_one_thread
from unprompt.storage.images import central_square
from unprompt.storage.packages import load_alone, needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.records import FloatArray


CHECKPOINT = "efficientnet-lite2"
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
        """Find the checkpoint, check its sha256, load it and fold its batch norms.

        Raises CheckpointError where the checkpoint is missing, damaged or of another model.
        """
        found = locate(CHECKPOINT, folder)
        verify(found)
        with needed_for("this bundle", "lite"):
            import torch

            from unprompt.networks.efficientnet_lite import load_folded
        theirs = torch.load(found.main_path, map_location="cpu", weights_only=True)
        with torch_on_one_thread():
            network = load_folded(theirs)
        return cls(network.eval().requires_grad_(False).to(device), device)

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
