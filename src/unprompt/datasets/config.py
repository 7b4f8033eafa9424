"""Settings of `describe` and of `info --dataset`. Light: the command line's options are these."""

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


@dataclass(frozen=True)
class OwnPicturesConfig:
    """Settings of a data set of one's own pictures."""

    plain: bool = setting(False, "prompts without weights, (word:1.2), and without <lora:…>")
    part: int = setting(512, "pictures in a parquet part", least=1)
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    overwrite: bool = setting(False, "replace another data set there")

    def __post_init__(self) -> None:
        check_settings(self)
