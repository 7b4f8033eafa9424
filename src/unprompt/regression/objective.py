"""The loss: one minus the cosine, the competition's metric, with a share of squared error if wanted."""

from __future__ import annotations

import math

import torch

from unprompt.regression.model import EmbeddingRegressor


def loss_of(raw: torch.Tensor, targets: torch.Tensor, mse: float) -> torch.Tensor:
    """The loss of each row: (B, 384) of any length, (B, 384) unit rows -> (B,) float32.

    (1 - mse) (1 - cos(r, t)) + mse |r - t|^2. The second term, the squared error summed over the 384 numbers,
    also draws the length of r to 1; for unit rows it is twice the first.
    """
    numbers = raw.float()
    cosine = 1 - torch.cosine_similarity(numbers, targets)
    if not mse:
        return cosine
    return (1 - mse) * cosine + mse * (numbers - targets).square().sum(1)


class Objective(torch.nn.Module):  # type: ignore[misc]
    """A network with its loss, so that every wrapper (DDP, compile) sees one forward pass."""

    def __init__(self, network: EmbeddingRegressor, mse: float, channels_last: bool) -> None:
        super().__init__()
        self.network = network
        self._mse = mse
        self._channels_last = channels_last

    def forward(self, pixels: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, S, S, 3) uint8, (B, 384) unit rows -> losses (B,), cosines (B,) without gradient."""
        images = self.network.spec.preprocess.normalise(pixels)  # (B, 3, S, S), channels last
        raw = self.network.raw(images if self._channels_last else images.contiguous())
        cosines = torch.cosine_similarity(raw.detach().float(), targets)
        return loss_of(raw, targets, self._mse), cosines


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate in step 0 … steps - 1: a linear rise, then half a cosine to 0.

    Loshchilov & Hutter 2017, "SGDR", eq. 5, with one period.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
