"""Settings of printed sheets. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.errors import ConfigError
from unprompt.settings import check_settings, setting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}  # width and height in mm, upright
ORIENTATIONS = ("auto", "portrait", "landscape")
ORIGINALS = ("none", "colour", "grey")


def check_lines(config: DataclassInstance, *names: str) -> None:
    """Raise ConfigError for a setting among `names` that cannot be written in one line."""
    for name in names:
        if not getattr(config, name).isprintable():
            raise ConfigError(f"{name} must be one line of printable text, got {getattr(config, name)!r}")


@dataclass(frozen=True)
class PaperConfig:
    """How drawings are put on sheets of paper. All lengths are in millimetres."""

    paper: str = setting("a4", "size of the sheets", choices=tuple(PAPERS))
    orientation: str = setting(
        "auto", "how sheets are held; auto: so that the drawings are largest", choices=ORIENTATIONS
    )
    dpi: int = setting(300, "pixels an inch in PNG and PDF", least=72, most=600)
    margin: float = setting(10.0, "empty border of a sheet in mm", metavar="MM", least=0, most=50)
    line_width: float = setting(0.8, "width of a drawing's lines in mm", metavar="MM", above=0, most=5)
    on_page: int = setting(1, "drawings on a sheet, laid out so that least paper is lost", least=1, most=24)
    trim: bool = setting(True, "leave out the empty border around a drawing's lines")
    title: str = setting("", "stands above the drawings of each sheet", metavar="TEXT")
    name_line: bool = setting(False, "a line to write the name on")
    name_word: str = setting("Name:", "stands before that line", metavar="TEXT")
    original: str = setting("none", "the small original picture in a corner", choices=ORIGINALS)
    original_size: float = setting(32.0, "its longest side in mm", metavar="MM", least=5, most=100)
    page_numbers: bool = setting(False, "number the sheets; a booklet's always are")
    font: Path | None = setting(
        None,
        "a .ttf or .otf file for texts",
        shown="the one in Pillow, which has English letters only",
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_lines(self, "title", "name_word")


@dataclass(frozen=True)
class NumbersConfig:
    """How a drawing becomes one to paint by numbers. All lengths are in millimetres."""

    colours: int = setting(12, "most colours of the palette", least=1, most=40)
    least_number: float = setting(
        2.0,
        "height in mm of the smallest digits; a number that needs smaller ones stands beside its area, "
        "with a line to it",
        metavar="MM",
        least=1,
        most=10,
    )
    most_number: float = setting(4.0, "height in mm of the largest digits", metavar="MM", least=1, most=20)
    narrowest: float = setting(
        1.0,
        "areas narrower than so many mm get no number but the colour of the neighbour with most border",
        metavar="MM",
        least=0,
        most=20,
    )
    number_white: bool = setting(False, "number white areas too, which else stay as the paper is")
    colour_names: bool = setting(True, "name the colours of the palette")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.most_number < self.least_number:
            raise ConfigError(
                f"most_number must be at least least_number ({self.least_number:g}), got {self.most_number:g}"
            )
