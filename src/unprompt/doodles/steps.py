"""From a drawing to a picture step by step, for faces: what it may be, a caption, a prompt, pictures.

What is drawn last is what is guessed, and a guess that somebody takes is what that thing is in the caption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

from unprompt.doodles.facts import say_facts
from unprompt.doodles.nouns import SOMETHING, one_of
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.painters import pass_over
from unprompt.doodles.wording import negative_prompt_of, prompt_of
from unprompt.errors import CheckpointError, InputError

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.doodles.captioners import Caption
    from unprompt.doodles.drawing import Drawing
    from unprompt.doodles.groups import Group
    from unprompt.doodles.paint_drawing import Painted
    from unprompt.painting.watch import Watch

TOP = 5  # guesses
SURE = 0.1  # below it, the likeliest word is not said


class Guess(Protocol):
    """A word, and how probable it is."""

    @property
    def word(self) -> str: ...

    @property
    def probability(self) -> float: ...


class Naming(Protocol):
    """What names drawings; see name.Namer."""

    def name(self, drawing: Drawing, top: int = TOP) -> Sequence[Guess]:
        """The likeliest words, the likeliest first."""


class Describing(Protocol):
    """What describes drawings of several things; see captioners.GroupCaptioner."""

    def group(self, drawings: Sequence[Drawing]) -> list[list[Group]]:
        """The things of each drawing, as groups of its strokes."""

    def caption(self, drawings: Sequence[Drawing], words: Sequence[Mapping[int, str]] = ()) -> list[Caption]:
        """One for each drawing; `words`: for each, what its things are, by one of their strokes' numbers."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The parts that lead from a drawing to a picture; None for what is not here."""

    namer: Naming | None = None
    captioner: Describing | None = None
    painter: DoodlePainter = field(default_factory=DoodlePainter)

    def guesses(
        self, drawing: Drawing, top: int = TOP, thing: Sequence[int] | None = None
    ) -> tuple[Guess, ...]:
        """What may have been drawn last, the likeliest first; nothing of an empty sheet, or with no namer.

        `thing`: what `last_thing` says, where that is known already.
        """
        if not drawing.strokes or self.namer is None:
            return ()
        from unprompt.doodles.drawing import take

        return tuple(self.namer.name(take(drawing, thing or self.last_thing(drawing)), top))

    def last_thing(self, drawing: Drawing) -> tuple[int, ...]:
        """The strokes, by number, of the thing to which the last one belongs; without a captioner all."""
        last = len(drawing.strokes) - 1
        if self.captioner is None or last < 1:
            return tuple(range(last + 1))
        [groups] = self.captioner.group([drawing])
        return next(group.strokes for group in groups if last in group.strokes)

    def caption(
        self, drawing: Drawing, words: Mapping[int, str] | None = None, guesses: Sequence[Guess] = ()
    ) -> str:
        """What a drawing shows, in words; "" for an empty sheet.

        `words`: what its things are, by the number of one of their strokes, as somebody says. `guesses`: of
        this drawing. Without a captioner the drawing is one thing: the last of the words, or the likeliest of
        the guesses where it is likely enough.
        """
        if not drawing.strokes:
            return ""
        words = words or {}
        if self.captioner is not None:
            return say_facts(self.captioner.caption([drawing], [words])[0].facts) or SOMETHING
        if words:
            return one_of(list(words.values())[-1])
        return one_of(guesses[0].word) if guesses and guesses[0].probability >= SURE else SOMETHING

    def prompt(self, caption: str, style: str = DoodlePaint.style) -> str:
        """A caption as what a painter is told; "" where it says nothing. Raises ConfigError for a style."""
        try:
            return prompt_of(caption, style)
        except InputError:
            return ""

    def negative_prompt(self, style: str = DoodlePaint.style) -> str:
        """What a picture in a style should not show. Raises ConfigError for a style."""
        return negative_prompt_of(style)

    def paint(
        self,
        drawing: Drawing,
        prompt: str,
        negative_prompt: str,
        variants: int,
        config: DoodlePaint,
        watch: Watch | None = None,
        take: Callable[[Image.Image], None] = pass_over,
    ) -> Painted:
        """Pictures of a drawing; see `DoodlePainter.paint`."""
        return self.painter.paint(drawing, prompt, negative_prompt, variants, config, watch, take)


@cache
def open_steps(config: DoodlePaint | None = None) -> Steps:
    """All steps with what is here, opened once; what has no weights here is left out.

    `config`: what paints, loaded when it first paints, and the device of all; None: the defaults.
    """
    from unprompt.doodles.captioners import GroupCaptioner
    from unprompt.networks.devices import choose_device

    painter = DoodlePainter(config)
    captioner = None
    if painter.namer is not None:
        try:
            captioner = GroupCaptioner.load(device=choose_device(painter.config.device))
        except CheckpointError:
            captioner = None
    return Steps(painter.namer, captioner, painter)
