"""What the two networks of a conditional GAN learn by: three kinds of loss, and both objectives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from unprompt.colouring_pages.config import PageTraining
    from unprompt.colouring_pages.network import Generator

Measured = tuple[Tensor, dict[str, Tensor]]
Make = Callable[[Tensor], Tensor]  # sources (B, 3, H, W) -> what is made of them (B, C, H, W)
Judge = Callable[[Tensor, Tensor], Tensor]  # sources, and what is made of them -> scores (B, 1, h, w)


def score_losses(gan: str, scores: Tensor, real: bool) -> Tensor:
    """(B,): how far scores (B, 1, h, w) are from those of what is real, or of what is not.

    "vanilla": cross entropy (Goodfellow et al. 2014), "lsgan": squares (Mao et al. 2017), "wgangp": the
    critic's own value (Gulrajani et al. 2017).
    """
    scores = scores.float()
    sign = -1 if real else 1
    if gan == "vanilla":
        losses = functional.softplus(sign * scores)
    elif gan == "lsgan":
        losses = (scores - float(real)).square()
    else:
        losses = sign * scores
    return losses.flatten(1).mean(dim=1)


def slope_penalties(value: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """(B,): (length of the slope - 1) squared, somewhere between each real picture and the one made.

    `value`: pictures -> scores (B, 1, h, w), whose mean is the critic's value. Gulrajani et al. 2017,
    "Improved Training of Wasserstein GANs", eq. 3; the slope is that along the pictures, not their sources,
    since both are compared for the same source.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * made).detach().requires_grad_()
    values = value(between).flatten(1).mean(dim=1)  # (B,)
    (slopes,) = torch.autograd.grad(values.sum(), between, create_graph=True)
    lengths = (slopes.flatten(1).square().sum(dim=1) + 1e-16).sqrt()  # at 0 the root has no slope
    penalties: Tensor = (lengths - 1).square()
    return penalties


def line_entropies(logits: Tensor, truths: Tensor, line_weight: float) -> Tensor:
    """(B,): cross entropy of ink, pixel by pixel, where the ink of a line counts `line_weight` times.

    `logits` (B, C, H, W): twice them are the logits of white; `truths` in -1 … 1, where 1 is white. It asks
    how likely a line is at a pixel, where L1 asks for the likelier of line and paper: a border whose place is
    in doubt so becomes a soft ridge instead of nothing (Xie and Tu 2015, "Holistically-Nested Edge
    Detection", eq. 2, weighs lines likewise).
    """
    logits, ink = 2 * logits.float(), (1 - truths) / 2
    losses = line_weight * ink * functional.softplus(logits) + (1 - ink) * functional.softplus(-logits)
    return losses.flatten(1).mean(dim=1)


class Judging(nn.Module):  # type: ignore[misc]
    """The discriminator with its loss. The generator is looked through."""

    def __init__(self, discriminator: nn.Module, make: Make, gan: str, penalty: float) -> None:
        super().__init__()
        self.discriminator = discriminator
        self._make = make
        self._gan = gan
        self._penalty = penalty

    def forward(self, sources: Tensor, truths: Tensor) -> Measured:
        with torch.no_grad():
            made = self._make(sources).float()
        losses = score_losses(self._gan, self.discriminator(sources, made), real=False)
        losses = losses + score_losses(self._gan, self.discriminator(sources, truths), real=True)
        if self._gan == "wgangp":
            with torch.autocast(sources.device.type, enabled=False):  # slopes of slopes need the digits
                losses = losses + self._penalty * slope_penalties(
                    lambda pictures: self.discriminator(sources, pictures), truths, made
                )
        else:
            losses = losses / 2  # so that it learns more slowly than the generator (Isola et al., 3.3)
        return losses.mean(), {"discriminator": losses.detach().sum()}


class Drawing(nn.Module):  # type: ignore[misc]
    """The generator with its loss: how far it is off, and what a discriminator says, if there is one."""

    def __init__(self, generator: Generator, judge: Judge | None, config: PageTraining) -> None:
        super().__init__()
        self.generator = generator
        self._judge = judge
        self._config = config

    def forward(self, sources: Tensor, truths: Tensor) -> Measured:
        config = self._config
        logits = self.generator.logits(sources)
        made = torch.tanh(logits.float())
        distances = (made - truths).abs().flatten(1).mean(dim=1)  # (B,)
        losses, sums = config.l1_weight * distances, {"l1": distances.detach().sum()}
        if config.entropy_weight:
            entropies = line_entropies(logits, truths, config.line_weight)
            losses = losses + config.entropy_weight * entropies
            sums = {"entropy": entropies.detach().sum(), **sums}
        if self._judge is not None:
            doubts = score_losses(config.gan, self._judge(sources, made), real=True)
            losses = losses + config.gan_weight * doubts
            sums = {"generator": doubts.detach().sum(), **sums}
        return losses.mean(), sums
