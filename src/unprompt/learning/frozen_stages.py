"""Frozen first stages of a backbone: run once for each image, and not in every epoch.

In an EfficientNet the stem and the early stages take a third to a half of a training step even where nothing
in them is learnt. What they make of an image never changes then, so it is kept on disk, in float16, and
training goes on from there. Nothing that changes images (augmentation) or depends on the batch (batch norms)
can be in front of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from unprompt.datasets.batches import batches
from unprompt.datasets.pixels import DecodedPixels, Pixels
from unprompt.errors import ConfigError
from unprompt.networks.preprocess import Preprocess
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import fill_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOK_BATCH = 64
SAVE = 64  # batches between two saves: what a kill can cost
STEM = ("conv_stem.", "bn1.")


def frozen_stages(name: str, backbone: torch.nn.Module, patterns: Sequence[str]) -> int:
    """How many stages of an EfficientNet stay as they are altogether, by patterns of frozen parameters.

    Raises ConfigError for another backbone, where none does, and for batch norms among them.
    """
    from timm.models.efficientnet import EfficientNet

    if not isinstance(backbone, EfficientNet):
        raise ConfigError(f"what frozen stages make can be kept for EfficientNets only, not for {name}")

    def stays(prefix: str) -> bool:
        names = [key for key, _ in backbone.named_parameters() if key.startswith(prefix)]
        return all(any(fnmatch(key, pattern) for pattern in patterns) for key in names)

    count = 0
    while count < len(backbone.blocks) and stays(f"blocks.{count}."):
        count += 1
    if not count or not all(map(stays, STEM)):
        raise ConfigError(
            f"no stage of {name} is frozen from the image on, so there is nothing to keep; "
            "freeze conv_stem.* and blocks.0.*, or leave out keep_frozen"
        )
    front = (backbone.bn1, *backbone.blocks[:count])
    if any(isinstance(module, torch.nn.BatchNorm2d) for part in front for module in part.modules()):
        raise ConfigError(f"frozen stages of {name} have batch norms, which see the batch; use fold_norms")
    return count


def first_stages(backbone: torch.nn.Module, count: int, images: torch.Tensor) -> torch.Tensor:
    """(B, 3, S, S) -> (B, C, h, w): the stem and the first `count` stages."""
    return backbone.blocks[:count](backbone.bn1(backbone.conv_stem(images)))


def later_stages(backbone: torch.nn.Module, count: int, activations: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) -> (B, d): all that follows the first `count` stages."""
    x = backbone.blocks[count:](activations)
    return backbone.forward_head(backbone.bn2(backbone.conv_head(x)))


class Activations(DecodedPixels):
    """What first stages made of N images, in an .npy file of shape (N, h, w, C) float16, by row."""


def open_activations(
    pixels: Pixels,
    images: str,
    backbone: torch.nn.Module,
    count: int,
    preprocess: Preprocess,
    cache: Path,
    workers: int,
    progress: Progress = silent,
) -> Activations:
    """What the first `count` stages make of all `pixels`, computed where the backbone is.

    The array is at `activations_path` and stays there until somebody deletes it. A call that is killed goes
    on where it was. Raises RunError where the cache cannot be written or the disk is full.
    """
    path = activations_path(images, backbone, count, preprocess, cache)
    if not path.exists():
        was_training = backbone.training
        backbone.eval()
        try:
            fill_array(
                path,
                (len(pixels), *_shape(backbone, count, preprocess.size)),
                np.float16,
                partial(_made, pixels, backbone, count, preprocess, workers),
                SAVE * LOOK_BATCH,
                "leave out keep_frozen",
                "frozen stages",
                progress,
            )
        finally:
            backbone.train(was_training)
    return Activations(path)


def activations_path(
    images: str, backbone: torch.nn.Module, count: int, preprocess: Preprocess, cache: Path
) -> Path:
    """`cache/stages-{hash of the images' fingerprint, the preprocessing and the parameters}.npy`."""
    digest = hashlib.sha256(f"{images} {preprocess} {count}".encode())
    front = (backbone.conv_stem, backbone.bn1, *backbone.blocks[:count])
    for tensor in (tensor for part in front for tensor in part.state_dict().values()):
        positive = tensor.detach().cpu() + 0  # a moving average makes 0.0 of -0.0
        digest.update(positive.contiguous().numpy().tobytes())
    return cache / f"stages-{digest.hexdigest()[:20]}.npy"


def _shape(backbone: torch.nn.Module, count: int, size: int) -> tuple[int, ...]:
    """(h, w, C) of what first stages make of an image of size x size pixels."""
    place = next(backbone.parameters())
    with torch.inference_mode():
        made = first_stages(backbone, count, torch.zeros(1, 3, size, size, device=place.device))
    return tuple(made.permute(0, 2, 3, 1).shape[1:])


def _made(
    pixels: Pixels,
    backbone: torch.nn.Module,
    count: int,
    preprocess: Preprocess,
    workers: int,
    start: int,
) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """The activations from row `start` on, batch by batch, each with its first row."""
    device = next(backbone.parameters()).device
    rows = np.arange(start, len(pixels))
    plan = [rows[first : first + LOOK_BATCH] for first in range(0, len(rows), LOOK_BATCH)]
    with closing(batches(pixels, plan, workers)) as loader:
        for some, loaded in loader:
            with torch.inference_mode():
                made = first_stages(backbone, count, preprocess.normalise(loaded.to(device)))
                yield int(some[0]), made.permute(0, 2, 3, 1).half().cpu().numpy()
