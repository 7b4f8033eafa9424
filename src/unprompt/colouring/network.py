"""The small painter: reads line art and words, and chooses a colour for each region. Torch modules.

Regions and words are tokens of one small transformer (Vaswani et al. 2017). A region's choice is a pointer to
one of the colours that the words name (Vinyals et al. 2015, "Pointer Networks"), paper, or a usual colour.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from unprompt.colouring.examples import CHOICES, IGNORED, SHAPE, SLOTS
from unprompt.colouring.network_config import PainterConfig
from unprompt.colouring.palette import CLASSES
from unprompt.records import DIM

GROUPS = 8
LOOKED = 64  # numbers that line art is described by at each place
NEVER = -1e4


class Inputs(NamedTuple):
    """A batch of B drawings with up to R regions, and texts of up to T tokens and M named colours.

    `ink`: (B, 1, side, side), 0 … 1. `points`: (B, R, P, 2) in -1 … 1. `shapes`: (B, R, SHAPE). `there`: (B,
    R) which regions are no filling. `states`: (B, T, 384). `spoken`: (B, T) which tokens are no filling.
    `slots`: (B, M) the token of each named colour, -1 for filling. `basics`: (B, M) its number in CLASSES.
    """

    ink: Tensor
    points: Tensor
    shapes: Tensor
    there: Tensor
    states: Tensor
    spoken: Tensor
    slots: Tensor
    basics: Tensor


class Painter(nn.Module):  # type: ignore[misc]
    """`Inputs` -> logits (B, R, CHOICES + M): paper, the usual colours, and the named ones."""

    def __init__(self, config: PainterConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or PainterConfig()
        width = config.width
        self.eye = _Eye(config.filters)
        self.region = nn.Sequential(nn.Linear(2 * LOOKED + SHAPE, width), nn.GELU(), nn.Linear(width, width))
        self.whole = nn.Linear(self.eye.deepest, width)
        self.word = nn.Linear(DIM, width)
        self.basic = nn.Embedding(len(CLASSES), width)
        self.which = nn.Parameter(torch.zeros(SLOTS, width))
        self.reader = _Layer(width, config.heads, crossed=False)
        self.layers = nn.ModuleList(_Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, CHOICES)
        self.points_at = nn.Linear(width, width)
        self.pointed = nn.Linear(width, width)

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits; those of filling are NEVER."""
        maps, whole = self.eye(inputs.ink)
        looked = functional.grid_sample(maps, inputs.points, align_corners=False)  # (B, C, R, P)
        looked = torch.cat([looked.mean(3), looked.amax(3)], 1).transpose(1, 2)
        regions = self.region(torch.cat([looked, inputs.shapes], 2))
        regions = torch.cat([self.whole(whole)[:, None], regions], 1)
        there = functional.pad(inputs.there, (1, 0), value=True)

        words = self.word(inputs.states)
        named = inputs.slots >= 0
        at = inputs.slots.clamp(min=0)[..., None].expand(-1, -1, words.shape[2])
        marks = (self.basic(inputs.basics) + self.which[: inputs.slots.shape[1]]) * named[..., None]
        words = words.scatter_add(1, at, marks)
        words = self.reader(words, inputs.spoken)
        for layer in self.layers:
            regions = layer(regions, there, words, inputs.spoken)
        regions = self.norm(regions[:, 1:])
        pointed = self.pointed(words.gather(1, at))
        scores = self.points_at(regions) @ pointed.transpose(1, 2) / pointed.shape[2] ** 0.5
        scores = scores.masked_fill(~named[:, None], NEVER)
        return torch.cat([self.own(regions), scores], 2)


class _Eye(nn.Module):  # type: ignore[misc]
    """Line art (B, 1, S, S) -> what is at each place (B, LOOKED, S / 4, S / 4), and of all (B, deepest)."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        widths = [3 * filters, 6 * filters, 6 * filters]
        self.deepest = widths[-1]
        before = [filters, *widths]
        self.stem = _convolution(1, filters, 2)
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(before[n], widths[n], 2), _Block(widths[n])) for n in range(3)
        )
        self.across = nn.ModuleList(nn.Conv2d(width, LOOKED, 1) for width in widths)

    def forward(self, ink: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.stem(ink)
        levels = []
        for down in self.down:
            seen = down(seen)
            levels.append(seen)
        found = self.across[-1](levels[-1])
        for across, level in zip(reversed(self.across[:-1]), reversed(levels[:-1]), strict=True):
            found = across(level) + functional.interpolate(found, size=level.shape[-2:], mode="bilinear")
        return found, seen.mean((2, 3))


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_convolution(width, width), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, seen: Tensor) -> Tensor:
        return functional.gelu(seen + self.inner(seen))


def _convolution(before: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(GROUPS, width),
        nn.GELU(),
    )


class _Layer(nn.Module):  # type: ignore[misc]
    """Tokens look at each other, then at others, then each thinks for itself; norms come first."""

    def __init__(self, width: int, heads: int, crossed: bool = True) -> None:
        super().__init__()
        self.among = _Attention(width, heads)
        self.across = _Attention(width, heads) if crossed else None
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(
        self, tokens: Tensor, there: Tensor, others: Tensor | None = None, others_there: Tensor | None = None
    ) -> Tensor:
        tokens = tokens + self.among(tokens, None, there)
        if self.across is not None:
            tokens = tokens + self.across(tokens, others, others_there)
        return tokens + self.think(tokens)


class _Attention(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.asks = nn.Linear(width, width)
        self.answers = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: Tensor | None, there: Tensor | None) -> Tensor:
        normed = self.norm(tokens)
        batch, count, width = normed.shape
        source = normed if others is None else others

        def split(values: Tensor) -> Tensor:
            return values.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        keys, values = self.answers(source).chunk(2, 2)
        mask = None if there is None else there[:, None, None]
        looked = functional.scaled_dot_product_attention(
            split(self.asks(normed)), split(keys), split(values), attn_mask=mask
        )
        return self.out(looked.transpose(1, 2).reshape(batch, count, width))


def loss_of(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean cross entropy over drawings, each of its regions (B, R) by their weights; IGNORED has none."""
    each = functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    weights = weights * (targets != IGNORED)
    return ((each * weights).sum(1) / weights.sum(1).clamp(min=1e-6)).mean()
