"""Settings of `unprompt doodle data`. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError
from unprompt.settings import check_settings, setting

CHANNELS = ("rgb", "grey")
GROUNDS = ("white", "black")


@dataclass(frozen=True)
class DoodleSetSettings:
    """What a set of doodles is made like: the same sources and settings give the same bytes."""

    most: int = setting(
        1000, "drawings of each word that are kept, chosen by chance; 0: all", metavar="N", least=0
    )
    validation: float = setting(0.1, "share of the drawings that is kept for validation", least=0, below=1)
    test: float = setting(0.1, "share of the drawings that is kept for the test", least=0, below=1)
    own_splits: bool = setting(True, "keep what a source itself calls train, validation or test apart")
    recognised: bool = setting(
        False, "leave out drawings that the game's network did not guess", flag="recognised-only"
    )
    epsilon: float = setting(
        2.0,
        "points within this of a line, of 255, are left out; simplified drawings stay as they are",
        least=0,
    )
    size: int = setting(
        224, "pixels a side of the pictures; 0: strokes and no pictures", metavar="PIXELS", least=0, most=2048
    )
    channels: str = setting("rgb", "rgb, or grey for one channel", choices=CHANNELS)
    ground: str = setting("white", "white for black lines, or black for white ones", choices=GROUNDS)
    pen: float = setting(4.0, "how wide lines are, in the pictures' pixels", above=0, most=100)
    margin: float = setting(0.06, "share of a picture's side that is free all around", least=0, below=0.5)
    caption: str = setting(
        "a drawing of {}",
        "caption of a drawing that has none; {} becomes its word with an article",
        metavar="TEXT",
    )
    captions: Path | None = setting(
        None, "captions of one's own: a table with the columns imgId and caption", metavar="FILE"
    )
    copies: int = setting(
        1, "warped copies of each drawing for training; validation and test have none", metavar="N", least=0
    )
    warp: float = setting(1.0, "how far copies are turned, stretched and bent", least=0, most=5)
    mirror: bool = setting(
        True, "mirror half of the copies, but for those whose caption names a side, such as left"
    )
    shown: int = setting(345, "drawings on the page", metavar="N", least=0, most=2000)
    seed: int = setting(0, "other splits, order and copies", metavar="S")
    part: int = setting(512, "pictures of a file, and what a kill can cost", metavar="N", least=1)
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        if self.validation + self.test >= 1:
            raise ConfigError(
                f"validation and test are {self.validation:g} and {self.test:g} of the drawings; "
                "nothing would be left to train on"
            )
