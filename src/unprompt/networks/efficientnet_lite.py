"""EfficientNet-Lite2 as a torch module, batch norms folded in, and how the packaged file becomes its numbers.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1, without
what phones are slow at (squeeze and excitation, swish), as github.com/tensorflow/tpu has it under
models/official/efficientnet/lite. timm has the same network, to which tests hold this one; it is written
out here because timm's import, which is that of all its models and of torch._dynamo, takes longer than
torch's own and many times as long as to look at an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unprompt.networks.inverted_residuals import Block, Convolution

STEM, LAST, CLASSES = 32, 1280, 1000  # channels
# Blocks, width times what they are widened by inside, channels out, kernel, stride of the first block: the
# paper's table for Lite0, with channels times 1.1 in multiples of 8, and blocks times 1.2 but for both ends.
STAGES = (
    (1, 1, 16, 3, 1),
    (3, 6, 24, 3, 2),
    (3, 6, 48, 5, 2),
    (4, 6, 88, 3, 2),
    (4, 6, 120, 5, 1),
    (5, 6, 208, 5, 2),
    (1, 6, 352, 3, 1),
)
EPSILON = 1e-3  # of its batch norms
# What the file has of each batch norm.
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class EfficientNetLite2(nn.Module):  # type: ignore[misc]
    """Pixels -> the logits of ImageNet's 1,000 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, 2)
        self.blocks = nn.ModuleList(_blocks())
        self.last = Convolution(STAGES[-1][2], LAST, 1)
        self.classes = nn.Linear(LAST, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) between -1 and 1 -> (B, 1000)."""
        x = self.stem(pixels)
        for block in self.blocks:
            x, _ = block(x)
        logits: Tensor = self.classes(self.last(x).mean((2, 3)))
        return logits


def _blocks() -> Iterator[Block]:
    channels = STEM
    for count, widen, out, kernel, stride in STAGES:
        for number in range(count):
            yield Block(channels, widen, out, 1 if number else stride, kernel)
            channels = out


def load_folded(theirs: Mapping[str, Tensor]) -> EfficientNetLite2:
    """The network with the packaged file's tensors, in which a batch norm follows each convolution.

    The file has its tensors in the order in which images pass the layers, as the module has, and names of its
    own.
    """
    network = EfficientNetLite2()
    tensors = iter(theirs.values())
    state: dict[str, Tensor] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, Convolution):
            kernel = next(tensors)
            scale, shift, mean, variance, _ = (next(tensors) for _ in NORM)
            weight, bias = fuse_conv_bn_weights(kernel, None, mean, variance, EPSILON, scale, shift)
            state |= {f"{name}.weight": weight, f"{name}.bias": bias}
    state |= {"classes.weight": next(tensors), "classes.bias": next(tensors)}
    network.load_state_dict(state)
    return network
