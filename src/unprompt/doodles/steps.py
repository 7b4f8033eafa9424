"""From a drawing to a picture step by step, for faces: what it may be, a caption, a prompt, pictures.

What is drawn last is what is guessed, and a guess that somebody takes corrects the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from unprompt.doodles.facts import SceneFacts, say_facts
from unprompt.doodles.nouns import SOMETHING, one_of
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.wording import negative_prompt_of, prompt_of
from unprompt.errors import CheckpointError, InputError

if TYPE_CHECKING:
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

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        """One for each drawing."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The parts that lead from a drawing to a picture; None for what is not here."""

    namer: Naming | None = None
    captioner: Describing | None = None
    painter: DoodlePainter = field(default_factory=DoodlePainter)

    def guesses(self, drawing: Drawing, top: int = TOP) -> tuple[Guess, ...]:
        """What may have been drawn last, the likeliest first; nothing of an empty sheet, or with no namer."""
        if not drawing.strokes or self.namer is None:
            return ()
        return tuple(self.namer.name(self._last_thing(drawing), top))

    def _last_thing(self, drawing: Drawing) -> Drawing:
        """The thing to which the last stroke belongs."""
        if self.captioner is None:
            return drawing
        from unprompt.doodles.drawing import take

        [groups] = self.captioner.group([drawing])
        last = len(drawing.strokes) - 1
        return take(drawing, next(group.strokes for group in groups if last in group.strokes))

    def caption(self, drawing: Drawing, chosen: str = "", guesses: Sequence[Guess] = ()) -> str:
        """What a drawing shows, in words; "" for an empty sheet.

        `guesses`: of this drawing. `chosen`: what the thing is that was drawn last, by somebody who knows.
        Without a captioner the drawing is one thing: the chosen word, or the likeliest where it is likely
        enough.
        """
        if not drawing.strokes:
            return ""
        likeliest = guesses[0].word if guesses else ""
        if self.captioner is not None:
            facts = self.captioner.caption([drawing])[0].facts
            return say_facts(corrected(facts, likeliest, chosen) if chosen else facts) or SOMETHING
        if chosen:
            return one_of(chosen)
        return one_of(likeliest) if guesses and guesses[0].probability >= SURE else SOMETHING

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
    ) -> Painted:
        """Pictures of a drawing; see `DoodlePainter.paint`."""
        return self.painter.paint(drawing, prompt, negative_prompt, variants, config, watch)


def corrected(facts: SceneFacts, said: str, chosen: str) -> SceneFacts:
    """Facts in which what was `said` to be one thing is another.

    Where nothing was called that, what nobody was sure about is corrected, else the last kind of things.
    """
    nouns = [kind.noun for kind in facts.kinds]
    if not nouns:
        return facts
    wrong = next((nouns.index(noun) for noun in (said, SOMETHING) if noun in nouns), len(nouns) - 1)
    kinds = [
        replace(kind, noun=chosen) if number == wrong else kind for number, kind in enumerate(facts.kinds)
    ]
    return replace(facts, kinds=tuple(kinds))


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
