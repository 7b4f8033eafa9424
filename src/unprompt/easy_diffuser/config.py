"""Settings of Easy Diffuser, light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError

# Light, as this is: the command's options have them from here.
from unprompt.painting.webui_config import ANSWER_SECONDS as ANSWER_SECONDS
from unprompt.painting.webui_config import URL as URL
from unprompt.settings import DEVICES, check_settings, setting

COMMON, POCKET = "common", "pocket"  # the lists of tags that come with the package
GROUPS = ("quality", "anatomy", "marks", "framing")  # of usual words in negative prompts
FEWEST = 10  # images to fit on
STEPS = 10
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


@dataclass(frozen=True)
class NegativeConfig:
    """Which usual words a negative prompt gets, besides what is said of the picture."""

    words: tuple[str, ...] = setting(
        (), f"groups of usual words for the negative prompt: {', '.join(GROUPS)}", metavar="GROUP"
    )
    without_words: tuple[str, ...] = setting((), "words of these groups to leave out", metavar="WORD")

    def __post_init__(self) -> None:
        for group in self.words:
            if isinstance(self.words, str) or group not in GROUPS:
                given = self.words if isinstance(self.words, str) else group
                raise ConfigError(f"words must be a list of some of {', '.join(GROUPS)}, got '{given}'")
        if isinstance(self.without_words, str):
            raise ConfigError(f"without_words must be a list of words, got the text '{self.without_words}'")
        for name in ("words", "without_words"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
