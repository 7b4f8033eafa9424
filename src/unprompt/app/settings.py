"""What the command tells the pages, by an environment variable: it is Streamlit that runs them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError

VARIABLE = "UNPROMPT_APP"


@dataclass(frozen=True)
class AppSettings:
    """Settings of the pages.

    `known`: a prompts.csv to look images up in. `root`: the folder below which people may name folders for
    runs; None: no runs. `out`: where the RUN folders go.
    """

    bundle: str = DEFAULT_BUNDLE
    device: str = "auto"
    known: Path | None = None
    root: Path | None = None
    out: Path = Path("runs")
    limit_mb: int = 20  # of one uploaded file
    most_files: int = 40  # captioned at a time

    def __post_init__(self) -> None:
        for name in ("limit_mb", "most_files"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def to_json(self) -> str:
        """The settings as the variable's text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> AppSettings:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        for name in ("known", "root", "out"):
            if content[name] is not None:
                content[name] = Path(content[name])
        return cls(**content)


def current_settings() -> AppSettings:
    """The settings of this server; the defaults where a page is run without the command."""
    text = os.environ.get(VARIABLE)
    return AppSettings.from_json(text) if text else AppSettings()
