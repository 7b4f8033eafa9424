"""What a visitor has on the page Doodle to photo: the sheet, what was said of it, pictures painted so far.

Nothing of Streamlit's: a sketchbook lies in a visitor's session.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from unprompt.app.canvas import Canvas, Line
from unprompt.doodles.paint_config import CLOSELY, DoodlePaint
from unprompt.doodles.steps import Guess, Steps
from unprompt.doodles.wording import in_style, negative_in_style
from unprompt.painting.seeds import SEEDS

KEPT = 8  # paintings that can be gone back to
MOST_WORDS = 500  # characters of a caption or prompt


@dataclass(frozen=True)
class Guesses:
    """Of the drawing of a key: what was drawn last may be, the likeliest first, and what all shows.

    `thing`: the lines of what was drawn last.
    """

    key: str = ""
    thing: frozenset[Line] = frozenset()
    words: tuple[Guess, ...] = ()
    caption: str = ""


class Choice(NamedTuple):
    """What a visitor said that a thing is: the lines that it had then, and the word."""

    lines: frozenset[Line]
    word: str


@dataclass(frozen=True)
class Words:
    """What a visitor said: the words that were taken of the guesses, texts that were written, a style.

    A text is None where the program's is wanted.
    """

    choices: tuple[Choice, ...] = ()
    caption: str | None = None
    prompt: str | None = None
    negative: str | None = None
    style: str = DoodlePaint.style


@dataclass(frozen=True)
class Wish:
    """All that pictures depend on."""

    lines: tuple[Line, ...]
    prompt: str
    negative: str
    style: str
    follow: str
    seed: int
    variants: int
    steps: int = DoodlePaint.steps

    def config(self, own: DoodlePaint) -> DoodlePaint:
        """The painter's settings: the server's own, and what was chosen."""
        return replace(own, follow=self.follow, style=self.style, seed=self.seed, steps=self.steps)


@dataclass
class Painting:
    """Pictures of a wish, as PNG files, and what had been said when it was made.

    `files`: fewer than were wished for where it was stopped, or failed. `painter`: what painted them.
    `chosen`: the picture that is shown large. `small`: how the first one looks, as a URL.
    """

    wish: Wish
    words: Words
    files: tuple[bytes, ...]
    told: tuple[str, ...]
    painter: str = ""
    small: str = ""
    chosen: int = 0


@dataclass
class Sketchbook:
    """`paintings`: the oldest first; `shown`: the one to be seen.

    `seed`: of the next painting's first picture. `visit`: by it canvas.js knows a sheet of an earlier visit.
    """

    canvas: Canvas = field(default_factory=Canvas)
    words: Words = Words()
    seed: int = DoodlePaint.seed
    variants: int = 1
    follow: str = CLOSELY
    steps: int = DoodlePaint.steps
    paintings: list[Painting] = field(default_factory=list)
    shown: Painting | None = None
    guesses: Guesses = Guesses()
    visit: str = field(default_factory=lambda: secrets.token_hex(8))

    def go_on_from(self, before: Sketchbook) -> None:
        """Have what was said and painted in another one, but for its sheet: that is in the browser's tab."""
        if not self.paintings:
            copies = {id(one): replace(one) for one in before.paintings}
            self.paintings = list(copies.values())
            self.shown = copies.get(id(before.shown))
            self.words, self.seed, self.variants = before.words, before.seed, before.variants
            self.follow, self.steps = before.follow, before.steps

    # --- the sheet

    def take(self, sent: object) -> None:
        """Take in the sheet that a browser sent. With a sheet that was cleared, the words on it go too."""
        if self.canvas.take(sent) and self.canvas.is_empty:
            self.forget_words()

    def put(self, lines: tuple[Line, ...]) -> None:
        """Lay another drawing on the sheet."""
        self.canvas.put(lines)
        self.forget_words()

    def forget_words(self) -> None:
        """Say of the drawing what the program says."""
        self.words = replace(self.words, choices=(), caption=None, prompt=None)

    # --- what is said of it

    def look(self, steps: Steps) -> None:
        """Guess what is drawn, unless that was guessed already."""
        key = self.canvas.key
        if self.guesses.key != key:
            drawing = self.canvas.drawing
            thing = steps.last_thing(drawing)
            guesses = steps.guesses(drawing, thing=thing)
            lines = frozenset(self.canvas.lines[stroke] for stroke in thing)
            self.guesses = Guesses(key, lines, guesses, steps.caption(drawing, {}, guesses))

    @property
    def chosen(self) -> str:
        """What the visitor said that the thing is that was drawn last; "" where nothing was said of it."""
        words = [choice.word for choice in self.words.choices if choice.lines & self.guesses.thing]
        return words[-1] if words else ""

    def choose(self, word: str) -> None:
        """Say that what was drawn last is this; chosen twice, it is not said any more.

        What was said of other things stays. Caption and prompt follow.
        """
        thing = self.guesses.thing
        choices = [choice for choice in self.words.choices if not choice.lines & thing]
        if word != self.chosen:
            choices.append(Choice(thing, word))
        self.words = replace(self.words, choices=tuple(choices), caption=None, prompt=None)

    def write_caption(self, text: str) -> None:
        """Take the visitor's caption in place of a guess; an empty one is the program's again.

        The prompt follows it.
        """
        self.words = replace(self.words, choices=(), caption=_own(text), prompt=None)

    def write_prompt(self, text: str) -> None:
        """Take the visitor's prompt; an empty one is the program's again."""
        self.words = replace(self.words, prompt=_own(text))

    def write_negative(self, text: str) -> None:
        """Take the visitor's negative prompt, also an empty one."""
        self.words = replace(self.words, negative=" ".join(text.split())[:MOST_WORDS])

    def choose_style(self, style: str) -> None:
        """Have both prompts in another style; of those that were written, only what the style put there."""
        before, prompt, negative = self.words.style, self.words.prompt, self.words.negative
        if prompt is not None:
            prompt = _own(in_style(prompt, before, style))
        if negative is not None:
            negative = negative_in_style(negative, before, style)[:MOST_WORDS]
        self.words = replace(self.words, style=style, prompt=prompt, negative=negative)

    def caption(self, steps: Steps) -> str:
        """What the visitor wrote, else what the chosen words say, else what was guessed."""
        if self.words.caption is not None:
            return self.words.caption
        words: dict[int, str] = {}
        for choice in self.words.choices:
            strokes = [number for number, line in enumerate(self.canvas.lines) if line in choice.lines]
            words |= dict.fromkeys(strokes[:1], choice.word)  # of what was rubbed out none is left
        if not words:
            return self.guesses.caption
        return steps.caption(self.canvas.drawing, words, self.guesses.words)

    def prompt(self, steps: Steps) -> str:
        """What the visitor wrote, else the caption as a prompt."""
        if self.words.prompt is not None:
            return self.words.prompt
        return steps.prompt(self.caption(steps), self.words.style)

    def negative(self, steps: Steps) -> str:
        """What the visitor wrote, else what goes with the style."""
        if self.words.negative is not None:
            return self.words.negative
        return steps.negative_prompt(self.words.style)

    # --- pictures

    def vary(self) -> None:
        """Have the next painting's pictures begin behind the last ones' seeds; behind the largest comes 0."""
        self.seed = (self.seed + self.variants) % SEEDS

    def wish(self, steps: Steps) -> Wish:
        """What is on the sheet and said now, to be painted."""
        said = self.prompt(steps), self.negative(steps), self.words.style
        return Wish(self.canvas.lines, *said, self.follow, self.seed, self.variants, self.steps)

    def add(self, painting: Painting) -> None:
        """Keep what was painted, and show it; the same wish again takes the place of its first painting.

        One that ended early takes no place of one that has more of the pictures.
        """
        before = next((one for one in self.paintings if one.wish == painting.wish), None)
        if before is not None and len(before.files) > len(painting.files):
            self.shown = before
            return
        others = [one for one in self.paintings if one.wish != painting.wish]
        self.paintings = [*others, painting][-KEPT:]
        self.shown = painting

    def go_back(self, number: int) -> None:
        """Show an earlier painting, counted from the newest, as it was made: its drawing, words, numbers."""
        painting = self.shown = self.paintings[-1 - number]
        wish = painting.wish
        if wish.lines != self.canvas.lines:
            self.canvas.put(wish.lines)
        self.words, self.seed = painting.words, wish.seed
        self.variants, self.follow, self.steps = wish.variants, wish.follow, wish.steps


def sketchbook_of(session: Any) -> Sketchbook:
    """The sketchbook in a visitor's session (Streamlit's `session_state`)."""
    book: Sketchbook = session.setdefault("sketchbook", Sketchbook())
    return book


def _own(text: str) -> str | None:
    return " ".join(text.split())[:MOST_WORDS] or None
