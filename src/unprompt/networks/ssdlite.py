"""SSDLite on MobileNetV2 as a torch module: the network of the TensorFlow Object Detection API, norms folded.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", section 6.2; the boxes are
coded as in Liu et al. 2016, "SSD: Single Shot MultiBox Detector".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from unprompt.networks.inverted_residuals import Block, Convolution

INPUT_SIZE = 300  # pixels; the anchors are made for it
CLASSES = 91  # background, and COCO's ids 1 to 90, of which ten are not used
# Width times what it is widened by inside, channels out, stride: MobileNetV2's table of 17 blocks.
BLOCKS = (
    (1, 16, 1),
    (6, 24, 2),
    (6, 24, 1),
    (6, 32, 2),
    (6, 32, 1),
    (6, 32, 1),
    (6, 64, 2),
    (6, 64, 1),
    (6, 64, 1),
    (6, 64, 1),
    (6, 96, 1),
    (6, 96, 1),
    (6, 96, 1),
    (6, 160, 2),
    (6, 160, 1),
    (6, 160, 1),
    (6, 320, 1),
)
FIRST_MAP = 13  # the block whose widened input, 576 channels of 19 x 19, is the first map with boxes
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))  # further maps: channels between, channels out
ANCHORS = (3, 6, 6, 6, 6, 6)  # boxes at each place of the maps
# The anchors' centres and sizes are multiplied or shifted by codes divided by these (SSD's "variances").
CENTRE_SCALE = 10.0
SIZE_SCALE = 5.0


class Extra(nn.Module):  # type: ignore[misc]
    """A further map of half the size: narrow, filter each channel with stride 2, widen."""

    def __init__(self, channels: int, inside: int, out: int) -> None:
        super().__init__()
        self.narrow = Convolution(channels, inside, 1)
        self.depthwise = Convolution(inside, inside, 3, 2, depthwise=True)
        self.widen = Convolution(inside, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, ceil(H / 2), ceil(W / 2))."""
        widened: Tensor = self.widen(self.depthwise(self.narrow(x)))
        return widened


class Head(nn.Module):  # type: ignore[misc]
    """Numbers at each place of a map, by a depthwise convolution and one of 1 x 1."""

    def __init__(self, channels: int, numbers: int) -> None:
        super().__init__()
        self.depthwise = Convolution(channels, channels, 3, depthwise=True)
        self.predict = Convolution(channels, numbers, 1, linear=True)

    def forward(self, x: Tensor, each: int) -> Tensor:
        """(B, C, H, W) -> (B, H * W * anchors, each)."""
        numbers = self.predict(self.depthwise(x))
        return numbers.permute(0, 2, 3, 1).reshape(len(x), -1, each)


class SsdLite(nn.Module):  # type: ignore[misc]
    """Pixels -> boxes and the probabilities of COCO's classes at 1,917 anchors."""

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, 2)
        widths = [32, *(out for _, out, _ in BLOCKS)]
        self.blocks = nn.ModuleList(
            Block(channels, widen, out, stride)
            for channels, (widen, out, stride) in zip(widths, BLOCKS, strict=False)
        )
        self.last = Convolution(widths[-1], 1280, 1)
        sizes = [1280, *(out for _, out in EXTRAS)]
        self.extras = nn.ModuleList(
            Extra(channels, inside, out)
            for (channels, _), (inside, out) in zip(pairwise(sizes), EXTRAS, strict=True)
        )
        maps = [widths[FIRST_MAP] * BLOCKS[FIRST_MAP][0], *sizes]
        self.boxes = nn.ModuleList(Head(width, 4 * count) for width, count in zip(maps, ANCHORS, strict=True))
        self.classes = nn.ModuleList(
            Head(width, CLASSES * count) for width, count in zip(maps, ANCHORS, strict=True)
        )
        self.register_buffer("anchors", torch.zeros(1917, 4))  # top, left, bottom, right; 0 to 1

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 300, 300) between -1 and 1 -> boxes (B, 1917, 4), probabilities (B, 1917, 91).

        A box is top, left, bottom, right as shares of the picture's height and width. Probabilities are
        each class's own (sigmoids); the first is the background's.
        """
        maps = list(self._maps(pixels))
        codes = torch.cat([head(one, 4) for head, one in zip(self.boxes, maps, strict=True)], dim=1)
        logits = torch.cat([head(one, CLASSES) for head, one in zip(self.classes, maps, strict=True)], dim=1)
        return self._decode(codes), logits.sigmoid()

    def _maps(self, pixels: Tensor) -> Iterator[Tensor]:
        x = self.stem(pixels)
        for row, block in enumerate(self.blocks):
            x, wide = block(x)
            if row == FIRST_MAP:
                yield wide
        x = self.last(x)
        yield x
        for extra in self.extras:
            x = extra(x)
            yield x

    def _decode(self, codes: Tensor) -> Tensor:
        """Codes at the anchors -> boxes, both (B, 1917, 4)."""
        corner, far = self.anchors[:, :2], self.anchors[:, 2:]
        sides = far - corner
        centre = corner + sides / 2 + codes[..., :2] / CENTRE_SCALE * sides
        half = sides * (codes[..., 2:] / SIZE_SCALE).exp() / 2
        return torch.cat([centre - half, centre + half], dim=-1)
