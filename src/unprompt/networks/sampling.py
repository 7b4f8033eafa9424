"""Drawing several texts from a network that writes them word by word.

Each of K texts has a number in 0 … 1 for each step, the same for every image, and says the word in whose
share of the probability the number falls (the inverse of the distribution function). In each step the numbers
are spread evenly, one in each K-th part of 0 … 1, in an order of their own. This is stratified sampling,
whose means vary less than those of independent draws; and an image's texts depend on nothing but the image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

ROUNDING = 2.0**-20  # more than float32's


def even_draws(samples: int, steps: int) -> Tensor:
    """(K, steps) numbers in 0 … 1, of which each column has one in each K-th part."""
    rng = np.random.default_rng(0)
    columns = [(rng.permutation(samples) + rng.random(samples)) / samples for _ in range(steps)]
    return torch.from_numpy(np.stack(columns, 1).astype(np.float32))


def draw(probabilities: Tensor, numbers: Tensor) -> Tensor:
    """(..., V) probabilities of any sum and (...) numbers in 0 … 1 -> (...) places in 0 … V - 1."""
    sums = probabilities.cumsum(-1)
    # A little less, so that rounding never reaches the end, where places may have no probability.
    at = (numbers * (1 - ROUNDING) * sums[..., -1])[..., None]
    return torch.searchsorted(sums, at, right=True).squeeze(-1)


class DrawEvenly:
    """A logits processor of transformers', for one call of `generate`: it leaves each row the drawn word.

    `numbers`: (K, steps). Rows are K for each image, one image after the other.
    """

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers
        self._step = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        samples = len(self._numbers)
        numbers = self._numbers[:, self._step].to(scores.device).repeat(len(scores) // samples)
        self._step += 1
        drawn = draw(scores.float().softmax(1), numbers)
        return torch.full_like(scores, -torch.inf).scatter(1, drawn[:, None], 0.0)
