"""What the small painter is given: a drawing's regions and a text's tokens as numbers, and what is right.

A region is known by points in it, at which the network looks at the line art, and by its shape. A text is
read with one word in the place of each colour; which colour it was is told beside it. So every colour, in
every language and as a code, is understood as well as the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.colouring.mentions import Mention, find_mentions, with_placeholders
from unprompt.colouring.palette import PAPER, USUAL, WHITE, classes_of, lab_of
from unprompt.colouring.regions import Regions, fills_of, find_regions
from unprompt.pocket.closing import NOTHING
from unprompt.storage.images import image_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.networks.minilm import TokenStates

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

POINTS = 8  # at which the line art is looked at in each region
SHAPE = 12  # numbers that a region's shape is described by
SLOTS = 6  # colours of a text that can be pointed at
TOKENS = 48
CHOICES = 1 + len(USUAL)  # that need no word: paper, and the usual colours
IGNORED = -1  # what fills up a batch


@dataclass(frozen=True, eq=False)
class Seen:
    """Line art as the network sees it, and its R regions, the largest first.

    `ink`: (side, side) uint8, 255 where a line is. `points`: (R, POINTS, 2) float32, x and y in -1 … 1.
    `shapes`: (R, SHAPE) float32. `order`: (R,) the regions' numbers, from 1 on; narrow ones of large drawings
    that are beside each other may be missing.
    """

    ink: Bytes
    points: Floats
    shapes: Floats
    order: Ints


@dataclass(frozen=True, eq=False)
class Heard:
    """A text as the network reads it.

    `states`: (T, 384) MiniLM's of each token. `slots`: (M,) the token at which each named colour stands.
    `basics`: (M,) which basic colour it is. `mentions`: those M.
    """

    states: NDArray[np.float16]
    slots: Ints
    basics: Ints
    mentions: tuple[Mention, ...]


def see(page: Bytes, regions: Regions, side: int) -> Seen:
    """Prepare line art (H, W) uint8, black on white, with its regions."""
    regions = regions.reduced()
    order = 1 + np.argsort(-regions.areas[1:], kind="stable")
    order = order[regions.areas[order] > 0]
    ink = 255 - np.asarray(_squared(page, side))
    pixels = np.argsort(regions.labels.ravel(), kind="stable")  # those of each region one after the other
    return Seen(ink, _points_of(regions, order, pixels), _shapes_of(regions, order, pixels), order)


def _squared(page: Bytes, side: int) -> Image.Image:
    """A page of any shape in the middle of a white square, its longer side `side`."""
    height, width = page.shape
    longer = max(height, width)
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    small = Image.fromarray(page).resize(size, Image.Resampling.BOX)
    square = Image.new("L", (side, side), 255)
    square.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _points_of(regions: Regions, order: Ints, pixels: Ints) -> Floats:
    """Points spread evenly over each region's pixels, in row order: (R, POINTS, 2)."""
    height, width = regions.labels.shape
    ends = np.cumsum(regions.areas)
    starts, areas = ends[order - 1], regions.areas[order]
    at = starts[:, None] + ((np.arange(POINTS) + 0.5) / POINTS * areas[:, None]).astype(np.int64)
    y, x = np.divmod(pixels[at], width)
    longer = max(height, width)
    return np.stack([(2 * x + 1 - width) / longer, (2 * y + 1 - height) / longer], -1).astype(np.float32)


def _shapes_of(regions: Regions, order: Ints, pixels: Ints) -> Floats:
    """Size, place, box, width and neighbourhood of each region: (R, SHAPE), about -1 … 1."""
    from scipy import ndimage

    labels, areas = regions.labels, regions.areas[order].astype(np.float64)
    height, width = labels.shape
    longer = max(height, width)
    boxes = ndimage.find_objects(labels)
    sides = np.array(
        [(box[1].start, box[0].start, box[1].stop, box[0].stop) for box in (boxes[n - 1] for n in order)]
    ).reshape(-1, 4)
    x = np.bincount(labels.ravel(), np.tile(np.arange(width), height), regions.count + 1)[order] / areas
    y = np.bincount(labels.ravel(), np.repeat(np.arange(height), width), regions.count + 1)[order] / areas
    inner = ndimage.distance_transform_edt(labels > 0)
    starts = np.cumsum(regions.areas)[:-1]
    depth = np.maximum.reduceat(inner.ravel()[pixels], starts)[order - 1] if len(order) else np.zeros(0)
    left, top, right, bottom = ((2 * sides - [width, height, width, height]) / longer).T
    on_border = (sides[:, 0] == 0) | (sides[:, 1] == 0) | (sides[:, 2] == width) | (sides[:, 3] == height)
    box = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1])
    columns = [
        np.log10(areas / (height * width)) / 2 + 1, (2 * x + 1 - width) / longer,
        (2 * y + 1 - height) / longer, left, top, right, bottom, areas / box, on_border,
        np.log10(np.maximum(depth, 0.5) / longer) + 1.5, np.sqrt(areas / (height * width)),
        np.arange(len(order)) / 16,
    ]  # fmt: skip
    return np.stack(columns, 1).astype(np.float32)


def hear(texts: Sequence[str], encoder: Any) -> list[Heard]:
    """Prepare texts. `encoder`: a networks.minilm.PromptEncoder. Beyond SLOTS colours and TOKENS tokens a
    text has no influence."""
    mentions = [find_mentions(text)[:SLOTS] for text in texts]
    read = [with_placeholders(text, found) for text, found in zip(texts, mentions, strict=True)]
    unique = list(dict.fromkeys(text for text, _ in read))
    states = dict(zip(unique, encoder.encode_tokens(unique), strict=True))
    return [_heard(states[text], starts, found) for (text, starts), found in zip(read, mentions, strict=True)]


def _heard(tokens: TokenStates, starts: tuple[int, ...], mentions: tuple[Mention, ...]) -> Heard:
    where = {start: place for place, start in reversed(list(enumerate(tokens.starts))) if place}
    kept = [
        (where[start], mention)
        for start, mention in zip(starts, mentions, strict=True)
        if where.get(start, TOKENS) < TOKENS
    ]
    return Heard(
        tokens.states[:TOKENS].astype(np.float16),
        np.array([place for place, _ in kept], np.int64),
        np.array([mention.colour.basic for _, mention in kept], np.int64),
        tuple(mention for _, mention in kept),
    )


def targets_of(fills: Ints, mentions: Sequence[Mention]) -> Ints:
    """What is right for regions with these fills (R,), 0xRRGGBB or NOTHING: (R,).

    CHOICES + m where the m-th mention names the colour; else 0 for paper, 1 + n for the n-th of USUAL, which
    is the nearest (CIELAB) of the same basic colour.
    """
    found = np.zeros(len(fills), np.int64)
    if len(fills):
        usual, rgb = np.array(USUAL), np.maximum(fills, 0)
        far = ((lab_of(rgb)[:, None] - lab_of(usual)) ** 2).sum(2)
        far[classes_of(rgb)[:, None] != classes_of(usual)] = np.inf
        found = 1 + far.argmin(1)
    for number, mention in reversed(list(enumerate(mentions))):
        found[fills == mention.colour.rgb] = CHOICES + number
    found[fills == NOTHING] = PAPER
    return found


def choices_of(colours: Ints, mentions: Sequence[Mention]) -> Ints:
    """What any painter's colours (R,), 0xRRGGBB, come to: as `targets_of`, and a named colour wherever its
    basic colour is."""
    found = targets_of(colours, ())
    classes = classes_of(colours) if len(colours) else np.zeros(0, np.int64)
    for number, mention in reversed(list(enumerate(mentions))):
        found[classes == mention.colour.basic] = CHOICES + number
    return found


def read_drawing(source: Image.Image, target: Image.Image) -> tuple[Bytes, Regions, Ints]:
    """A pair as a page (H, W), its regions, and the colour that each has in the target (R,), NOTHING for
    paper: where the target is transparent or, if it never is, white around the drawing.

    What is transparent in the source is white.
    """
    page = np.asarray(image_of(source).convert("L"))
    coloured = np.asarray(target.convert("RGBA").resize(source.size, Image.Resampling.NEAREST)).astype(
        np.int64
    )
    fills = coloured[..., 0] << 16 | coloured[..., 1] << 8 | coloured[..., 2]
    fills[coloured[..., 3] == 0] = NOTHING
    regions = find_regions(page, bridge=False)
    found = fills_of(regions, fills)
    if (coloured[..., 3] == 255).all():
        found[(found == WHITE) & regions.on_border] = NOTHING
    return page, regions, found
