"""What a caption for colouring says: which colours a picture has, measured, and how that is worded.

The colours are those of the regions between the lines or, where the line art is not known, of the picture's
flat colours. The ground is left out of the figure; a coloured one is named as the background.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from unprompt.colouring.captions_config import FillSettings
from unprompt.colouring.examples import read_drawing
from unprompt.colouring.mentions import find_mentions, without_colours
from unprompt.colouring.palette import CLASSES, PAPER, class_of, named_classes_of
from unprompt.errors import ConfigError
from unprompt.pocket.closing import NOTHING
from unprompt.storage.packages import needed_for
from unprompt.text.english import add_article, list_in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.integer]

WHITE, BLACK, GREY = class_of("white"), class_of("black"), class_of("grey")
SIDE = 256  # pixels of the longest side at which flat colours are looked for
FLAT = 24  # of 255: how far a flat colour's neighbours may be from each other
THIN = 0.02  # of the longest side: black and grey of this width are lines
TURN = "Turn it into "

_FRAME = re.compile(
    r"^(?:please,? )?(?:(?:i want|i would like|show|draw|paint|colou?r|make|turn (?:it|this) into) )?"
    r"(?:(?:an? |the |this )?(?:picture|drawing|image|photo|sketch|painting) (?:of|that shows) )?",
    re.IGNORECASE,
)
_ORDER = re.compile(r"^(?:colou?r|paint|make|turn) (?:the|this) (?P<noun>[^,]+)$", re.IGNORECASE)
_OTHER_ORDER = re.compile(
    r"^(?:add|can|change|colou?r|could|give|let|make|paint|put|replace|turn) ", re.IGNORECASE
)
_IS = re.compile(r"^(?:the|this) (?P<noun>[^,]+?) (?:is|are) (?P<rest>.+)$", re.IGNORECASE)
_DETERMINED = re.compile(
    r"^(?:an?|the|this|that|these|those|some|many|several|no|its|two|three|four|five|six|seven|eight|nine|"
    r"ten|\d+)\b",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r",|:|\b(?:with|without|in|on|at|of|that|which|who|whose|and|or|against|from|near|under|by|is|are)\b"
)


class Colours(NamedTuple):
    """The basic colours of a figure, by number in CLASSES, with their shares (of 1), the largest first; and
    that of the ground, PAPER where it is not coloured."""

    shares: tuple[tuple[int, float], ...]
    ground: int

    def named(self, least: float, most: int) -> list[str]:
        """The words of the colours that have a share of at least `least`."""
        return [CLASSES[basic] for basic, share in self.shares if share >= least][:most]


def measure_pair(source: Image.Image, target: Image.Image) -> Colours:
    """The colours of a picture whose line art is known."""
    _, regions, fills = read_drawing(source, target)
    classes = np.zeros(regions.count + 1, np.int64)
    painted = fills != NOTHING
    classes[1:][painted] = named_classes_of(fills[painted])
    return _measure(regions.labels, classes)


def measure_picture(picture: Image.Image) -> Colours:
    """The colours of a picture by itself: of its parts of one colour, without lines."""
    with needed_for("measuring colours", "pages", ConfigError):
        from scipy import ndimage
    rgba = picture.convert("RGBA")
    if max(rgba.size) > SIDE:
        share = SIDE / max(rgba.size)
        small = (max(1, round(rgba.width * share)), max(1, round(rgba.height * share)))
        rgba = rgba.resize(small, Image.Resampling.NEAREST)  # mixes no colours
    pixels = np.asarray(rgba).astype(np.int64)  # (H, W, 4)
    paper = pixels[..., 3] < 128
    pixels[paper] = 255
    values, place = np.unique(
        pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2], return_inverse=True
    )
    seen = named_classes_of(values)[place.reshape(paper.shape)]
    seen[paper] = PAPER
    steps = [
        ndimage.maximum_filter(pixels[..., channel], 3) - ndimage.minimum_filter(pixels[..., channel], 3)
        for channel in range(3)
    ]
    flat = np.max(steps, 0) <= FLAT
    labels, classes = np.zeros(paper.shape, np.int32), [PAPER]
    for basic in np.unique(seen):
        parts, count = ndimage.label(flat & (seen == basic))
        if basic in (BLACK, GREY) and count:
            depth = ndimage.distance_transform_edt(np.pad(parts > 0, 1))[1:-1, 1:-1]
            deepest = ndimage.maximum(depth, parts, np.arange(count + 1))
            wide = np.concatenate([[False], 2 * (deepest[1:] + 1) > THIN * max(paper.shape) + 2])
            parts = (np.cumsum(wide) * wide)[parts]
            count = int(wide.sum())
        labels[parts > 0] = parts[parts > 0] + len(classes) - 1
        classes += [int(basic)] * count
    return _measure(labels, np.array(classes))


def _measure(labels: Ints, classes: Ints) -> Colours:
    """Of regions (H, W), 0 for lines, and their colours (R + 1,)."""
    areas = np.bincount(labels.ravel(), minlength=len(classes)).astype(np.float64)
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    border = border[border > 0]
    ground = PAPER
    if len(border):
        held = np.bincount(classes[border], minlength=len(CLASSES))
        ground = int(held.argmax()) if 2 * held.max() > len(border) else PAPER
    around = np.zeros(len(classes), bool)
    around[border] = True
    around &= np.isin(classes, (ground, PAPER, WHITE) if ground == PAPER else (ground, PAPER))
    figure = (classes != PAPER) & ~around
    figure[0] = False
    sizes = np.bincount(classes[figure], areas[figure], len(CLASSES))
    order = np.argsort(-sizes, kind="stable")
    shares = tuple((int(basic), float(sizes[basic] / sizes.sum())) for basic in order if sizes[basic])
    return Colours(shares, PAPER if ground == WHITE else ground)


def word_colours(colours: Sequence[str], noun: str = "", ground: str = "") -> str:
    """ "a picture in red and green"; with a noun "a red apple with green"; and "on a blue background"."""
    noun = re.sub(r"^(?:an?|the) ", "", without_colours(noun.strip()), flags=re.IGNORECASE)
    if not noun:
        words = f"a picture in {list_in_words(colours)}" if colours else "a picture"
    elif colours:
        rest = f" with {list_in_words(colours[1:])}" if len(colours) > 1 else ""
        words = add_article(f"{colours[0]} {noun}") + rest
    else:
        words = add_article(noun)
    return words + (f" on {add_article(f'{ground} background')}" if ground else "")


def caption_by_fills(
    picture: Image.Image,
    line_art: Image.Image | None = None,
    noun: str = "",
    settings: FillSettings | None = None,
) -> str:
    """The caption that a coloured picture's own colours make."""
    settings = settings or FillSettings()
    found = measure_picture(picture) if line_art is None else measure_pair(line_art, picture)
    ground = CLASSES[found.ground] if found.ground != PAPER else ""
    return word_colours(found.named(settings.least, settings.most), noun or settings.noun, ground)


def noun_of_name(name: str) -> str:
    """The words of a file's name that are neither numbers, codes nor colours: "03_red-apple" -> "apple"."""
    words = [word for word in re.findall(r"[^\W_]+", name) if not any(sign.isdigit() for sign in word)]
    return without_colours(" ".join(words)).lower()


def turn_into(caption: str) -> str:
    """A caption as an order: "a red apple with green leaves" -> "Turn it into a red apple with green leaves".

    What only frames the thing ("a picture of", "colour …") goes; "colour the fox red" and "the fox is red"
    become "a red fox". Another order, such as "give the fox a red tail", stays as it is.
    """
    words = " ".join(caption.split()).rstrip(" .!?")
    if words.lower().startswith(TURN.lower().strip()):
        return TURN + words[len(TURN) :].lstrip() if len(words) > len(TURN) else f"{TURN}a picture"
    words = _as_thing(words)
    if not words:
        return f"{TURN}a picture"
    if _OTHER_ORDER.match(words):
        return " ".join(caption.split())
    first, _, rest = words.partition(" ")
    if first[1:].islower() or len(first) == 1:  # "A red" -> "a red", but "BMW" stays
        words = f"{first[0].lower()}{first[1:]}{' ' if rest else ''}{rest}"
    return TURN + (words if _DETERMINED.match(words) else _with_article(words))


def _as_thing(words: str) -> str:
    """A sentence or an order as the thing that it asks for."""
    mentions = find_mentions(words)
    said = _IS.match(words)
    if said and mentions and mentions[0].start == said.start("rest"):
        return f"{words[mentions[0].start : mentions[0].end]} {said['noun']}{words[mentions[0].end :]}"
    order = _ORDER.match(words.split(",")[0])
    if order and mentions:
        first = mentions[0]
        before = words[order.start("noun") : first.start].strip()
        if before:
            return f"{words[first.start : first.end]} {before}{words[first.end :]}"
    return words[_FRAME.match(words).end() :]  # type: ignore[union-attr]  # it matches nothing too


def _with_article(words: str) -> str:
    """A thing without an article, or colours alone, with one."""
    mentions = find_mentions(words)
    left = words
    for mention in reversed(mentions):
        left = left[: mention.start] + left[mention.end :]
    if mentions and not re.sub(r"\b(?:and|or|some|then)\b|\W", "", left):
        return f"a picture in {words}"
    end = _HEAD.search(words)
    head = words[: end.start()].rstrip() if end and end.start() else words
    return add_article(head) + words[len(head) :]
