"""From a drawing to a picture step by step, for faces: what it may be, a caption, a prompt, pictures.

The parts are what the package has; tests and programs give their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from unprompt.errors import ConfigError, InputError
from unprompt.text.english import add_article

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.doodles.drawing import Drawing

TOP = 5  # guesses
SURE = 0.1  # below it, the likeliest word is not said
PHOTO = "photo"
SOMETHING = "a drawing of something"
FOLLOW = ("loosely", "closely", "exactly")  # how a picture may follow the drawing
MOST_VARIANTS = 4


class Guess(Protocol):
    """A word, and how probable it is."""

    @property
    def word(self) -> str: ...

    @property
    def probability(self) -> float: ...


class Naming(Protocol):
    """What names drawings: `unprompt.doodles.name.Namer`, or one's own."""

    def name(self, drawing: Drawing, top: int = TOP) -> Sequence[Guess]:
        """The likeliest words, the likeliest first."""


@dataclass(frozen=True, eq=False)
class PhotoOrder:
    """Pictures to be painted of a drawing: one a seed, from `seed` on."""

    drawing: Drawing
    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    variants: int = 1
    follow: str = "closely"
    size: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.variants <= MOST_VARIANTS:
            raise ConfigError(f"variants must be from 1 to {MOST_VARIANTS}, got {self.variants}")
        if self.follow not in FOLLOW:
            raise ConfigError(f"follow must be one of {', '.join(FOLLOW)}, got '{self.follow}'")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture."""
        return tuple(range(self.seed, self.seed + self.variants))


@dataclass(frozen=True, eq=False)
class Photos:
    """RGB images, and what there is to say of them."""

    images: tuple[Image.Image, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Steps:
    """The parts that lead from a drawing to a picture; None for what is not here.

    `captioner`: a drawing to a caption. `wording`: a caption and one of `styles` to a prompt, `negative`: a
    style to what is not to be seen. `painter`: an order to pictures. `tracer`: a picture of a drawing to its
    strokes.
    """

    namer: Naming | None = None
    captioner: Callable[[Drawing], str] | None = None
    wording: Callable[[str, str], str] | None = None
    negative: Callable[[str], str] | None = None
    styles: tuple[str, ...] = (PHOTO,)
    painter: Callable[[PhotoOrder], Photos] | None = None
    tracer: Callable[[Image.Image], Drawing] | None = None

    def guesses(self, drawing: Drawing, top: int = TOP) -> tuple[Guess, ...]:
        """What a drawing may be, the likeliest first; nothing for an empty sheet, or without a namer."""
        if not drawing.strokes or self.namer is None:
            return ()
        return tuple(self.namer.name(drawing, top))

    def caption(self, drawing: Drawing, chosen: str = "", guesses: Sequence[Guess] = ()) -> str:
        """What a drawing shows, in words. A word that was `chosen` is what it shows; "" for an empty sheet.

        Without a captioner the likeliest of the `guesses` is said, where it is likely enough.
        """
        if not drawing.strokes:
            return ""
        if chosen:
            return say_of(chosen)
        if self.captioner is not None:
            return self.captioner(drawing)
        if guesses and guesses[0].probability >= SURE:
            return say_of(guesses[0].word)
        return SOMETHING

    def prompt(self, caption: str, style: str = PHOTO) -> str:
        """A caption as what a painter is told, in one of `styles`; "" of none."""
        said = " ".join(caption.split())
        if not said:
            return ""
        if self.wording is not None:
            return self.wording(said, style)
        return f"A photo of {said.removeprefix('a drawing of ')}"

    def negative_prompt(self, style: str = PHOTO) -> str:
        """What a picture in a style should not show."""
        return self.negative(style) if self.negative else ""

    def paint(self, order: PhotoOrder) -> Photos:
        """Pictures of an order. Raises InputError for an empty drawing or prompt, and what painters raise."""
        if not order.drawing.strokes:
            raise InputError("the drawing is empty: draw something first")
        if not order.prompt.strip():
            raise InputError("the prompt is empty: say what is to be painted")
        return (self.painter or draw_in_pocket)(order)

    def trace(self, image: Image.Image) -> Drawing:
        """The strokes of a picture of a drawing. Raises ConfigError where nothing here traces."""
        if self.tracer is None:
            raise ConfigError("pictures cannot be traced here; draw on the sheet")
        return self.tracer(image)


def say_of(word: str) -> str:
    """ "cat" -> "a drawing of a cat", "The Mona Lisa" -> "a drawing of The Mona Lisa"."""
    return f"a drawing of {word if word.startswith('The ') else add_article(word)}"


def draw_in_pocket(order: PhotoOrder) -> Photos:
    """The pocket world's pictures of a prompt: it follows the words and not the lines.

    Raises InputError where it knows nothing that the prompt names.
    """
    from unprompt.pocket.draw import draw_scene
    from unprompt.pocket.grammar import read_near_scene

    scene, left_out = read_near_scene(order.prompt)
    told = ["drawn by the pocket world, which follows the words and not the lines"]
    if left_out:
        told.append("not understood and left out: " + ", ".join(f"'{part}'" for part in left_out))
    return Photos(tuple(draw_scene(scene, seed, order.size) for seed in order.seeds), tuple(told))


@cache
def open_steps(device: str = "cpu") -> Steps:
    """All steps with what this package has, opened once. Raises CheckpointError where weights are missing."""
    namer = _part("name", "Namer")
    return Steps(
        namer=namer.load(None, device) if namer else None,
        wording=_part("wording", "prompt_of"),
        negative=_part("wording", "negative_prompt_of"),
        styles=tuple(_part("wording", "STYLES") or (PHOTO,)),
        tracer=_part("picture", "read_picture"),
    )


def _part(module: str, name: str) -> Any:
    """A function or class of this room; None where the room does not have it."""
    whole = f"unprompt.doodles.{module}"
    return getattr(import_module(whole), name) if find_spec(whole) else None
