"""pix2pix: a U-Net that makes a picture of a picture, and a PatchGAN that judges it. Torch modules.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", sections 3.2 and 6.1,
in the details as its authors' PyTorch code has them. Beside the paper's transposed convolutions a level may
double by repeating pixels before a convolution (Odena et al. 2016, "Deconvolution and Checkerboard
Artifacts"), and norms may be over groups of channels (Wu and He 2018), which see one picture alone.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unprompt.colouring_pages.config import DiscriminatorConfig, GeneratorConfig
from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNEL = 4
LEAK = 0.2
DEVIATION = 0.02  # of first weights
GROUPS = 8
ALWAYS_KEPT = 4  # outer levels that have no dropout


class Generator(nn.Module):  # type: ignore[misc]
    """(B, 3, H, W) in -1 … 1 -> (B, 1 or 3, H, W) in -1 … 1, where 1 is white.

    H and W are multiples of `config.multiple`; `draw` takes any size.
    """

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GeneratorConfig()
        widths = config.widths
        last = config.levels - 1
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            above = widths[level - 1] if level else 3
            self.down.append(_Halving(above, width, config.norm, outer=level == 0, inner=level == last))
            below = width if level == last or not config.skips else 2 * width
            dropout = config.dropout if ALWAYS_KEPT <= level < last else 0.0
            self.up.append(_Doubling(below, above if level else config.channels, config, dropout, level == 0))
        begin_weights(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Raises InputError for a height or width that cannot be halved so often."""
        return torch.tanh(self.logits(pictures))

    def logits(self, pictures: Tensor) -> Tensor:
        """What `forward` gives before it is bent into -1 … 1: twice that is the logit of being white."""
        height, width = pictures.shape[-2:]
        if height % self.config.multiple or width % self.config.multiple:
            raise InputError(
                f"a picture of {width} x {height} pixels cannot be halved {self.config.levels} times; "
                f"pad both sides to a multiple of {self.config.multiple}"
            )
        seen = [pictures]
        for down in self.down:
            seen.append(down(seen[-1]))
        made = seen.pop()
        for level in reversed(range(self.config.levels)):
            made = self.up[level](made)
            before = seen.pop()
            if level and self.config.skips:
                made = torch.cat([before, made], dim=1)
        return made

    def draw(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A picture of any size (H, W, 3) uint8 -> its ink (H, W) float32: 0 paper, 1 line.

        The network is put into evaluation mode: no dropout, no statistics of a batch. Sides are filled up by
        reflection, which is cut off again.
        """
        self.eval()
        height, width = rgb.shape[:2]
        more = self.config.multiple
        padding = ((0, -height % more), (0, -width % more), (0, 0))
        filled = np.pad(rgb, padding, mode="reflect")
        first = next(self.parameters())
        with torch.inference_mode():
            pixels = scaled(torch.from_numpy(filled).to(first.device)[None])  # (1, 3, H, W)
            made = self(pixels.to(first.dtype)).float()
            ink: NDArray[np.float32] = ink_of(made)[0, :height, :width].cpu().numpy()
        return ink


class Discriminator(nn.Module):  # type: ignore[misc]
    """A source (B, 3, H, W) and what is made of it (B, C, H, W) -> scores (B, 1, h, w) of its pieces."""

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        first = nn.Conv2d(config.channels, config.filters, KERNEL, stride=2, padding=1)
        layers: list[nn.Module] = [first, nn.LeakyReLU(LEAK)]
        width = config.filters
        for layer in range(1, config.layers + 1):
            before, width = width, config.filters * min(2**layer, 8)
            layers += [
                nn.Conv2d(
                    before,
                    width,
                    KERNEL,
                    stride=2 if layer < config.layers else 1,
                    padding=1,
                    bias=_has_bias(config.norm),
                ),
                new_norm(config.norm, width),
                nn.LeakyReLU(LEAK),
            ]
        layers.append(nn.Conv2d(width, 1, KERNEL, padding=1))
        self.layers = nn.Sequential(*layers)
        begin_weights(self)

    def forward(self, source: Tensor, made: Tensor) -> Tensor:
        scores: Tensor = self.layers(torch.cat([source, made], dim=1))
        return scores


class _Halving(nn.Module):  # type: ignore[misc]
    """A step down: leaky rectifier (but for the picture itself), convolution, norm (in the middle)."""

    def __init__(self, channels: int, out: int, norm: str, outer: bool, inner: bool) -> None:
        super().__init__()
        self.outer = outer
        self.convolution = nn.Conv2d(channels, out, KERNEL, stride=2, padding=1, bias=_has_bias(norm))
        self.norm = new_norm("none" if outer or inner else norm, out)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.norm(self.convolution(x if self.outer else functional.leaky_relu(x, LEAK)))
        return made


class _Doubling(nn.Module):  # type: ignore[misc]
    """A step up: rectifier, convolution, norm, dropout; the last has neither norm nor dropout."""

    def __init__(self, channels: int, out: int, config: GeneratorConfig, dropout: float, outer: bool) -> None:
        super().__init__()
        bias = outer or _has_bias(config.norm)
        if config.up == "upsample":
            self.convolution = RepeatedConvolution(channels, out, bias)
        else:
            self.convolution = nn.ConvTranspose2d(channels, out, KERNEL, stride=2, padding=1, bias=bias)
        self.norm = new_norm("none" if outer else config.norm, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.dropout(self.norm(self.convolution(functional.relu(x))))
        return made


class RepeatedConvolution(nn.Conv2d):  # type: ignore[misc]
    """Each pixel repeated as 2 x 2, then a convolution of 3 x 3: (B, C, H, W) -> (B, out, 2 H, 2 W).

    Where a pixel is repeated, its weights add up, so both are one transposed convolution of 4 x 4 with sums
    of neighbouring weights: less than half of the work, and no large picture in between.
    """

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        turned = functional.pad(self.weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
        sums = functional.avg_pool2d(turned, 2, stride=1, divisor_override=1)  # (C, out, 4, 4)
        made: Tensor = functional.conv_transpose2d(x, sums, self.bias, stride=2, padding=1)
        return made


def new_norm(norm: str, channels: int) -> nn.Module:
    """A norm of NORMS for so many channels."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "instance":
        return nn.InstanceNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(gcd(GROUPS, channels), channels)
    return nn.Identity()


def _has_bias(norm: str) -> bool:
    """Whether convolutions shift: as in the authors' code, only where the norm has no shift of its own."""
    return norm == "instance"


def begin_weights(network: nn.Module) -> None:
    """Draw first weights from N(0, 0.02), those of batch norms from N(1, 0.02), without shifts."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, DEVIATION)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, DEVIATION)
        if isinstance(getattr(module, "bias", None), Tensor):
            nn.init.zeros_(module.bias)


def scaled(pixels: Any) -> Tensor:
    """(B, H, W, C) uint8 -> (B, C, H, W) float32 in -1 … 1."""
    found: Tensor = pixels.permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1)
    return found


def ink_of(made: Tensor) -> Tensor:
    """(B, C, H, W) in -1 … 1, where 1 is white -> (B, H, W): 0 paper, 1 line."""
    ink: Tensor = (1 - made.mean(dim=1)) / 2
    return ink
