"""Settings of colouring line art. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from unprompt.errors import ConfigError
from unprompt.settings import check_settings, setting

CRAYONS = {
    "8": "black red orange yellow green blue purple brown",
    "16": "black white grey red crimson orange peach yellow lime green teal blue skyblue purple pink brown",
}


@dataclass(frozen=True)
class PaintConfig:
    """How the small painter colours."""

    seed: int = setting(0, "0: the likeliest colours; others vary what no word is about", least=0)
    crayons: str = setting(
        "any", "only these: any colour, a box of 8 or of 16 crayons", choices=("any", *CRAYONS)
    )
    palette: Path | None = setting(None, "take the colours of this picture", metavar="IMAGE")
    paper: str = setting(
        "white", "what is not coloured: white, or transparent", choices=("white", "transparent")
    )
    bridge: bool = setting(True, "close gaps between lines, so that colour does not run out")
    weights: Path | None = setting(
        None,
        "painter.safetensors of `unprompt colour train`",
        shown="the painter in the package",
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.palette is not None and self.crayons != "any":
            raise ConfigError("crayons and palette both say which colours there are; give one of them")

    def variants(self, count: int) -> list[PaintConfig]:
        """The settings of so many variants: of seeds that follow each other."""
        return [replace(self, seed=self.seed + number) for number in range(count)]
