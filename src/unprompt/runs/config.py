"""Settings of `unprompt predict`. Light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError


@dataclass(frozen=True)
class PredictConfig:
    """Settings of a run of `unprompt predict`."""

    bundle: str = DEFAULT_BUNDLE
    recursive: bool = False
    device: str = "auto"
    workers: int = 0  # 0: one for each core
    chunk: int = 32  # images between two saves: what a kill can cost
    report_images: int = 120
    deadline: float | None = None  # seconds from the start of the command
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, least in (("workers", 0), ("chunk", 1), ("report_images", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.deadline is not None and self.deadline < 0:
            raise ConfigError(f"deadline must not be negative, got {self.deadline}")
