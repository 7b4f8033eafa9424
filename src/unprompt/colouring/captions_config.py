"""Settings of captions for colouring. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError
from unprompt.networks.clip_config import ClipConfig
from unprompt.settings import check_settings, setting

FILLS, CAPTIONER, LSTM, INTERROGATOR = WAYS = ("fills", "captioner", "lstm", "interrogator")
NAMES = "names"  # nouns are what the files are called


@dataclass(frozen=True)
class FillSettings:
    """Captions that are measured."""

    noun: str = setting("", 'what all pictures show: "apple"', metavar="NOUN", shown="")
    nouns: str = setting(
        "",
        "what each shows: a CSV with the columns imgId,noun, or 'names' for the words of the files' names",
        metavar="CSV",
        shown="",
    )
    least: float = setting(0.04, "share of the figure that a colour has to have to be named", least=0, most=1)
    most: int = setting(4, "colours that are named", metavar="N", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.noun and self.nouns:
            raise ConfigError("--noun is one for all pictures, --nouns has one for each; give one of both")


@dataclass(frozen=True)
class ModelSettings:
    """Captions that a network writes."""

    model: Path | None = setting(
        None,
        "captioner: a folder of BLIP, BLIP-2 or GIT; lstm: captioner.safetensors of `colour train-captions`; "
        "interrogator: the CLIP's file or folder",
        metavar="PATH",
    )
    clip: str = setting(ClipConfig.clip, "interrogator: open_clip's name of the CLIP", metavar="MODEL")
    phrases: str = setting(
        "",
        "interrogator: your own flavors.txt, with a phrase a line, in place of the package's",
        metavar="FOLDER",
        shown="",
    )


@dataclass(frozen=True)
class CaptionWay:
    """How captions are written: `by` one of WAYS, and its settings."""

    by: str = FILLS
    fills: FillSettings = FillSettings()
    models: ModelSettings = ModelSettings()
    turn_into: bool = False

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise ConfigError(f"captions are written by {', '.join(WAYS)}, not by '{self.by}'")
        if self.by == FILLS and self.models != ModelSettings():
            raise ConfigError(
                "--model, --clip and --phrases belong to captions by a network; fills are measured"
            )
        if self.by != FILLS and self.fills != FillSettings():
            raise ConfigError(f"--noun, --nouns, --least and --most belong to --by fills, not to {self.by}")
        others = ModelSettings(model=self.models.model)
        if self.by not in (FILLS, INTERROGATOR) and self.models != others:
            raise ConfigError(f"--clip and --phrases belong to --by interrogator, not to {self.by}")
        if self.by == LSTM and self.models.model is None:
            raise ConfigError(
                "--by lstm needs --model RUN/captioner.safetensors of `unprompt colour train-captions`"
            )
