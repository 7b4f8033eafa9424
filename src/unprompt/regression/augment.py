"""Small changes to training images that leave their prompt true.

What happens to an image depends on the run's seed, the epoch and the image's row alone, never on the batch,
process or worker it comes with. All geometric changes are one resampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Draw = Callable[[str, int], NDArray[np.float32]]  # name, how many -> (B, how many) in [0, 1)

AUGMENTATIONS: Mapping[str, str] = {
    "crop": "a random square of 80 to 100% of the area, at full size",
    "shift": "moved by up to 6% of the side each way; what comes in is the mirrored edge",
    "flip": "half of the images mirrored left to right",
    "colour": "brightness, contrast and saturation changed by up to 15%",
    "blur": "half of the images blurred a little, as small pictures and JPEG files are",
    "erase": "half of the images lose a rectangle of 2 to 15% of the area",
}
LEAST_AREA = 0.8
SHIFT = 0.06
COLOUR = 0.15
BLUR = (0.3, 1.0)  # sigma in pixels
TAPS = 2  # pixels on either side that a blurred one takes in
ERASED = (0.02, 0.15)  # share of the area
ASPECT = 2.0  # longest side of an erased rectangle over its other one
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CPU_SLICE = 16  # images that are changed at a time on a CPU: they stay in its cache


def check_augmentations(names: Sequence[str]) -> None:
    """Raise ConfigError for a name that is not in AUGMENTATIONS."""
    unknown = [name for name in names if name not in AUGMENTATIONS]
    if unknown:
        raise ConfigError(f"there is no augmentation '{unknown[0]}'; there are: {', '.join(AUGMENTATIONS)}")


def augment(
    pixels: Any,
    names: Sequence[str],
    seed: int,
    epoch: int,
    rows: NDArray[np.int64],
    cpu_slice: int = CPU_SLICE,
) -> Any:
    """Tensor (B, S, S, 3) uint8 -> the same shape, changed by the augmentations in `names`.

    `rows`: (B,) the images' rows in their data set; with `seed` and `epoch` they decide everything, so an
    image alone becomes what it becomes in a batch on the same kind of device. The order of names does not
    matter; without names `pixels` itself comes back. Raises ConfigError for an unknown name.

    Mirroring (`flip`) is never a default: prompts speak of left and right, of text and of clock faces, which
    a mirrored image contradicts, and it cost most of the competition's entrants score.
    """
    check_augmentations(names)
    if not names:
        return pixels
    step = cpu_slice if pixels.device.type == "cpu" else len(pixels)
    parts = [slice(start, start + step) for start in range(0, len(pixels), step)]
    return torch.cat(
        [_augment(pixels[part], set(names), _drawing(seed, epoch, rows[part])) for part in parts]
    )


def _drawing(seed: int, epoch: int, rows: NDArray[np.int64]) -> Draw:
    """Random numbers for each row, in a stream of its own for each name."""

    def draw(name: str, count: int) -> NDArray[np.float32]:
        key = np.uint64(derive_seed(seed, "augment", name, epoch) << 32)
        images = _mixed(rows.astype(np.uint64) ^ key)  # (B,)
        return (_mixed(images[:, None] + np.arange(count).astype(np.uint64)) >> np.uint64(40)).astype(
            np.float32
        ) * np.float32(2**-24)

    return draw


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers one to one: a step of SplitMix64 (Steele, Lea and Flood 2014)."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _augment(pixels: Any, names: set[str], draw: Draw) -> Any:
    """(B, S, S, 3) uint8 -> (B, S, S, 3) uint8."""
    device = pixels.device
    planes = pixels.to(torch.float32).permute(0, 3, 1, 2)  # (B, 3, S, S)
    means = _mean_colours(planes)
    if names & {"crop", "shift", "flip"}:
        scale, offset = (torch.from_numpy(array).to(device) for array in _placement(names, draw, len(pixels)))
        planes = _resampled(planes, scale, offset)
    planes = planes.contiguous()
    if "colour" in names:
        factors = torch.from_numpy(1 + np.float32(COLOUR) * (2 * draw("colour", 3) - 1)).to(device)
        planes = _coloured(planes, means, factors)
    if "blur" in names:
        planes = _blurred(planes, torch.from_numpy(_blur_weights(draw("blur", 2))).to(device))
    if "erase" in names:
        edges = torch.from_numpy(_rectangles(draw("erase", 5), pixels.shape[1])).to(device)
        planes = _erased(planes, edges, means)
    levels = planes.round_().clamp_(0, 255).to(torch.uint8)
    return torch.stack(levels.unbind(1), dim=-1)  # faster than a permuted copy


def _mean_colours(planes: Any) -> Any:
    """(B, 3, S, S) whole numbers as float32 -> (B, 3). The sums are exact in any order of adding."""
    return (planes.sum(3).to(torch.float64).sum(2) / planes.shape[-1] ** 2).to(torch.float32)


def _placement(names: set[str], draw: Draw, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where an image's pixels come from: (B, 2) scale and offset of x and y, on a scale of -1 to 1."""
    scale = np.ones((count, 2), dtype=np.float32)
    offset = np.zeros((count, 2), dtype=np.float32)
    if "crop" in names:
        numbers = draw("crop", 3)
        scale *= np.sqrt(LEAST_AREA + (1 - LEAST_AREA) * numbers[:, :1])
        offset += (1 - scale) * (2 * numbers[:, 1:] - 1)
    if "shift" in names:
        offset += 2 * SHIFT * (2 * draw("shift", 2) - 1)
    if "flip" in names:
        scale[draw("flip", 1)[:, 0] < 0.5, 0] *= -1
    return scale, offset


def _resampled(planes: Any, scale: Any, offset: Any) -> Any:
    """(B, 3, S, S) float32, each image at its own scale and offset (B, 2); beyond an edge it is mirrored."""
    count, side = len(planes), planes.shape[-1]
    centres = (2 * torch.arange(side, device=planes.device, dtype=torch.float32) + 1) / side - 1  # (S,)
    x, y = (scale[:, axis, None] * centres + offset[:, axis, None] for axis in (0, 1))  # (B, S)
    x, y = (2 * places.clamp(-1, 1) - places for places in (x, y))  # mirrored here: S places instead of S x S
    grid = torch.stack(
        [x[:, None, :].expand(count, side, side), y[:, :, None].expand(count, side, side)], dim=-1
    )
    return F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _coloured(planes: Any, means: Any, factors: Any) -> Any:
    """Brightness, contrast and saturation by (B, 3) factors b, c, s, in that order, as one map.

    x -> b x, then c x + (1 - c) mean grey of the image, then s x + (1 - s) grey of the pixel.
    """
    brightness, contrast, saturation = (factors[:, number, None, None] for number in range(3))  # (B, 1, 1)
    gain = brightness * contrast
    mean_grey = brightness * _grey(means[:, :, None, None])  # (B, 1, 1)
    grey = _grey(planes).mul_(gain * (1 - saturation)).add_((1 - contrast) * mean_grey)
    return planes.mul_((gain * saturation)[:, None]).add_(grey[:, None])


def _grey(planes: Any) -> Any:
    """(B, 3, ...) -> (B, ...) luma."""
    red, green, blue = planes.unbind(1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _blur_weights(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, 2) in [0, 1) -> (B, TAPS + 1) weights of a pixel and of those 1, 2 … away; half are 1, 0, 0."""
    sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * numbers[:, 1:]
    weights = np.exp(-0.5 * (np.arange(TAPS + 1, dtype=np.float32) / sigma) ** 2)
    weights[numbers[:, 0] < 0.5] = np.eye(TAPS + 1, dtype=np.float32)[0]
    weights /= weights[:, :1] + 2 * weights[:, 1:].sum(1, keepdims=True)
    return weights


def _blurred(planes: Any, weights: Any) -> Any:
    """(B, 3, S, S) float32 smoothed along y, then x, each image with its own weights."""
    side = planes.shape[-1]
    for dim, padding in ((2, (0, 0, TAPS, TAPS)), (3, (TAPS, TAPS, 0, 0))):
        padded = F.pad(planes, padding, mode="replicate")
        planes = weights[:, 0, None, None, None] * planes
        for away in range(1, TAPS + 1):
            both = padded.narrow(dim, TAPS - away, side) + padded.narrow(dim, TAPS + away, side)
            planes += weights[:, away, None, None, None] * both
    return planes


def _rectangles(numbers: NDArray[np.float32], side: int) -> NDArray[np.int64]:
    """(B, 5) in [0, 1) -> (B, 4) left, top, right, bottom in pixels; empty for half of the images."""
    area = ERASED[0] + (ERASED[1] - ERASED[0]) * numbers[:, 1]
    stretch = np.sqrt(ASPECT ** (2 * numbers[:, 2] - 1))
    size = np.sqrt(area)[:, None] * np.stack([stretch, 1 / stretch], axis=1)  # (B, 2) share of the side
    size[numbers[:, 0] < 0.5] = 0
    start = (1 - size) * numbers[:, 3:]
    edges: NDArray[np.int64] = np.rint(side * np.concatenate([start, start + size], axis=1)).astype(np.int64)
    return edges


def _erased(planes: Any, edges: Any, fill: Any) -> Any:
    """(B, 3, S, S) with each image's rectangle (B, 4) in its colour of `fill` (B, 3)."""
    places = torch.arange(planes.shape[-1], device=planes.device)
    left, top, right, bottom = edges.T[:, :, None]  # (B, 1) each
    columns = (places >= left) & (places < right)  # (B, S)
    lines = (places >= top) & (places < bottom)
    inside = lines[:, None, :, None] & columns[:, None, None, :]  # (B, 1, S, S)
    return torch.where(inside, fill[:, :, None, None], planes)
