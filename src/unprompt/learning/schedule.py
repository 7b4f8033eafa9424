"""How long a network learns, in which steps, and how its learning rate goes over them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from unprompt.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """How a network learns."""

    epochs: int = 5
    batch: int = 64  # examples a step
    learning_rate: float = 1e-3  # peak, after the warm-up; then half a cosine to 0
    weight_decay: float = 0.05  # of what has two dimensions and more
    warmup: float = 0.05  # share of all steps
    clip: float = 1.0  # longest gradient (0: any)
    seed: int = 0
    save_minutes: float = 3.0  # between two saves inside an epoch: what a kill can cost

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch", 1),
            ("weight_decay", 0),
            ("clip", 0),
            ("save_minutes", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup must be at least 0 and below 1, got {self.warmup}")

    def deciding(self) -> dict[str, Any]:
        """The settings on which the result depends."""
        return {name: value for name, value in asdict(self).items() if name != "save_minutes"}


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate in step 0 … steps - 1: a linear rise, then half a cosine to 0.

    Loshchilov & Hutter 2017, "SGDR", eq. 5, with one period.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
