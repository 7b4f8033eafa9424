"""Settings of making pages. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.colouring_pages.paper_config import check_lines
from unprompt.errors import ConfigError
from unprompt.settings import DEVICES, check_settings, setting

DETAILS = ("low", "middle", "high")
METHODS = ("auto", "pix2pix", "canny", "xdog", "dodge", "hed")
BY_GENERATOR = ("auto", "pix2pix")  # methods that draw by a generator of ours
FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class OwnGenerator:
    """One of the package's own generators.

    `weights`: its file's name. `method`: what pages say that they are drawn by. `taken`: what that means to
    who prints them. `photographs`: whether it is for these.
    """

    weights: str
    method: str
    taken: str
    photographs: bool = False


GENERATORS = {
    "1": OwnGenerator("pages_stage_1", "pix2pix, stage 1", "taken for an illustration"),
    "2": OwnGenerator("pages_stage_2", "pix2pix, stage 2", "taken for a photograph", photographs=True),
}
STAGES = ("auto", *GENERATORS)
OWN = "own lines"  # what pages of outlined pictures say
# What pages say by the method `auto`, and what that means to who prints them.
AUTOMATIC = {OWN: "the picture's own lines", **{one.method: one.taken for one in GENERATORS.values()}}


@dataclass(frozen=True)
class PageConfig:
    """How a picture becomes lines."""

    method: str = setting(
        "auto",
        "how lines are found; auto: by pix2pix, and of an outlined picture its own lines",
        choices=METHODS,
    )
    detail: str = setting(
        "middle", "how small a thing is still drawn; low is for small children", choices=DETAILS
    )
    weights: Path | None = setting(
        None,
        "of pix2pix: a generator of `unprompt page train` in place of the package's; of hed: its .weights.h5",
        metavar="FILE",
    )
    stage: str = setting(
        "auto", "which pix2pix: 1 for illustrations, 2 for photographs, auto by the picture", choices=STAGES
    )
    device: str = setting("auto", DEVICES)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class OutputConfig:
    """What is written of each picture, and of all together."""

    formats: tuple[str, ...] = setting(FORMATS, f"kinds of files: {', '.join(FORMATS)}", flag="format")
    numbers: bool = setting(
        False, "paint by numbers: areas numbered, with a palette of the picture's colours"
    )
    booklet: str = setting(
        "", "all pages in booklet.pdf too, after a title page that says this", metavar="TEXT"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_lines(self, "booklet")
        wrong = [one for one in self.formats if one not in FORMATS]
        if wrong or not self.formats:
            raise ConfigError(f"formats must be of {', '.join(FORMATS)}, got '{' '.join(wrong)}'")


@dataclass(frozen=True)
class CompareConfig:
    """What is put side by side."""

    methods: tuple[str, ...] = setting(("auto", "canny", "dodge"), f"methods: {', '.join(METHODS)}")
    detail: str = setting("middle", "how small a thing is still drawn", choices=DETAILS)
    weights: Path | None = setting(None, "of pix2pix, a generator of `unprompt page train`", metavar="FILE")
    device: str = setting("auto", DEVICES)
    most: int = setting(24, "pictures that are taken, the first ones", least=1, most=200)

    def __post_init__(self) -> None:
        check_settings(self)
        wrong = [one for one in self.methods if one not in METHODS]
        if wrong or not self.methods:
            raise ConfigError(f"methods must be of {', '.join(METHODS)}, got '{' '.join(wrong)}'")
        if self.weights is not None and not set(self.methods).intersection(BY_GENERATOR):
            raise ConfigError(
                f"weights are of {' and '.join(BY_GENERATOR)}, and methods are {' '.join(self.methods)}; "
                "leave the weights out"
            )

    def of(self, method: str) -> PageConfig:
        """The settings of one of the methods."""
        weights = self.weights if method in BY_GENERATOR else None
        return PageConfig(method, self.detail, weights=weights, device=self.device)


@dataclass(frozen=True)
class GradeConfig(CompareConfig):
    """What is scored."""

    most: int = setting(1000, "pairs that are scored, the first", metavar="N", least=1)
