"""Settings of Easy Diffuser, light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError
from unprompt.settings import DEVICES, check_settings, setting

COMMON, POCKET = "common", "pocket"  # the lists of tags that come with the package
FEWEST = 10  # images to fit on
URL = "http://127.0.0.1:7860"  # where the web UI listens unless told otherwise
STEPS = 10
ANSWER_SECONDS = 300.0  # a picture can take minutes
TAGS = f"tags to choose from: {COMMON}, {POCKET}, or a file with one a line"


@dataclass(frozen=True)
class FitConfig:
    """What is fitted."""

    bundle: str = setting(DEFAULT_BUNDLE, "whose CLIP looks at the images")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    tags: str = setting(COMMON, TAGS, metavar="LIST")
    limit: int = setting(2000, "images to look at, drawn from all; 0: all")
    held_out: float = setting(0.3, "share of the images that grades", metavar="SHARE", above=0, below=1)
    group_cosine: float = setting(
        0.7,
        "prompts this near are not divided between fitting and grading",
        metavar="COSINE",
        above=0,
        most=1,
    )
    seed: int = setting(0, "of draw and split")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.limit != 0 and self.limit < FEWEST:
            raise ConfigError(f"limit must be at least {FEWEST} images, or 0 for all, got {self.limit}")
