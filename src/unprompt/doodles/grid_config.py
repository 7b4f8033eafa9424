"""Settings of captioners that look at pixels, and of their training. Light to import."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unprompt.doodles.scenes_config import SceneConfig
from unprompt.errors import ConfigError
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.schedule import Schedule
from unprompt.settings import DEVICES, setting


@dataclass(frozen=True)
class GridConfig:
    """A writer of facts that looks at what a frozen network of timm's says of each place of a picture.

    `tokens`: all it can write. `channels`: of the network's last map.
    """

    tokens: tuple[str, ...] = ()
    channels: int = 1280
    backbone: str = "tf_efficientnet_lite0"
    size: int = 160
    width: int = 256
    layers: int = 1
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(self.tokens))
        if min(self.width, self.heads, self.layers) < 1:
            raise ConfigError("width, heads and layers of a writer must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"width must be a multiple of {self.heads} heads, got {self.width}")


@dataclass(frozen=True)
class PixelScenes:
    """Which scenes a captioner of pixels learns from."""

    scenes: int = setting(4000, "scenes that are composed to learn from", least=8)
    touching: float = setting(0.5, "share of scenes in which things touch and overlap", least=0, most=1)
    warp: float = setting(0.5, "how far drawings are stretched, turned and shaken", least=0, most=1)

    def composed(self, seed: int) -> SceneConfig:
        """Half of them of common nouns, half of any."""
        return SceneConfig(self.scenes, seed, "mixed", self.touching, warp=self.warp)


@dataclass(frozen=True)
class PixelMachine:
    """Settings of a training that decide how fast it is, not what comes out."""

    device: str = setting("auto", DEVICES, metavar="DEVICE")


@dataclass(frozen=True)
class GridTraining(PixelScenes, Schedule):
    """Settings of a training of the writer."""

    epochs: int = setting(12, "how often each scene is learnt from", least=1)
    batch: int = setting(32, "scenes a step", least=1)
    learning_rate: float = setting(
        1e-3, "peak, after the warm-up; then half a cosine to 0", above=0, below=math.inf
    )
    backbone: str = setting("tf_efficientnet_lite0", "timm's network that looks at pictures", metavar="NAME")
    size: int = setting(160, "pixels a side that it sees", least=32)
    width: int = setting(256, "of the writer", least=8)
    layers: int = setting(1, "of the writer", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.writer((), GridConfig.channels)

    def writer(self, tokens: tuple[str, ...], channels: int) -> GridConfig:
        """The writer's own settings. Raises ConfigError for a width that its heads do not divide."""
        return GridConfig(tokens, channels, self.backbone, self.size, self.width, self.layers)


@dataclass(frozen=True)
class LstmTraining(PixelScenes, CnnLstmTraining):
    """Settings of a training of a CNN-LSTM on scenes."""

    size: int = setting(160, "pixels a side that it sees", least=32)
    stages: bool = setting(True, "tell of each of its stages, not of its last layer alone")

    def lstm(self) -> CnnLstmTraining:
        """Those of the CNN-LSTM itself."""
        return CnnLstmTraining(**{name: getattr(self, name) for name in CnnLstmTraining.__dataclass_fields__})
