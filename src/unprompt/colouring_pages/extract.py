"""A picture's ink, by any method: how large it is looked at decides how small a thing is still drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from unprompt.colouring_pages.choosing import find_own_lines, is_photograph, take_own_lines
from unprompt.colouring_pages.clean import CleanSettings, clean
from unprompt.colouring_pages.methods import CLASSIC, find_longest_side, resized
from unprompt.colouring_pages.page_config import GENERATORS, OWN, PageConfig
from unprompt.colouring_pages.tiles import draw_in_tiles
from unprompt.errors import ConfigError
from unprompt.networks.devices import choose_device
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from pathlib import Path

    from unprompt.colouring_pages.clean import Mask
    from unprompt.colouring_pages.methods import Ink, Picture

# By detail: the longest side in pixels at which a network looks at a picture; pix2pix enlarges none but
# those smaller than LEAST_SIDE. Classic methods look at the same size always, and pass over what is smaller
# than a width that goes with the detail.
NETWORK_SIDE = {"low": 256, "middle": 352, "high": 576}
LEAST_SIDE = 256
CLASSIC_SIDE = 768
CLASSIC_WIDTH = {"low": 4.5, "middle": 3.0, "high": 1.8}  # pixels
PHOTOGRAPH_SPECKS = 2.5  # how much longer lines have to be to stay where a photograph is drawn
PHOTOGRAPH_AREA = 0.035  # of the diagonal, the side of a square that is worth being coloured apart there


@dataclass(frozen=True, eq=False)
class Found:
    """The ink (h, w) float32 of a picture, 0 paper to 1 line, and how it was found.

    `photograph`: by the generator for photographs, whose short lines are mostly a ground's grain.
    """

    ink: Ink
    method: str
    photograph: bool = False

    def lines(self, detail: str) -> Mask:
        """The ink cleaned, (h, w), true where black."""
        settings = CleanSettings(detail)
        if self.photograph:
            settings = replace(settings, speck=PHOTOGRAPH_SPECKS * settings.speck, area=PHOTOGRAPH_AREA)
        return clean(self.ink, settings)


class LineFinder(Protocol):
    """Finds the lines of a picture (H, W, 3) uint8 of any size."""

    @property
    def method(self) -> str: ...

    def find(self, picture: Picture) -> Found: ...


@dataclass(frozen=True, eq=False)
class Extractor:
    """One way to find lines. `draw`: a picture of a longest side of `side` pixels -> its ink.

    Pictures that are smaller are enlarged, to `least` pixels where that is given; thin ones are looked at
    larger. `photograph`: as in `Found`.
    """

    method: str
    side: int
    draw: Callable[[Picture], Ink]
    least: int | None = None
    photograph: bool = False

    def find(self, picture: Picture) -> Found:
        """(H, W, 3) uint8 of any size -> its ink (h, w) float32. What is all of one colour has none."""
        side = self.side
        if self.least is not None:
            side = min(side, max(self.least, *picture.shape[:2]))
        seen = resized(picture, find_longest_side(picture.shape, side))
        even = (picture == picture[:1, :1]).all()
        ink = np.zeros(seen.shape[:2], np.float32) if even else draw_in_tiles(self.draw, seen)
        return Found(ink, self.method, self.photograph)


@dataclass(frozen=True, eq=False)
class ByStage:
    """The generator for photographs for what is one, that for illustrations for any other picture."""

    stages: Sequence[Extractor]
    method: str = "pix2pix"

    def find(self, picture: Picture) -> Found:
        photograph = is_photograph(picture)
        return next(one for one in self.stages if one.photograph == photograph).find(picture)


@dataclass(frozen=True, eq=False)
class Automatic:
    """What a network finds; of a picture that is outlined its own lines, and from the network the rest."""

    network: LineFinder
    method: str = "auto"

    def find(self, picture: Picture) -> Found:
        found = self.network.find(picture)
        # Lanczos would draw a dark rim along the dark side of a border.
        seen = resized(picture, max(found.ink.shape), Image.Resampling.BILINEAR)
        both = take_own_lines(find_own_lines(seen), found.ink)
        return found if both is None else replace(found, ink=both, method=OWN)


def open_extractor(config: PageConfig) -> LineFinder:
    """What finds lines as the settings ask for, with its networks loaded.

    Raises ConfigError for settings that do not go together, CheckpointError for weights that cannot be used.
    """
    method, detail = config.method, config.detail
    if config.stage != "auto" and (config.weights is not None or method not in ("auto", "pix2pix")):
        raise ConfigError(
            f"stage {config.stage} is one of the package's own generators; leave it out with --weights and "
            "with methods other than pix2pix"
        )
    if method in CLASSIC:
        if config.weights is not None:
            raise ConfigError(f"{method} has no weights; leave them out, or take pix2pix or hed")
        return _classic(method, detail)
    if method == "hed":
        return Extractor("hed", NETWORK_SIDE[detail], _open_hed(config.weights))
    network = _open_pix2pix(config)
    return network if method == "pix2pix" else Automatic(network)


def find_weights(config: PageConfig) -> Path | None:
    """The file that decides the lines: the one that is named, or HED's own; None for what the package has.

    Raises CheckpointError where HED's is not installed.
    """
    if config.weights is None and config.method == "hed":
        from unprompt.networks.hed import find_weights as find_hed

        return find_hed()
    return config.weights


def _classic(method: str, detail: str) -> Extractor:
    find, width = CLASSIC[method], CLASSIC_WIDTH[detail]
    return Extractor(method, CLASSIC_SIDE, lambda picture: find(picture, width))


def _open_hed(weights: Path | None) -> Callable[[Picture], Ink]:
    from unprompt.networks.hed import load_hed

    borders: Callable[[Picture], Ink] = load_hed(weights).borders
    return borders


def _open_pix2pix(config: PageConfig) -> LineFinder:
    with needed_for("drawing lines by pix2pix", "pages", ConfigError):
        from unprompt.colouring_pages.generator_files import read_generator
    from unprompt.networks.shipped import shipped_file

    device = choose_device(config.device)

    def opened(weights: Path, name: str, photograph: bool = False) -> Extractor:
        draw = read_generator(weights).to(device).draw
        return Extractor(name, NETWORK_SIDE[config.detail], draw, LEAST_SIDE, photograph)

    def stage(number: str) -> Extractor:
        own = GENERATORS[number]
        return opened(shipped_file(own.weights), own.method, own.photographs)

    if config.weights is not None:
        return opened(config.weights, "pix2pix")
    return ByStage([stage(one) for one in GENERATORS]) if config.stage == "auto" else stage(config.stage)
