"""Colouring line art by words: the work of `unprompt colour paint` with the small painter.

Each closed region gets one colour and lines stay as they are, at any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.colouring.examples import CHOICES, Seen, hear, see
from unprompt.colouring.hints import Hint
from unprompt.colouring.line_art import LineArt, read_line_art
from unprompt.colouring.mentions import Mention
from unprompt.colouring.network import Painter
from unprompt.colouring.paint_config import CRAYONS, PaintConfig
from unprompt.colouring.painter import choose, colours_of, settle
from unprompt.colouring.painter_files import read_painter
from unprompt.colouring.palette import BASIC, WHITE, channels_of, lab_of, names
from unprompt.colouring.regions import Regions, find_regions
from unprompt.errors import InputError
from unprompt.networks.minilm import PromptEncoder
from unprompt.pocket.closing import NOTHING
from unprompt.storage.images import file_state, read_image
from unprompt.text.english import list_in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

SMALLEST = 2e-5  # of the page; smaller regions take the colour beside them
OF_PICTURE = 8  # colours that are taken from a picture
VARIETY = 1.0  # of other seeds: how far the choices of what no word is about are shaken


@dataclass(frozen=True, eq=False)
class Painted:
    """Coloured line art. `colours`: (R,) of the regions, 0xRRGGBB, NOTHING for paper.

    `told`: what to say to who asked, in sentences: what was found wrong, which colours found no place.
    """

    art: LineArt
    regions: Regions
    colours: Ints
    told: tuple[str, ...]

    def image(self, transparent: bool = False) -> Image.Image:
        """RGB as large as the line art; RGBA where that was transparent, or where paper is to be."""
        table = np.concatenate([[WHITE], np.where(self.colours == NOTHING, WHITE, self.colours)])
        labels, page = self.regions.spread, self.art.page
        pixels = np.empty((*page.shape, 3), np.uint8)
        for channel, values in enumerate(channels_of(table).T):
            # A line lies over its colour as ink does: the darker, the more of it.
            pixels[..., channel] = (values[labels].astype(np.uint16) * page + 127) // 255
        alpha = 255 - page if transparent else self.art.alpha
        if alpha is None:
            return Image.fromarray(pixels)
        bare = np.concatenate([[True], self.colours == NOTHING])[labels]
        if transparent:
            pixels[bare] = 0  # lines alone, as dark as they cover what lies below
        return Image.fromarray(np.dstack([pixels, np.where(bare, alpha, 255).astype(np.uint8)]))

    def region_at(self, x: int, y: int) -> int:
        """The number of the region, from 1 on, that a click at a pixel of the picture means; 0 for none.

        Raises InputError for a place outside.
        """
        width, height = self.art.size
        if not (0 <= x < width and 0 <= y < height):
            raise InputError(f"({x}, {y}) lies outside the drawing of {width} x {height} pixels")
        rows, columns = self.regions.labels.shape
        return int(self.regions.spread[y * rows // height, x * columns // width])

    def with_hint(self, hint: Hint) -> Painted:
        """The same with one region in another colour; the rest stays."""
        region = self.region_at(hint.x, hint.y)
        if not region:
            return self
        colours = self.colours.copy()
        colours[region - 1] = hint.rgb
        return replace(self, colours=colours)


@dataclass(frozen=True, eq=False)
class Page:
    """Line art as the painter sees it: `seen` is None where there is no region."""

    art: LineArt
    regions: Regions
    seen: Seen | None


class ColourPainter:
    """The small painter with what it needs, loaded once."""

    def __init__(self, network: Painter, encoder: Any) -> None:
        self._network = network
        self._encoder = encoder

    @classmethod
    def load(cls, weights: Path | None = None) -> ColourPainter:
        """The package's painter, or another's weights. Raises CheckpointError."""
        return cls(read_painter(weights), PromptEncoder.load())

    def paint(
        self,
        picture: Image.Image,
        words: str,
        config: PaintConfig | None = None,
        hints: Sequence[Hint] = (),
    ) -> Painted:
        """Colour line art as the words say; what they say nothing about gets its usual colours.

        Raises InputError for a hint that lies outside, UnreadableImageError for a palette that is no image.
        """
        config = config or PaintConfig()
        return self.colour(self.look(picture, config.bridge), words, config, hints)

    def look(self, picture: Image.Image, bridge: bool = PaintConfig.bridge) -> Page:
        """Read a picture as line art and find its regions, which takes most of the time."""
        art = read_line_art(picture)
        regions = find_regions(art.page, bridge, SMALLEST)
        seen = see(art.page, regions, self._network.config.side) if regions.count else None
        return Page(art, regions, seen)

    def colour(
        self, page: Page, words: str, config: PaintConfig | None = None, hints: Sequence[Hint] = ()
    ) -> Painted:
        """Colour what `look` gave, with the words of `paint`; any number of times."""
        config = config or PaintConfig()
        regions = page.regions
        told = [*page.art.told, *_about_page(page.art, regions)]
        heard = hear([words], self._encoder)[0]
        choices = np.zeros(regions.count, np.int64)
        if page.seen is not None:
            logits = choose(self._network, page.seen, heard)
            chosen = settle(logits, regions.areas[page.seen.order])
            choices[page.seen.order - 1] = _varied(chosen, logits, config.seed)
        told += _about_words(words, heard.mentions, choices)
        if config.seed and not _usual(choices).any():
            told.append(f"seed {config.seed} changes nothing: words and paper decide every part")
        colours = _limited(colours_of(choices, heard.mentions), choices, config)
        painted = Painted(page.art, regions, colours, tuple(told))
        for hint in hints:
            painted = painted.with_hint(hint)
        return painted


def open_painter(weights: Path | None = None) -> ColourPainter:
    """`ColourPainter.load`, once for the same file. Raises CheckpointError."""
    return _opened(weights, file_state(weights) if weights else (0, 0))


@lru_cache(maxsize=2)
def _opened(weights: Path | None, _: tuple[int, int]) -> ColourPainter:
    return ColourPainter.load(weights)


def _varied(choices: Ints, logits: NDArray[np.float32], seed: int) -> Ints:
    """Choices (R,) with the usual colours drawn anew by a seed, alike for all regions of a drawing.

    Gumbel noise, so that a colour comes as often as it is likely; what a word names, and paper, stays.
    """
    if not seed:
        return choices
    noise = np.random.default_rng(seed).gumbel(size=CHOICES - 1).astype(np.float32)
    drawn = 1 + (logits[:, 1:CHOICES] + VARIETY * noise).argmax(1)
    return np.where(_usual(choices), drawn, choices)


def _usual(choices: Ints) -> NDArray[np.bool_]:
    """Which regions (R,) have a colour that no word and no paper decided."""
    return (choices >= 1) & (choices < CHOICES)


def _about_page(art: LineArt, regions: Regions) -> list[str]:
    lines = bool((art.page < 128).any())
    if not lines:
        return ["the picture is blank: there are no lines to colour between"]
    if regions.count < 2:
        return ["the lines enclose nothing, so there is nothing to colour; close their gaps, or use hints"]
    return []


def _about_words(words: str, mentions: Sequence[Mention], choices: Ints) -> list[str]:
    if not mentions:
        why = "there are no words" if not words.strip() else "the words name no colour"
        return [f"{why}: everything got its usual colours"]
    lost = [
        words[mention.start : mention.end]
        for number, mention in enumerate(mentions)
        if not (choices == CHOICES + number).any()
    ]
    if lost:
        return [
            f"{list_in_words(lost)} found no place in the drawing; name what shall have it, or click there"
        ]
    return []


def _limited(colours: Ints, choices: Ints, config: PaintConfig) -> Ints:
    """Colours with each the nearest of those that there are (CIELAB), where these are limited."""
    if config.palette is not None:
        there = picture_colours(read_image(config.palette))
    elif config.crayons != "any":
        there = np.array([BASIC.get(name) or names()[name].rgb for name in CRAYONS[config.crayons].split()])
    else:
        return colours
    filled = colours != NOTHING
    if not filled.any():
        return colours
    far = ((lab_of(colours[filled])[:, None] - lab_of(there)) ** 2).sum(2)
    limited = colours.copy()
    limited[filled] = there[far.argmin(1)]
    return limited


def picture_colours(picture: Image.Image, count: int = OF_PICTURE) -> Ints:
    """At most `count` colours that a picture mostly has: (N,) as 0xRRGGBB."""
    small = picture.convert("RGB")
    small.thumbnail((128, 128))
    palette = small.quantize(count, Image.Quantize.MEDIANCUT).convert("RGB")
    pixels = np.asarray(palette).astype(np.int64).reshape(-1, 3)
    return np.unique(pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2])
