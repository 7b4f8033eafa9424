"""Settings of making pairs to train on. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.settings import check_settings, setting

SPLITS = ("train", "choose", "test")  # of drawings


@dataclass(frozen=True)
class PairSettings:
    """What pairs are made: the same settings give the same pairs, however many workers make them."""

    count: int = setting(20_000, "pairs to make", metavar="N", least=1)
    size: int = setting(128, "pixels a side: 128 or 256", metavar="PIXELS", least=32, most=1024)
    pocket: float = setting(
        0.3, "share of pairs that are pocket scenes; the others are OpenMoji drawings", least=0, most=1
    )
    photographs: float = setting(
        0.25, "share of OpenMoji drawings that are made to look like photographs", least=0, most=1
    )
    zoom: float = setting(
        1.0,
        "half of the OpenMoji drawings are up to so many times as large as the picture, which shows a part; "
        "lines are always as wide",
        least=1,
        most=8,
    )
    plain: bool = setting(False, "on white and undamaged, no scenes and no photographs: to grade on")
    split: str = setting("train", "which drawings: train, choose or test", choices=SPLITS)
    family: Path | None = setting(
        None,
        "take the drawings from a folder of SVG emoji of another family; no pocket scenes then",
        metavar="FOLDER",
    )
    seed: int = setting(0, "other pairs of the same kind", metavar="S")
    workers: int = setting(1, "processes that draw", metavar="N", least=1)
    part: int = setting(256, "pairs of a file, and what a kill can cost", metavar="N", least=1)
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class StageTwoSettings:
    """How pairs of the second stage are made of pictures."""

    size: int = setting(256, "pixels a side, cut from the picture's middle", metavar="PIXELS", least=32)
    variants: int = setting(2, "pairs of each picture, damaged in other ways", metavar="N", least=1)
    smallest: float = setting(
        0.06, "lines and holes shorter than this share of the side are dropped", least=0, below=1
    )
    seed: int = setting(0, "other damage of the same kind", metavar="S")
    part: int = setting(64, "pairs of a file, and what a kill can cost", metavar="N", least=1)
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_settings(self)
