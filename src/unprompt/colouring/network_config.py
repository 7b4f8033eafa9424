"""Settings of the small painter and of its training. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError
from unprompt.learning.schedule import Schedule
from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class PainterConfig:
    """The small painter: all that decides the names and shapes of its weights."""

    side: int = setting(128, "side in pixels at which line art is seen", least=32, most=512)
    width: int = setting(128, "numbers that a region and a word are described by", least=8)
    layers: int = setting(3, "in which regions look at each other and at the words", least=1)
    heads: int = setting(4, "of attention", least=1)
    filters: int = setting(
        16, "of the first convolution, a multiple of 8; the next have 3 and 6 times as many", least=8
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.filters % 8:
            raise ConfigError(f"filters must be a multiple of 8, got {self.filters}")
        if self.width % self.heads:
            raise ConfigError(f"width must be a multiple of {self.heads} heads, got {self.width}")


@dataclass(frozen=True)
class PainterTraining(PainterConfig):
    """Settings of a training of the small painter that decide its result."""

    weights: Path | None = setting(
        None, "begin with the weights of a painter of the same sizes; none: from nothing", metavar="FILE"
    )
    epochs: int = setting(12, "how often each triple is seen", least=1)
    batch: int = setting(32, "triples a step", least=1)
    learning_rate: float = setting(
        1e-3, "peak, after a warm-up; then half a cosine to 0", metavar="LR", above=0, below=1
    )
    weight_decay: float = setting(0.02, "of what has two dimensions and more", least=0)
    ema: float = setting(0.998, "decay of the moving average of the weights; 0: none", least=0, below=1)
    other_colours: float = setting(
        0.6,
        "how often the named colours are taken for others, so that none belongs to a subject",
        least=0,
        most=1,
    )
    seed: int = setting(0, "of the first weights, the order and what is taken for what", least=0)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them; of a file of weights its name."""
        return {**asdict(self), "weights": self.weights.name if self.weights else None}

    @property
    def painter(self) -> PainterConfig:
        """The network's own settings."""
        return PainterConfig(self.side, self.width, self.layers, self.heads, self.filters)

    def schedule(self, save_minutes: float) -> Schedule:
        """How it learns."""
        return Schedule.of(self, save_minutes=save_minutes)
