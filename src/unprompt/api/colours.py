"""Coloured line art of requests: a picture's bytes and words in, PNG files out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unprompt.api.base64_pictures import decode
from unprompt.api.contract import ColourAnswer, ColourRequest, HeardColour
from unprompt.colouring.hints import Hint, read_colour
from unprompt.colouring.mentions import find_mentions
from unprompt.colouring.paint_config import PaintConfig
from unprompt.colouring.palette import CLASSES
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.painting.seeds import seeds_in_row
from unprompt.storage.images import encode_png

if TYPE_CHECKING:
    from unprompt.colouring.small_paint import Painted


@dataclass(frozen=True)
class ColourOrder:
    """A drawing that is to be coloured: its file's bytes, and everything else, checked."""

    content: bytes
    words: str
    config: PaintConfig
    variants: int = 1
    hints: tuple[Hint, ...] = ()
    transparent: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the variants, each one that can be asked for."""
        return seeds_in_row(self.config.seed, self.variants)


@dataclass(frozen=True)
class Coloured:
    """PNG files, and what there is to say of them."""

    files: tuple[bytes, ...]
    seeds: tuple[int, ...]
    colours: tuple[HeardColour, ...]
    told: tuple[str, ...]
    regions: int

    def answer(self) -> ColourAnswer:
        """All of it for JSON."""
        return ColourAnswer(
            pictures=[b64encode(file).decode() for file in self.files],
            seeds=list(self.seeds),
            colours=list(self.colours),
            told=list(self.told),
            regions=self.regions,
        )


def read_order(request: ColourRequest, content: bytes) -> ColourOrder:
    """A request as an order. Raises ConfigError for a hint's colour, and where PNG cannot be."""
    if request.format == "png" and request.variants > 1:
        raise ConfigError(f"variants: a PNG is one picture, not {request.variants}; use the format json")
    hints = []
    for number, hint in enumerate(request.hints):
        try:
            hints.append(Hint(hint.x, hint.y, read_colour(hint.colour)))
        except ConfigError as error:
            raise ConfigError(f"hints.{number}.colour: {error}") from None
    config = PaintConfig(seed=request.seed, crayons=request.crayons, bridge=request.bridge)
    return ColourOrder(content, request.words, config, request.variants, tuple(hints), request.transparent)


def colour(order: ColourOrder) -> Coloured | UnreadableImageError | InputError:
    """Colour one order; what is wrong with it is given back, so that it harms no other.

    Raises CheckpointError where the painter is missing.
    """
    from unprompt.colouring.small_paint import open_painter

    painter = open_painter()
    try:
        page = painter.look(decode(order.content, alpha=True), order.config.bridge)
        painted = [
            painter.colour(page, order.words, replace(order.config, seed=seed), order.hints)
            for seed in order.seeds
        ]
    except UnreadableImageError as error:
        return UnreadableImageError(f"the image cannot be read: {error}")
    except InputError as error:
        return error
    return Coloured(
        tuple(encode_png(one.image(order.transparent)) for one in painted),
        order.seeds,
        heard(order.words),
        _told(painted),
        page.regions.count,
    )


def heard(words: str) -> tuple[HeardColour, ...]:
    """The colours that words name."""
    return tuple(
        HeardColour(
            text=words[mention.start : mention.end],
            hex=f"#{mention.colour.rgb:06x}",
            basic=CLASSES[mention.colour.basic],
        )
        for mention in find_mentions(words)
    )


def _told(painted: Sequence[Painted]) -> tuple[str, ...]:
    """What is said of any of several pictures, once."""
    return tuple(dict.fromkeys(sentence for one in painted for sentence in one.told))
