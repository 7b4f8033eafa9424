"""The pocket world paints a drawing: the things that its caption names, drawn where the drawing has them.

It needs no network and no GPU, and paints a picture in some hundredths of a second. It can draw 251 of Quick,
Draw!'s 345 words, and says what of a text it left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring_pages.skeleton import dilate
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.follow import edges_of
from unprompt.doodles.ink import ink
from unprompt.doodles.paint_config import EXACTLY, LOOSELY
from unprompt.doodles.pocket_scene import Told
from unprompt.doodles.sheet import lay_out
from unprompt.doodles.spots import Spot
from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import Stage, open_stage, paint_stage, placed_in, sprite
from unprompt.pocket.layout import SIDE, Block, Piece, arranged, box, moved, placed, scaled, single
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring_pages.skeleton import Mask

SKY_SIZE = 650  # thousandths of an ordinary thing's size that things in the sky have
SKY_GAP = 120  # thousandths between what stands and what is above it
LEAST_SIDE = 8  # pixels of a thing's longer side
LOOK = 64  # pixels a side at which a thing and its strokes are compared


def paint_told(
    told: Told, spots: Sequence[Spot], follow: str, seed: int, width: int, height: int
) -> Image.Image:
    """The picture of a text that was read (RGB). The same arguments give the same pixels.

    `spots`: where each of its things lies in the drawing; [] leaves it to the words' relations. `follow`:
    "loosely" takes no places from the drawing, "closely" lays each thing into its box, "exactly" also
    stretches it to the box.
    """
    return paint_stage(stage_of(told, spots, follow, seed, width, height))


def stage_of(told: Told, spots: Sequence[Spot], follow: str, seed: int, width: int, height: int) -> Stage:
    """What `paint_told` paints, before it is painted: its pieces say what is where."""
    if spots and follow != LOOSELY:
        return open_stage(
            told, lambda window, _, dice: lay_at(told, spots, follow, window, dice), seed, width, height
        )
    return open_stage(
        told,
        lambda window, scale, dice: placed_in(lay_by_words(told, dice), scale, window, dice),
        seed,
        width,
        height,
    )


def lay_by_words(told: Told, dice: Dice) -> Block:
    """A text's things as pieces in the plane, laid out by its relations; the sky is over the rest."""
    blocks = [
        arranged(
            [single(thing.noun.drawing, thing.adjectives, number, dice) for _ in range(thing.count)], "", dice
        )
        for number, thing in enumerate(told.things)
    ]
    ground = blocks[: len(told.ground)]
    above = blocks[len(ground) :]
    group: Block = ground[0] if ground else ()
    for relation, block in zip(told.relations, ground[1:], strict=True):
        group = RELATIONS[relation].layout(group, block, dice)
    sky: Block = ()
    for block in above:
        small = scaled(block, SKY_SIZE) if ground else block
        sky += placed(small, left=box(sky).right + SKY_GAP if sky else 0, bottom=0)
    if not sky or not ground:
        return group or sky
    here = box(group)
    middle = here.middle + dice.between(-here.w // 4, here.w // 4)
    return group + placed(sky, middle=middle, bottom=here.top - SKY_GAP)


def lay_at(told: Told, spots: Sequence[Spot], follow: str, window: Window, dice: Dice) -> Block:
    """A text's things as pieces in pixels of the window's square, each where its strokes lie on the sheet.

    Each of two ways round that a thing can stand is compared with its strokes. What is smaller covers what
    is larger.
    """
    sheet = laid_out_spots(spots, window.width, window.height)
    number_by_kind = _number_things(told, spots)
    pieces: list[Piece] = []
    for spot in sheet:
        if spot.kind not in number_by_kind:
            continue
        number = number_by_kind[spot.kind]
        thing = told.things[number]
        block = single(thing.noun.drawing, thing.adjectives, number, dice)
        block = _fitted(block, spot, follow)
        mirrored = tuple(
            piece._replace(flip=not piece.flip) if piece.thing >= 0 else piece for piece in block
        )
        best = max((block, mirrored), key=lambda one: likeness(one, spot))
        pieces += moved(best, window.left, window.top)
    return tuple(sorted(pieces, key=lambda piece: -piece.w * piece.h))


def _number_things(told: Told, spots: Sequence[Spot]) -> dict[int, int]:
    """The number of the thing that spots of a kind are, by kinds; those of one word are in their order."""
    found: dict[int, int] = {}
    for kind, word in sorted({(spot.kind, spot.word) for spot in spots}):
        taken = set(found.values())
        numbers = [n for n, thing in enumerate(told.things) if thing.word == word and n not in taken]
        if numbers:
            found[kind] = numbers[0]
    return found


def laid_out_spots(spots: Sequence[Spot], width: int, height: int) -> list[Spot]:
    """Spots in a picture's pixels, as the whole drawing is laid out."""
    strokes = [stroke for spot in spots for stroke in spot.drawing.strokes]
    sheet = list(lay_out(Drawing(tuple(strokes)), width, height).strokes)
    found = []
    for spot in spots:
        count = len(spot.drawing.strokes)
        found.append(spot._replace(drawing=Drawing(tuple(sheet[:count]))))
        del sheet[:count]
    return found


def likeness(block: Block, spot: Spot) -> float:
    """The share of a spot's ink near an edge of the one piece of a thing, both in pixels of the sheet."""
    piece = next(piece for piece in block if piece.thing >= 0)
    factor = LOOK / max(piece.w, piece.h)
    near = _near_edges(
        piece._replace(
            x=0, y=0, w=max(2, round(piece.w * factor)), h=max(2, round(piece.h * factor)), thing=0
        )
    )
    height, width = near.shape
    lines = ink(spot.drawing.moved(factor, (-piece.x * factor, -piece.y * factor)), width, height, 1.0)
    return float(lines[near].sum())


@lru_cache(512)
def _near_edges(piece: Piece) -> Mask:
    picture = sprite(piece, False, True, Dice(0))
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, (0, 0), picture)
    return dilate(edges_of(page), 2.5)


def _fitted(block: Block, spot: Spot, follow: str) -> Block:
    """A thing's pieces in pixels, in its strokes' box: in their own shape on the box's foot, or stretched."""
    left, top, right, bottom = (round(side) for side in spot.box.tolist())
    wide, high = max(right - left, LEAST_SIDE // 2), max(bottom - top, LEAST_SIDE // 2)
    thing = box(piece for piece in block if piece.thing >= 0)
    share = max(1, min(wide * SIDE // max(thing.w, 1), high * SIDE // max(thing.h, 1)))
    across, down = (wide * SIDE // thing.w, high * SIDE // thing.h) if follow == EXACTLY else (share, share)
    sized = tuple(
        piece._replace(
            x=piece.x * across // SIDE,
            y=piece.y * down // SIDE,
            w=max(2, piece.w * across // SIDE),
            h=max(2, piece.h * down // SIDE),
        )
        for piece in block
    )
    here = box(piece for piece in sized if piece.thing >= 0)
    return moved(sized, (left + right) // 2 - here.middle, bottom - here.bottom)


def positions_of(stage: Stage) -> dict[int, NDArray[np.float64]]:
    """The boxes (N, 4) of each thing's pieces on a stage, by the thing's number."""
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    for piece in stage.pieces:
        if piece.thing >= 0:
            found.setdefault(piece.thing, []).append((piece.x, piece.y, piece.x + piece.w, piece.y + piece.h))
    return {thing: np.array(boxes, float) for thing, boxes in found.items()}
