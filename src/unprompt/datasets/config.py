"""Settings of `unprompt describe`. Light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import DEVICES, check_settings, setting


@dataclass(frozen=True)
class DescribeConfig:
    """Settings of `unprompt describe`."""

    images: int = setting(60, "images to show", least=0)
    checked: int = setting(
        2000,
        "images to open for their size and damage, spread evenly over the data set, beside those shown",
        flag="check",
        least=0,
    )
    device: str = setting("auto", f"for missing embeddings: {DEVICES}", metavar="DEVICE")

    def __post_init__(self) -> None:
        check_settings(self)
