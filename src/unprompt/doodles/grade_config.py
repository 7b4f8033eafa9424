"""Settings of grading captioners. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.group_config import CaptionConfig
from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class GradeConfig(CaptionConfig):
    """Which captioners are scored, on how many scenes, and beside what."""

    others: tuple[Path, ...] = setting(
        (), "captioners of `unprompt doodle train`, of any kind, to grade beside it", metavar="FILE"
    )
    count: int = setting(300, "scenes of each part", metavar="N", least=1)
    seed: int = setting(1, "of the scenes", least=0)
    learnt: Path | None = setting(
        None,
        "drawings that were learnt from: their commonest caption and their nearest scene are graded too",
        metavar="DRAWINGS",
    )
    trips: int = setting(
        100,
        "scenes that are captioned, painted by the pocket world and compared; 0: none",
        metavar="N",
        least=0,
    )
    pictures: int = setting(
        40, "of which it is measured how they follow the drawing; 0: none", metavar="N", least=0
    )
    shown: int = setting(24, "scenes on the page", metavar="N", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
