"""A picture's ink, by any method: how large it is looked at decides how small a thing is still drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unprompt.colouring_pages.methods import CLASSIC, resized
from unprompt.colouring_pages.page_config import PageConfig
from unprompt.colouring_pages.tiles import draw_in_tiles
from unprompt.errors import ConfigError
from unprompt.networks.devices import choose_device

if TYPE_CHECKING:
    from pathlib import Path

    from unprompt.colouring_pages.methods import Ink, Picture

# By detail: the longest side in pixels at which a picture is looked at. Classic methods look at the same
# size always, and pass over what is smaller than a width that goes with the detail.
NETWORK_SIDE = {"low": 320, "middle": 448, "high": 704}
CLASSIC_SIDE = 768
CLASSIC_WIDTH = {"low": 4.5, "middle": 3.0, "high": 1.8}  # pixels


@dataclass(frozen=True, eq=False)
class Extractor:
    """A way to find lines, ready to use. `draw`: a picture of a longest side of `side` pixels -> its ink."""

    method: str
    side: int
    draw: Callable[[Picture], Ink]

    def ink_of(self, picture: Picture) -> Ink:
        """(H, W, 3) uint8 of any size -> ink (h, w) float32 with a longest side of `side`."""
        return draw_in_tiles(self.draw, resized(picture, self.side))


def open_extractor(config: PageConfig) -> Extractor:
    """The extractor that the settings ask for, with its network loaded if it has one.

    Raises ConfigError where pix2pix has no weights, CheckpointError for weights that cannot be used.
    """
    if config.method in CLASSIC:
        if config.weights is not None:
            raise ConfigError(f"{config.method} has no weights; leave them out, or take pix2pix or hed")
        find, width = CLASSIC[config.method], CLASSIC_WIDTH[config.detail]
        return Extractor(config.method, CLASSIC_SIDE, lambda picture: find(picture, width))
    side = NETWORK_SIDE[config.detail]
    if config.method == "hed":
        return Extractor("hed", side, _open_hed(config.weights))
    return Extractor("pix2pix", side, _open_generator(config.weights, choose_device(config.device)))


def _open_hed(weights: Path | None) -> Callable[[Picture], Ink]:
    from unprompt.networks.hed import load_hed

    borders: Callable[[Picture], Ink] = load_hed(weights).borders
    return borders


def _open_generator(weights: Path | None, device: str) -> Callable[[Picture], Ink]:
    from unprompt.colouring_pages.generator_files import read_generator

    if weights is None:
        raise ConfigError(
            "pix2pix needs its weights: name a generator of `unprompt page train` with --weights"
        )
    draw: Callable[[Picture], Ink] = read_generator(weights).to(device).draw
    return draw
