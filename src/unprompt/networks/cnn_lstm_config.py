"""Sizes of a CNN-LSTM captioner and its words. Light to import."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.errors import ConfigError

SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")  # the first words of every vocabulary
PAD, START, END, UNKNOWN = range(len(SPECIAL))


@dataclass(frozen=True)
class CnnLstmConfig:
    """What a CNN-LSTM is built of.

    `vocabulary`: its V words, SPECIAL first. `features`: how many numbers it is told of an image. `backbone`,
    `size`, `stages`: the network that gives them (see `Eyes`); "" where they come from elsewhere.
    """

    vocabulary: tuple[str, ...]
    features: int
    backbone: str = ""
    size: int = 128
    stages: bool = False
    width: int = 256  # of the embeddings and of the LSTM's state
    dropout: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        if self.vocabulary[: len(SPECIAL)] != SPECIAL:
            raise ConfigError(f"a vocabulary begins with {' '.join(SPECIAL)}, got {self.vocabulary[:4]}")
        if min(self.features, self.width, self.size) < 1:
            raise ConfigError("features, width and size of a CNN-LSTM must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
