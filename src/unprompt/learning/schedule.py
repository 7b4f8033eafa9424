"""How long a network learns, in which steps, and how its learning rate goes over them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from unprompt.errors import ConfigError
from unprompt.settings import DEVICES, check_settings, setting


@dataclass(frozen=True)
class Schedule:
    """How a network learns."""

    epochs: int = setting(5, "how often each example is learnt from", least=1)
    batch: int = setting(64, "examples a step", least=1)
    learning_rate: float = setting(
        1e-3, "peak, after the warm-up; then half a cosine to 0", above=0, below=math.inf
    )
    weight_decay: float = setting(0.05, "of what has two dimensions and more", least=0)
    warmup: float = setting(0.05, "share of all steps", least=0, below=1)
    clip: float = setting(1.0, "longest gradient; 0: any", least=0)
    seed: int = 0
    save_minutes: float = setting(3.0, "between two saves inside an epoch: what a kill can cost", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")

    @classmethod
    def of(cls, settings: Any, **others: Any) -> Schedule:
        """The schedule that the settings of a training have, by the names here; `others` go before them."""
        names = (item.name for item in fields(cls))
        return cls(**{name: getattr(settings, name) for name in names if hasattr(settings, name)} | others)

    def deciding(self) -> dict[str, Any]:
        """The settings on which the result depends."""
        return {name: value for name, value in asdict(self).items() if name != "save_minutes"}

    def share(self, step: int, steps: int) -> float:
        """The share of the peak learning rate in step 0 … steps - 1."""
        return learning_rate_share(step, steps, self.warmup)


@dataclass(frozen=True)
class TrainingMachine:
    """Settings of a training that decide how fast it is, not what comes out."""

    device: str = setting("auto", DEVICES, metavar="DEVICE")
    save_minutes: float = setting(
        3.0, "minutes between two saves: what a kill can cost", least=0, below=math.inf
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """At the peak for the first half of the steps, then on a straight line to 0; there is no warm-up.

    Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", as its authors'
    code has it, by steps in place of epochs.
    """

    def share(self, step: int, steps: int) -> float:
        """The share of the peak learning rate in step 0 … steps - 1."""
        half = steps // 2
        return min(1.0, (steps - step) / (steps - half))


@dataclass(frozen=True)
class Constant(Schedule):
    """At the peak from the first step to the last, after a warm-up of `warmup_steps` on a straight line."""

    warmup_steps: int = 0

    def share(self, step: int, steps: int) -> float:
        """The share of the peak learning rate in step 0 … steps - 1."""
        return min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0


def learning_rate_share(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate in step 0 … steps - 1: a linear rise, then half a cosine to 0.

    Loshchilov & Hutter 2017, "SGDR", eq. 5, with one period.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
