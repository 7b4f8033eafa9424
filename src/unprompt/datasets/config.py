"""Settings of `unprompt describe`. Light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.errors import ConfigError


@dataclass(frozen=True)
class DescribeConfig:
    """Settings of `unprompt describe`."""

    images: int = 60  # on the contact sheet
    checked: int = 2000  # images that are decoded to find sizes and damage, beside those on the sheet
    device: str = "auto"  # for the embeddings, where the data set has none

    def __post_init__(self) -> None:
        for name in ("images", "checked"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")
