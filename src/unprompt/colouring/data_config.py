"""Settings of making triples. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import ConfigError
from unprompt.settings import check_settings, setting

SPLITS = ("train", "choose", "test")  # of drawings


@dataclass(frozen=True)
class TripleSettings:
    """What triples are made: the same settings give the same, however many workers make them."""

    count: int = setting(20_000, "triples to make", metavar="N", least=1)
    size: int = setting(192, "pixels a side", metavar="PIXELS", least=64, most=1024)
    pocket: float = setting(
        0.35, "share of triples that are pocket scenes; the others are single drawings", least=0, most=1
    )
    swapped: float = setting(
        0.85, "share of the named colours that are not the drawing's usual ones", least=0, most=1
    )
    split: str = setting("train", "which drawings: train, choose or test", choices=SPLITS)
    wordings: str = setting(
        "train", "which wordings: those to train on, or those kept out of it", choices=("train", "kept")
    )
    family: Path | None = setting(
        None,
        "take the drawings from a folder of SVG emoji of another family; no pocket scenes then",
        metavar="FOLDER",
    )
    seed: int = setting(0, "other triples of the same kind", metavar="S")
    workers: int = setting(1, "processes that draw", metavar="N", least=1)
    part: int = setting(256, "triples of a file, and what a kill can cost", metavar="N", least=1)
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
        if self.family is not None and self.split != TripleSettings.split:
            raise ConfigError("split is of OpenMoji's drawings; of a family all are taken")
        if self.family is not None and self.pocket != TripleSettings.pocket:
            raise ConfigError("pocket scenes are of OpenMoji's drawings; of a family there are none")
