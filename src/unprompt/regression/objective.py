"""The loss: one minus the cosine, the competition's metric; with shares of squared error and of words."""

from __future__ import annotations

import torch

from unprompt.regression.model import EmbeddingRegressor
from unprompt.regression.words import word_loss


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

    def __init__(
        self,
        network: EmbeddingRegressor,
        mse: float,
        word_share: float,
        channels_last: bool,
        stages: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self._mse = mse
        self._word_share = word_share
        self._channels_last = channels_last
        self._stages = stages

    def forward(
        self, loaded: torch.Tensor, targets: torch.Tensor, words: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Images as `network.inputs` takes them, (B, 384) unit rows -> mean loss, sums of losses and cosines.

        `words`: (B, L) as `word_rows` gives them, for a words head. The sums have no gradient.
        """
        batch = self.network.inputs(loaded, self._stages)
        features = self.network.features(batch if self._channels_last else batch.contiguous(), self._stages)
        head = self.network.head
        logits = None if words is None else head.logits(features)
        raw = head(features) if logits is None else head.meaning(logits)
        losses = loss_of(raw, targets, self._mse)
        if words is not None:
            losses = losses + self._word_share * word_loss(logits, words)
        cosines = torch.cosine_similarity(raw.detach().float(), targets)
        return losses.mean(), {"loss": losses.detach().sum(), "train": cosines.sum()}
