"""What a visitor has on the page Colour by words: a picture, words, taps to undo and redo, earlier works.

Nothing of Streamlit's, and no pictures that are decoded: an easel lies in a visitor's session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, NamedTuple

from unprompt.colouring.hints import Hint, read_colour
from unprompt.errors import ConfigError
from unprompt.serving.uploads import Upload

KEPT = 8  # coloured pictures that can be gone back to
MOST_TAPS = 500  # on one picture


@dataclass(frozen=True)
class Order:
    """What a picture's colours depend on, but for taps. `digest`: of the line art's file."""

    digest: str
    words: str
    crayons: str
    bridge: bool
    seed: int

    @property
    def key(self) -> str:
        """A short name: the same for the same order."""
        return sha256(repr(self).encode()).hexdigest()[:16]


class Tap(NamedTuple):
    """A place as shares of width and height, from 0 to 1, and the colour that its region is to have."""

    x: float
    y: float
    rgb: int

    def hint(self, size: tuple[int, int]) -> Hint:
        """The same on a picture of (width, height) pixels."""
        width, height = size
        return Hint(min(int(self.x * width), width - 1), min(int(self.y * height), height - 1), self.rgb)


@dataclass(frozen=True)
class Taps:
    """The taps on one picture, and those that were undone, the last one last."""

    done: tuple[Tap, ...] = ()
    undone: tuple[Tap, ...] = ()

    def add(self, tap: Tap) -> Taps:
        """One more; what was undone is forgotten."""
        return Taps((*self.done, tap)[-MOST_TAPS:])

    def undo(self) -> Taps:
        """Take the last one back."""
        return Taps(self.done[:-1], (*self.undone, *self.done[-1:]))

    def redo(self) -> Taps:
        """Do again what was undone last."""
        return Taps((*self.done, *self.undone[-1:]), self.undone[:-1])


@dataclass
class Work:
    """A coloured picture: its line art's file, what was ordered, taps. `small`: how it looks, as a URL."""

    upload: Upload
    order: Order
    taps: Taps = Taps()
    small: str = ""


@dataclass
class Whole:
    """Pictures that were painted anew of line art and words, as PNG files. `chosen`: which is shown."""

    upload: Upload
    files: tuple[bytes, ...]
    chosen: int = 0


@dataclass
class Easel:
    """`upload`, `words` and the settings below: what is coloured now. `seed`: of the first of the `variants`;
    `chosen`: which is shown.

    `works`: by their orders' keys, the oldest first. `last_tap`: the number of the last that was taken in.
    `whole`: whether pictures are painted anew, not coloured part by part; `painting`: the line art of which
    one is under way; `painted`: the last of these.
    """

    upload: Upload | None = None
    words: str = ""
    crayons: str = "any"
    variants: int = 1
    bridge: bool = True
    seed: int = 0
    chosen: int = 0
    works: dict[str, Work] = field(default_factory=dict)
    last_tap: float = 0
    whole: bool = False
    painting: Upload | None = None
    painted: Whole | None = None

    def put(self, upload: Upload | None, words: str | None = None) -> None:
        """Another picture, to be coloured anew; with other words where some are given."""
        self.upload = upload
        self.begin_anew()
        if words is not None:
            self.words = words

    @property
    def files(self) -> list[bytes]:
        """The files of line art that are kept here, some of them several times."""
        uploads = [self.upload, self.painting, self.painted.upload if self.painted else None]
        uploads += [work.upload for work in list(self.works.values())]  # a page may add to them meanwhile
        return [upload.content for upload in uploads if upload]

    def forget_others(self) -> None:
        """Drop what was made of other line art than this one, so that the files of that go."""
        self.works = {key: work for key, work in self.works.items() if work.upload is self.upload}
        if self.painted and self.painted.upload is not self.upload:
            self.painted = None

    def go_on_from(self, before: Easel) -> None:
        """Have what lay on another easel, unless there is line art on this one."""
        if self.upload is None:
            works = {key: replace(work) for key, work in list(before.works.items())}
            painted = replace(before.painted) if before.painted else None
            vars(self).update(vars(before) | {"works": works, "painted": painted, "painting": None})

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the variants."""
        return tuple(range(self.seed, self.seed + self.variants))

    @property
    def order(self) -> Order:
        """Of the first variant, of the picture that is there."""
        assert self.upload is not None
        words = " ".join(self.words.split())
        return Order(self.upload.digest, words, self.crayons, self.bridge, self.seed)

    def change(self, setting: str, value: object) -> None:
        """Another value of `words`, `crayons`, `variants`, `bridge` or `whole`."""
        setattr(self, setting, value)
        self.begin_anew()

    def go_back(self, work: Work) -> None:
        """Show an earlier work again, as it was ordered."""
        self.put(work.upload, work.order.words)
        self.crayons, self.bridge, self.variants = work.order.crayons, work.order.bridge, 1
        self.begin_anew(work.order.seed)

    def begin_anew(self, seed: int = 0) -> None:
        """Show the first variant, which has this seed."""
        self.seed, self.chosen = seed, 0

    def show(self, upload: Upload, order: Order) -> Work:
        """The work of an order: as it was left, or a new one, for which the oldest goes."""
        work = self.works.setdefault(order.key, Work(upload, order))
        while len(self.works) > KEPT:
            del self.works[next(key for key in self.works if key != order.key)]
        return work

    def take(self, sent: object) -> None:
        """Add the taps that a browser sent, each once, to the works that they are on.

        `sent`: a list of `{"number", "work", "x", "y", "colour"}`, numbers growing. What is none is dropped,
        as a browser can send anything.
        """
        for one in sent if isinstance(sent, list) else ():
            if not isinstance(one, Mapping):
                continue
            number, work = one.get("number"), self.works.get(str(one.get("work")))
            tap = _read_tap(one)
            if not isinstance(number, int | float) or not number > self.last_tap:
                continue
            self.last_tap = number
            if work and tap:
                work.taps = work.taps.add(tap)


def easel_of(session: Any) -> Easel:
    """The easel in a visitor's session (Streamlit's `session_state`)."""
    easel: Easel = session.setdefault("easel", Easel())
    return easel


def _read_tap(sent: Mapping[object, object]) -> Tap | None:
    x, y = sent.get("x"), sent.get("y")
    if not (isinstance(x, int | float) and isinstance(y, int | float) and 0 <= x <= 1 and 0 <= y <= 1):
        return None
    try:
        return Tap(x, y, read_colour(str(sent.get("colour"))))
    except ConfigError:
        return None
