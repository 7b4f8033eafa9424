"""Settings of `unprompt pocket`. Light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class PocketConfig:
    """How much of what the pocket bundle is made of, and where settings of its trainings come from.

    A training without a file has the package's own settings.
    """

    images: int = setting(140_000, "scenes to learn from", least=1)
    held_out: int = setting(1000, "other scenes, to score on", least=2)
    regression: Path | None = setting(
        None, "settings of the regression's training", flag="config", metavar="TOML"
    )
    clip: Path | None = setting(None, "settings of the CLIP's training", metavar="TOML")
    captioner: Path | None = setting(None, "settings of the captioner's training", metavar="TOML")
    workers: int = setting(2, "processes that draw", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
