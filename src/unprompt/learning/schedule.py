"""How the learning rate goes over the steps of a training."""

from __future__ import annotations

import math


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate in step 0 … steps - 1: a linear rise, then half a cosine to 0.

    Loshchilov & Hutter 2017, "SGDR", eq. 5, with one period.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
