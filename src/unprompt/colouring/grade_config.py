"""Settings of grading painters. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class GradeConfig:
    """Which painter is scored, on how many triples, and beside what."""

    weights: Path | None = setting(
        None,
        "painter.safetensors of `unprompt colour train`",
        shown="the painter in the package",
        metavar="FILE",
    )
    most: int = setting(1000, "triples that are scored, the first", metavar="N", least=1)
    learnt: Path | None = setting(
        None, "triples that were learnt from: their nearest drawing is a baseline too", metavar="TRIPLES"
    )
    instruct: Path | None = setting(
        None, "an InstructPix2Pix, such as RUN/model: it is scored too", metavar="FOLDER"
    )
    shown: int = setting(24, "drawings on the page", metavar="N", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
