"""What the packaged networks of images are made of: convolutions as TensorFlow pads them, norms folded in.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):  # type: ignore[misc]
    """A convolution with TensorFlow's SAME padding, and the rectifier clipped at 6 unless `linear`.

    SAME pads as much as an output of ceil(side / stride) needs, an odd number's rest at the right and bottom.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int = 1,
        *,
        depthwise: bool = False,
        linear: bool = False,
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=channels if depthwise else 1)
        self._linear = linear

    def reset_parameters(self) -> None:
        """Zeros: a state dict replaces them, and random numbers would be drawn in vain at each start."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, ceil(H / stride), ceil(W / stride))."""
        if self.kernel_size[0] > 1:
            vertical, horizontal = (
                max((-(-side // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - side, 0)
                for side in x.shape[-2:]
            )
            x = functional.pad(
                x, (horizontal // 2, horizontal - horizontal // 2, vertical // 2, vertical - vertical // 2)
            )
        x = super().forward(x)
        return x if self._linear else x.clamp_(0, 6)


class Block(nn.Module):  # type: ignore[misc]
    """An inverted residual: widen, filter each channel, narrow without a rectifier, add what came in."""

    def __init__(self, channels: int, widen: int, out: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        inside = channels * widen
        self.expand = Convolution(channels, inside, 1) if widen > 1 else None
        self.depthwise = Convolution(inside, inside, kernel, stride, depthwise=True)
        self.project = Convolution(inside, out, 1, linear=True)
        self._residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the block puts out, and its widened input."""
        wide = x if self.expand is None else self.expand(x)
        out = self.project(self.depthwise(wide))
        return (x + out if self._residual else out), wide
