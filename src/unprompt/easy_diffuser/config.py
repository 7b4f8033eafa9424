"""Settings of Easy Diffuser, light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError

COMMON, POCKET = "common", "pocket"  # the lists of tags that come with the package
FEWEST = 10  # images to fit on
URL = "http://127.0.0.1:7860"  # where the web UI listens unless told otherwise
STEPS = 10
ANSWER_SECONDS = 300.0  # a picture can take minutes


@dataclass(frozen=True)
class FitConfig:
    """What is fitted. `tags`: the name of a list of the package's, or a file."""

    bundle: str = DEFAULT_BUNDLE
    device: str = "auto"
    tags: str = COMMON
    limit: int = 2000  # images that are looked at, drawn from all (0: all)
    held_out: float = 0.3  # share of the images that grade
    group_cosine: float = 0.7  # prompts this near are not divided between fitting and grading
    seed: int = 0

    def __post_init__(self) -> None:
        if self.limit != 0 and self.limit < FEWEST:
            raise ConfigError(f"limit must be at least {FEWEST} images, or 0 for all, got {self.limit}")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out is a share between 0 and 1, got {self.held_out}")
        if not 0 < self.group_cosine <= 1:
            raise ConfigError(f"group_cosine is a cosine, above 0 and up to 1, got {self.group_cosine}")
