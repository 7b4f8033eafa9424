"""Settings of `unprompt pocket`. Light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError


@dataclass(frozen=True)
class PocketConfig:
    """How much of what the pocket bundle is made of, and where settings of its trainings come from."""

    images: int = 100_000  # scenes to learn from
    held_out: int = 1000  # other scenes, to score on
    regression: Path | None = None  # TOML of `unprompt train`'s settings; None: the package's own
    clip: Path | None = None  # TOML of the CLIP's
    captioner: Path | None = None  # TOML of the captioner's
    workers: int = 2  # processes that draw

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("held_out", 2), ("workers", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
