"""What a words captioner is built of. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unprompt.errors import ConfigError
from unprompt.networks.cnn_lstm_config import SPECIAL


@dataclass(frozen=True)
class EyesConfig:
    """A network of timm's, and the W words that a linear layer reads at each of its last map's places.

    `size`: pixels a side that it sees. `channels` and `places`: of the map.
    """

    backbone: str
    size: int
    fold_norms: bool
    channels: int
    places: int
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        if min(self.size, self.channels, self.places, len(self.words)) < 1:
            raise ConfigError("eyes have a size, channels, places and words, each at least 1")


@dataclass(frozen=True)
class WordsCaptionerConfig:
    """A captioner: its eyes, the V signs that it writes, SPECIAL first, and the sizes of the writer."""

    eyes: EyesConfig
    vocabulary: tuple[str, ...]
    width: int = 192
    encoder_layers: int = 1
    decoder_layers: int = 1
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.eyes, Mapping):  # as JSON has it
            object.__setattr__(self, "eyes", EyesConfig(**self.eyes))
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        if self.vocabulary[: len(SPECIAL)] != SPECIAL:
            raise ConfigError(f"a vocabulary begins with {' '.join(SPECIAL)}, got {self.vocabulary[:4]}")
        if min(self.width, self.heads, self.decoder_layers) < 1 or self.encoder_layers < 0:
            raise ConfigError("width, heads and layers of a captioner must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"width must be a multiple of {self.heads} heads, got {self.width}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
