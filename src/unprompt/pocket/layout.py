"""Where drawings stand: pieces in an abstract plane, and how amounts and relations arrange them.

Lengths are in thousandths of an ordinary thing's longer side. x runs right; y runs down, the ground is at 0.
A later piece of a block covers an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from unprompt.pocket.adjectives import ADJECTIVES, Adjective
from unprompt.pocket.dice import Dice
from unprompt.pocket.drawings import shape
from unprompt.pocket.textures import on_circle

SIDE = 1000


class Piece(NamedTuple):
    """One drawing in the plane: its box, and how it is changed on its way there.

    `turn`, its pose, and `lean`, what a relation adds, are in degrees; the box is that of the pose.
    `filled_with` is a drawing that textures its silhouette, `half_of` one whose right half replaces its own,
    `alpha` in [0, 255]; `dark` makes it a shadow. `thing` numbers what it belongs to, -1 for marks such as a
    thought bubble.
    """

    drawing: str
    x: int
    y: int
    w: int
    h: int
    thing: int = -1
    adjectives: tuple[str, ...] = ()
    turn: int = 0
    flip: bool = False
    filled_with: str = ""
    half_of: str = ""
    alpha: int = 255
    dark: bool = False
    lean: int = 0

    @property
    def angle(self) -> int:
        """How far it is turned in all, in degrees."""
        return self.turn + self.lean


Block = tuple[Piece, ...]
Layout = Callable[[Block, Block, Dice], Block]


@dataclass(frozen=True)
class Box:
    """The smallest box around pieces: left, top, right, bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def w(self) -> int:
        return self.right - self.left

    @property
    def h(self) -> int:
        return self.bottom - self.top

    @property
    def middle(self) -> int:
        return (self.left + self.right) // 2

    @property
    def centre(self) -> int:
        return (self.top + self.bottom) // 2


def box(block: Iterable[Piece]) -> Box:
    """The box around a block's pieces."""
    pieces = list(block)
    return Box(
        min(piece.x for piece in pieces),
        min(piece.y for piece in pieces),
        max(piece.x + piece.w for piece in pieces),
        max(piece.y + piece.h for piece in pieces),
    )


def moved(block: Block, x: int, y: int) -> Block:
    """The block, x to the right and y down."""
    return tuple(piece._replace(x=piece.x + x, y=piece.y + y) for piece in block)


def scaled(block: Block, share: int) -> Block:
    """The block in `share` thousandths of its size, its foot staying in the middle of the ground."""
    return tuple(
        piece._replace(
            x=piece.x * share // SIDE,
            y=piece.y * share // SIDE,
            w=max(1, piece.w * share // SIDE),
            h=max(1, piece.h * share // SIDE),
        )
        for piece in block
    )


def changed(block: Block, **changes: Any) -> Block:
    """The block with the same change to every piece of a thing; its marks stay."""
    return tuple(piece._replace(**changes) if piece.thing >= 0 else piece for piece in block)


def leant(block: Block, degrees: int) -> Block:
    """The block with its things turned further, its marks as they were."""
    return tuple(piece._replace(lean=piece.lean + degrees) if piece.thing >= 0 else piece for piece in block)


def thing_of(block: Block) -> Piece:
    """The first piece of a block that is no mark."""
    return next(piece for piece in block if piece.thing >= 0)


def placed(
    block: Block, left: int | None = None, bottom: int | None = None, middle: int | None = None
) -> Block:
    """The block moved so that its box has the given left side or middle, and the given bottom."""
    around = box(block)
    x = (
        left - around.left
        if left is not None
        else (middle if middle is not None else around.middle) - around.middle
    )
    return moved(block, x, (bottom if bottom is not None else around.bottom) - around.bottom)


def fitted(block: Block, width: int, height: int) -> Block:
    """The block scaled to fit into a box of this width and height as well as it can."""
    around = box(block)
    return scaled(block, min(width * SIDE // around.w, height * SIDE // around.h))


def mark(drawing: str, x: int, y: int, side: int, **changes: Any) -> Piece:
    """A small drawing that is no thing of the prompt's, around the point (x, y)."""
    wide, tall = shape(drawing)
    w, h = side * wide // SIDE, side * tall // SIDE
    return Piece(drawing, x - w // 2, y - h // 2, w, h, **changes)


# --- things and amounts


def single(drawing: str, words: tuple[str, ...], number: int, dice: Dice) -> Block:
    """One drawing on the ground with what its adjectives add to it."""
    entries = [ADJECTIVES[word] for word in words]
    wide, tall = shape(drawing)
    turn = lift = 0
    for entry in entries:
        wide = wide * entry.scale * entry.wide // (SIDE * SIDE)
        tall = tall * entry.scale * entry.tall // (SIDE * SIDE)
        turn, lift = turn + entry.turn, lift + entry.lift
    if turn % 180 == 90:
        wide, tall = tall, wide
    piece = Piece(drawing, -wide // 2, -tall, wide, tall, number, words, turn, dice.chance(50))
    block: Block = (piece,)
    for entry in entries:
        if entry.badge:
            block = _badged(block, piece, entry)
    if lift:
        block = moved(block, 0, -max(wide, tall) * lift // SIDE)
    return block


def _badged(block: Block, piece: Piece, entry: Adjective) -> Block:
    side = max(piece.w, piece.h)
    left, top, middle = piece.x, piece.y, piece.x + piece.w // 2
    right, bottom = left + piece.w, piece.y + piece.h
    if entry.where == "back":
        return (mark(entry.badge, middle, top + piece.h // 2, side * 15 // 10), *block)
    if entry.where == "wings":
        y = top + piece.h * 2 // 5
        return (
            mark(entry.badge, left, y, side * 6 // 10, flip=True),
            mark(entry.badge, right, y, side * 6 // 10),
            *block,
        )
    if entry.where == "under":
        return (mark(entry.badge, middle, bottom + side // 10, side * 5 // 10), *block)
    small = side * 38 // 100
    x, y = {
        "side": (right - small // 4, top + small // 4),
        "over": (middle, top - small // 2),
        "hat": (middle, top - small // 6),
        "foot": (right, bottom - small // 2),
        "middle": (middle, top + piece.h // 2),
    }[entry.where]
    return (*block, mark(entry.badge, x, y, small))


def arranged(blocks: list[Block], layout: str, dice: Dice) -> Block:
    """Several blocks of one thing as a row, crowd, stack, pile or circle; one block stays as it is."""
    if len(blocks) == 1:
        return blocks[0]
    return ARRANGEMENTS[layout or ("row" if len(blocks) < 4 else dice.pick(("row", "crowd")))](blocks, dice)


def _row(blocks: list[Block], dice: Dice) -> Block:
    line: Block = ()
    for block in blocks:
        line += placed(block, left=box(line).right + 60 + dice.below(80) if line else 0)
    return line


def _crowd(blocks: list[Block], dice: Dice) -> Block:
    """Rows one behind the other, the nearer ones lower and drawn later."""
    deep = 2 if len(blocks) < 7 else 3
    group: Block = ()
    for depth in range(deep):
        row = _row(blocks[depth::deep], dice)
        group += placed(
            scaled(row, 780 + 110 * depth), middle=(depth % 2) * 240 - 120, bottom=(depth - deep + 1) * 480
        )
    return group


def _stack(blocks: list[Block], dice: Dice) -> Block:
    tower: Block = ()
    for block in blocks:
        top = box(tower).top if tower else 0
        tower += placed(block, middle=dice.between(-60, 60), bottom=top + box(block).h // 8 if tower else 0)
    return tower


def _pile(blocks: list[Block], dice: Dice) -> Block:
    """Three below, two on them, one on top."""
    heap: Block = ()
    bottom = 0
    left_over = list(blocks)
    for width in (3, 2, 1):
        row, left_over = left_over[:width], left_over[width:]
        side = max(box(block).w for block in row)
        level: Block = ()
        for place, block in enumerate(row):
            middle = (2 * place - len(row) + 1) * side * 2 // 5
            level += placed(block, middle=middle, bottom=bottom)
        heap += level
        bottom = box(level).top + box(level).h // 3
    return heap


def _circle(blocks: list[Block], dice: Dice) -> Block:
    side = max(max(box(block).w, box(block).h) for block in blocks)
    ring: Block = ()
    for number, block in enumerate(blocks):
        x, y = on_circle(number, len(blocks), side * 3 // 2)
        ring += placed(block, middle=x, bottom=y + box(block).h // 2)
    return placed(ring, bottom=0)


ARRANGEMENTS: dict[str, Callable[[list[Block], Dice], Block]] = {
    "row": _row,
    "crowd": _crowd,
    "stack": _stack,
    "pile": _pile,
    "circle": _circle,
}


# --- relations: two blocks -> one


def beside(gap: int = 70, between: str = "", tilt: int = 0) -> Layout:
    """b right of a, or left by the seed; `between` is a mark over the gap, `tilt` leans both inwards."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        first, second = (a, b) if dice.chance(50) else (b, a)
        first, second = leant(first, tilt), leant(second, -tilt)
        second = placed(second, left=box(first).right + gap)
        if not between:
            return first + second
        side = max(260, min(box(a).h, box(b).h) * 45 // 100)
        x = box(first).right + gap // 2
        return (
            *first,
            *second,
            mark(between, x, min(box(first).centre, box(second).centre) - side // 3, side),
        )

    return lay


def left_of(a: Block, b: Block, dice: Dice) -> Block:
    return a + placed(b, left=box(a).right + 90)


def right_of(a: Block, b: Block, dice: Dice) -> Block:
    return left_of(b, a, dice)


def on_top(sink: int = 80, badge: str = "") -> Layout:
    """a stands on b, `sink` thousandths of its height deep."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        below = box(b)
        small = a if box(a).h <= below.h else scaled(a, max(500, below.h * SIDE // box(a).h))
        top = placed(small, middle=below.middle, bottom=below.top + below.h * sink // SIDE)
        if badge:
            side = box(top).h // 2
            top = (*top, mark(badge, box(top).right, box(top).top, side))
        return b + top

    return lay


def under(a: Block, b: Block, dice: Dice) -> Block:
    """a below b, both in full view."""
    small = a if box(a).w <= box(b).w else fitted(a, box(b).w, box(a).h)
    low = placed(small, middle=box(b).middle, bottom=0)
    return (*placed(b, bottom=box(low).top - 30), *low)


def above(gap: int = 260, trail: str = "") -> Layout:
    """a in the air over b."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        high = placed(a, middle=box(b).middle + dice.between(-150, 150), bottom=box(b).top - gap)
        if trail:
            side = box(high).h // 2
            high = (mark(trail, box(high).left - side // 4, box(high).bottom, side), *high)
        return b + high

    return lay


def chasing(badge: str) -> Layout:
    """a behind b with a gap, both leaning on the run, dust behind a."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        ahead = leant(placed(b, left=0, bottom=-80), -10)
        behind = leant(placed(a, left=box(ahead).right + 320), -10)
        side = box(behind).h * 45 // 100
        return (*ahead, *behind, mark(badge, box(behind).right + side // 2, -side // 2, side))

    return lay


def fleeing(a: Block, b: Block, dice: Dice) -> Block:
    chase = chasing("1F4A8")(b, a, dice)
    front = box(piece for piece in chase if piece.thing == thing_of(a).thing)
    return (*chase, mark("1F4A6", front.right, front.top, front.h // 3))


def hidden(a: Block, b: Block, dice: Dice) -> Block:
    """a looks out from behind b."""
    cover = box(b)
    size = scaled(a, min(SIDE, cover.h * SIDE // max(1, box(a).h)))
    shift = dice.pick((-1, 1)) * (cover.w // 2)
    return placed(size, middle=cover.middle + shift, bottom=-cover.h // 4) + b


def in_front(a: Block, b: Block, dice: Dice) -> Block:
    """b large behind a."""
    back = scaled(b, max(SIDE, box(a).h * 1900 // max(1, box(b).h)))
    return back + placed(a, middle=box(back).middle + dice.between(-250, 250), bottom=120)


def inside(a: Block, b: Block, dice: Dice) -> Block:
    """a small in the middle of b, b's outline faintly over it."""
    shell = scaled(b, 1500)
    core = fitted(a, box(shell).w * 55 // 100, box(shell).h * 55 // 100)
    core = placed(core, middle=box(shell).middle, bottom=box(shell).bottom - box(shell).h * 18 // 100)
    return shell + core + tuple(piece._replace(alpha=70) for piece in shell if piece.thing >= 0)


def held(share: int = 480, height: int = 420, badge: str = "", middle: bool = False) -> Layout:
    """b, `share` thousandths of a's size, before a at its side or its `middle`, at a height from its foot."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        body = box(a)
        small = fitted(b, max(body.w, body.h) * share // SIDE, max(body.w, body.h) * share // SIDE)
        x = body.middle if middle else body.right - box(small).w // 6
        small = placed(small, middle=x, bottom=body.bottom - body.h * height // SIDE + box(small).h // 2)
        group = a + small
        if badge:
            group = (*group, mark(badge, box(small).middle, box(small).top - body.h // 6, body.h // 3))
        return group

    return lay


def eaten(a: Block, b: Block, dice: Dice) -> Block:
    """b before a's mouth, crumbs below it."""
    group = held(430, 330, middle=True)(a, b, dice)
    food = thing_of(b)
    side = box(a).h // 5
    crumbs = tuple(
        mark(food.drawing, box(group).middle + x * side * 2, -side // 2, side, adjectives=food.adjectives)
        for x in (-1, 0, 1)
    )
    return group + crumbs


def worn(a: Block, b: Block, dice: Dice) -> Block:
    """b on a's head."""
    head = box(a)
    hat = fitted(b, head.w * 7 // 10, head.h // 2)
    return a + placed(hat, middle=head.middle, bottom=head.top + box(hat).h * 35 // 100)


def bubble(drawing: str) -> Layout:
    """b in a thought or speech bubble over a."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        head = box(a)
        side = max(head.w, head.h, 600) * 12 // 10
        frame = mark(drawing, head.right + side // 6, head.top - side // 3, side)
        idea = fitted(b, side * 46 // 100, side * 40 // 100)
        idea = placed(
            idea, middle=frame.x + frame.w // 2, bottom=frame.y + frame.h * 45 // 100 + box(idea).h // 2
        )
        return (*a, frame, *idea)

    return lay


def surrounded(a: Block, b: Block, dice: Dice) -> Block:
    """a in the middle of a ring of b's."""
    core = box(a)
    radius = max(core.w, core.h) * 9 // 10
    ring: Block = ()
    for number in range(8):
        x, y = on_circle(number, 8, radius)
        small = fitted(b, radius * 6 // 10, radius * 6 // 10)
        ring += placed(small, middle=core.middle + x, bottom=core.centre + y + box(small).h // 2)
    return ring + a


def orbiting(a: Block, b: Block, dice: Dice) -> Block:
    """a small on a ring of dots around b."""
    core = box(b)
    radius = max(core.w, core.h) * 3 // 4
    start = dice.below(16)
    dots = tuple(
        mark("26AA", core.middle + x, core.centre + y, radius // 9)
        for x, y in (on_circle(number, 16, radius) for number in range(16) if (number - start) % 16)
    )
    x, y = on_circle(start, 16, radius)
    small = fitted(a, radius * 7 // 10, radius * 7 // 10)
    return dots + b + placed(small, middle=core.middle + x, bottom=core.centre + y + box(small).h // 2)


def thrown(badge: str, height: int, share: int = 500) -> Layout:
    """b flies away from a, the badge between them."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        body = box(a)
        flying = placed(scaled(b, share), left=body.right + 320, bottom=-body.h * height // SIDE)
        side = body.h * 3 // 10
        return (
            *a,
            mark(badge, body.right + 160, (box(flying).centre + body.centre) // 2, side),
            *leant(flying, 20),
        )

    return lay


def juggled(a: Block, b: Block, dice: Dice) -> Block:
    body = box(a)
    side = body.h * 3 // 10
    air: Block = ()
    for number in range(5):
        x, y = on_circle(number + 4, 8, body.h * 65 // 100)
        small = fitted(b, side, side)
        air += placed(small, middle=body.middle + x, bottom=body.top + body.h // 4 + y + box(small).h // 2)
    return a + air


def roped(push: bool) -> Layout:
    """A rope from a to b; or a against b with dust behind."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        if push:
            load = placed(b, left=0)
            pusher = placed(leant(a, -14), left=box(load).right - 40)
            side = box(pusher).h // 3
            return (*load, *pusher, mark("1F4A8", box(pusher).right + side // 2, -side // 2, side))
        load = placed(b, left=box(a).right + 520)
        y = -min(box(a).h, box(b).h) * 2 // 5
        first, last = box(a).right - 60, box(load).left + 60
        rope = tuple(mark("1F7E4", first + (last - first) * step // 9, y, 90) for step in range(10))
        return rope + a + load

    return lay


def halves(a: Block, b: Block, dice: Dice) -> Block:
    """One body: the left half a, the right half b."""
    return changed(a, half_of=thing_of(b).drawing)


def made_of(a: Block, b: Block, dice: Dice) -> Block:
    """a's silhouette full of b's."""
    return changed(a, filled_with=thing_of(b).drawing)


def shaped_like(a: Block, b: Block, dice: Dice) -> Block:
    return made_of(b, a, dice)


def covered(count: int, share: int) -> Layout:
    """Small b's all over a."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        body = box(piece for piece in a if piece.thing >= 0)
        side = max(body.w, body.h) * share // SIDE
        group = a
        for number in range(count):
            x, y = on_circle(number, count - 1, 290) if number and count > 1 else (0, 0)
            small = fitted(b, side, side)
            group += placed(
                small,
                middle=body.middle + body.w * x // SIDE,
                bottom=body.centre + body.h * y // SIDE + box(small).h // 2,
            )
        return group

    return lay


def shadowed(a: Block, b: Block, dice: Dice) -> Block:
    """b's shadow, large, behind a."""
    shade = changed(
        placed(fitted(b, box(a).w * 2, box(a).h * 17 // 10), left=box(a).middle, bottom=-60),
        dark=True,
        alpha=170,
    )
    return shade + a


def leaning(a: Block, b: Block, dice: Dice) -> Block:
    wall = placed(b, left=0)
    return wall + leant(placed(a, left=box(wall).right - 60), 18)


def driving(a: Block, b: Block, dice: Dice) -> Block:
    """a looks out of the top of b."""
    car = scaled(b, 1350)
    seat = box(car)
    driver = fitted(a, seat.w * 45 // 100, seat.h * 62 // 100)
    return placed(driver, middle=seat.middle, bottom=seat.top + box(driver).h * 45 // 100) + car


def framed(badge: str, frame: str) -> Layout:
    """b within a frame or a screen next to a, with a tool between."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        body = box(a)
        picture = mark(frame, body.right + 620, -500, 1000)
        inner = fitted(b, picture.w * 52 // 100, picture.h * 48 // 100)
        inner = placed(
            inner, middle=picture.x + picture.w // 2, bottom=picture.y + picture.h // 2 + box(inner).h // 2
        )
        return (*a, picture, *inner, mark(badge, body.right + 30, -body.h * 2 // 5, 380))

    return lay


def marked(badge: str, over_b: bool, share: int = 700) -> Layout:
    """Side by side, with a mark on one of the two."""

    def lay(a: Block, b: Block, dice: Dice) -> Block:
        second = placed(b, left=box(a).right + 160)
        target = box(second if over_b else a)
        side = max(target.w, target.h) * share // SIDE
        return (
            *a,
            *second,
            mark(badge, target.middle, target.centre if over_b else target.top - side // 3, side),
        )

    return lay


def bursting(a: Block, b: Block, dice: Dice) -> Block:
    """a comes out of the top of b."""
    shell = box(b)
    small = placed(
        fitted(a, shell.w, shell.h * 9 // 10), middle=shell.middle, bottom=shell.top + shell.h * 3 // 10
    )
    return (mark("1F4A5", shell.middle, shell.top, shell.w * 13 // 10), *small, *b)
