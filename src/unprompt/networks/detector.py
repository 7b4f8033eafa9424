"""A detector of COCO's 80 kinds of things. Its weights lie in the package; data/detector.json says whence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.networks.cores import torch_on_one_thread
from unprompt.networks.shipped import read_shipped
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

INPUT_SIZE = 300  # pixels; the whole image is squeezed into this square, as the network was trained
CPU_BATCH = 4
GPU_BATCH = 64
BOXES = 30  # at most this many are kept of an image
LEAST = 0.1  # probability below which a box says nothing
SAME = 0.5  # intersection over union above which two boxes of one kind are one thing
NOTHING = -1  # the kind that fills up the rows of images with fewer boxes


class Detector:
    """SSDLite-MobileNetV2 as a backbone: its features are boxes, their kinds and probabilities."""

    name = "detector"
    title = "SSDLite-MobileNetV2, a detector of 80 kinds of things"

    def __init__(self, network: Any, device: str) -> None:
        self._network = network
        self._device = device
        self.batch = CPU_BATCH if device == "cpu" else GPU_BATCH

    @classmethod
    def load(cls, device: str = "cpu") -> Detector:
        """Read the package's weights. Raises CheckpointError where they are not whole."""
        with needed_for("this bundle", "lite"):
            from unprompt.networks.ssdlite import SsdLite
        with torch_on_one_thread():
            network = SsdLite()
            network.load_state_dict(read_shipped("detector"))  # in 16 bits there, in 32 here
        return cls(network.eval().requires_grad_(False).to(device), device)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """The whole image in the network's square: RGB image -> (300, 300, 3) uint8."""
        return np.asarray(image.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR))

    def features(self, prepared: Sequence[NDArray[Any]]) -> FloatArray:
        """B times (300, 300, 3) uint8 -> (B, 30, 6) float32: kind, probability, top, left, bottom, right.

        Boxes are sorted by probability; kinds are COCO's ids, 1 to 90; rows without a box have the kind -1.
        Sides are shares of the image's height and width, and may lie outside of it.
        """
        import torch

        pixels = torch.from_numpy(np.stack(prepared)).to(self._device)  # (B, H, W, 3)
        found = np.full((len(prepared), BOXES, 6), NOTHING, dtype=np.float32)
        with torch.inference_mode():
            boxes, probabilities = self._network(pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1))
            for row, (places, each) in enumerate(zip(boxes, probabilities, strict=True)):
                anchors, kinds = (each[:, 1:] >= LEAST).nonzero(as_tuple=True)  # without the background
                scores = each[anchors, kinds + 1]
                some = torch.column_stack((kinds + 1, scores, places[anchors])).cpu().numpy()
                kept = some[distinct(some)]
                found[row, : len(kept)] = kept
        return found


def distinct(boxes: FloatArray) -> list[int]:
    """The rows of the surest BOXES of which none is the same thing as a surer one, the surest first.

    (N, 6) float32: kind, probability, top, left, bottom, right; boxes of one kind whose intersection over
    union is above SAME are the same thing. torchvision's `batched_nms` gives the same rows; its import takes
    as long as torch's.
    """
    kinds, corner, far = boxes[:, 0], boxes[:, 2:4], boxes[:, 4:]
    areas = (far - corner).prod(axis=1)
    left = np.argsort(-boxes[:, 1], kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < BOXES:
        first, left = left[0], left[1:]
        kept.append(int(first))
        sides = np.minimum(far[first], far[left]) - np.maximum(corner[first], corner[left])
        shared = np.clip(sides, 0, None).prod(axis=1)
        same = shared / (areas[first] + areas[left] - shared) > SAME
        left = left[~same | (kinds[left] != kinds[first])]
    return kept
