"""What a visitor has on the page Doodle to photo: words, own ones, earlier paintings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tests.sample_namer import SampleNamer
from unprompt.app.canvas import Line, lines_of
from unprompt.app.sketchbook import KEPT, MOST_WORDS, Painting, Sketchbook, sketchbook_of
from unprompt.doodles.captioners import Caption, captioned
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.facts import BESIDE, Kind, SceneFacts
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.steps import Steps
from unprompt.doodles.wording import negative_prompt_of
from unprompt.painting.seeds import SEEDS

STEPS = Steps(SampleNamer())
CAT, HOUSE = (lines_of(draw_samples()[name].drawing) for name in ("Cat", "House"))


def book_of(lines: tuple[Line, ...]) -> Sketchbook:
    book = Sketchbook()
    book.put(lines)
    book.look(STEPS)
    return book


def sent(book: Sketchbook, lines: tuple[Line, ...]) -> dict[str, Any]:
    return {
        "sheet": book.canvas.sheet,
        "number": book.canvas.last + 1,
        "lines": [[line.pen, list(line.points)] for line in lines],
    }


def painted(book: Sketchbook) -> Painting:
    painting = Painting(book.wish(STEPS), book.words, (b"png",), ())
    book.add(painting)
    return painting


def test_words_follow_the_drawing() -> None:
    book = book_of(CAT)
    assert book.guesses.words[0].word == "cat"
    assert book.caption(STEPS) == "a cat"
    assert book.prompt(STEPS) == "A photo of a cat"
    assert book.negative(STEPS) == negative_prompt_of("photo")
    book.take(sent(book, HOUSE))
    book.look(STEPS)
    assert book.caption(STEPS) == "a house"


def test_a_drawing_is_looked_at_once() -> None:
    class Counting(SampleNamer):
        asked = 0

        def name(self, drawing: Drawing, top: int = 5) -> Any:
            self.asked += 1
            return super().name(drawing, top)

    namer = Counting()
    book = book_of(CAT)
    book.guesses = type(book.guesses)()
    for _ in range(3):
        book.look(Steps(namer=namer))
    assert namer.asked == 1


def test_a_guess_that_is_chosen_corrects_the_caption_and_stays_while_one_draws() -> None:
    book = book_of(CAT)
    book.write_caption("a tiger")
    book.choose("umbrella")
    assert book.caption(STEPS) == "an umbrella"
    assert book.prompt(STEPS) == "A photo of an umbrella"
    book.take(sent(book, (*CAT, Line(6, (1, 1, 9, 9)))))
    book.look(STEPS)
    assert book.caption(STEPS) == "an umbrella"
    book.choose("umbrella")
    assert book.caption(STEPS) == "a cat"


class Halves:
    """A captioner of a sheet with a cat in the left half and a house in the right one."""

    def group(self, drawings: Sequence[Drawing]) -> Any:
        return [
            [SimpleNamespace(strokes=half) for half in self._halves(drawing) if half] for drawing in drawings
        ]

    def caption(self, drawings: Sequence[Drawing], words: Sequence[Mapping[int, str]] = ()) -> list[Caption]:
        return [
            captioned(SceneFacts(kinds, (BESIDE,) * (len(kinds) - 1)), 0.9)
            for drawing, known in zip(drawings, words, strict=True)
            if (kinds := self._kinds(drawing, known))
        ]

    def _kinds(self, drawing: Drawing, known: Mapping[int, str]) -> tuple[Kind, ...]:
        named = zip(("cat", "house"), self._halves(drawing), strict=True)
        return tuple(
            Kind(next((word for stroke, word in known.items() if stroke in half), noun))
            for noun, half in named
            if half
        )

    def _halves(self, drawing: Drawing) -> list[tuple[int, ...]]:
        right = [bool(stroke[0, 0] > 500) for stroke in drawing.strokes]
        return [tuple(n for n, one in enumerate(right) if one is half) for half in (False, True)]


def test_a_choice_is_of_its_thing_when_another_is_drawn() -> None:
    steps, book = Steps(SampleNamer(), Halves()), Sketchbook()
    cat, house = Line(6, (10, 10, 300, 400)), Line(6, (700, 10, 900, 400))

    def caption(*lines: Line) -> str:
        if lines:
            book.take(sent(book, lines))
        book.look(steps)
        return book.caption(steps)

    assert caption(cat) == "a cat"
    book.choose("tiger")
    assert (caption(), book.chosen) == ("a tiger", "tiger")
    assert (caption(cat, house), book.chosen) == ("a tiger beside a house", "")
    book.choose("barn")
    assert (caption(), book.chosen) == ("a tiger beside a barn", "barn")
    assert (caption(cat), book.chosen) == ("a tiger", "tiger")  # undone
    book.choose("tiger")
    assert (caption(), book.chosen) == ("a cat", "")


def test_what_is_written_is_kept_until_it_is_emptied() -> None:
    book = book_of(CAT)
    book.write_prompt(" an  old cat ")
    assert book.prompt(STEPS) == "an old cat"
    book.write_caption("a tiger")  # the prompt follows the caption again
    assert (book.caption(STEPS), book.prompt(STEPS)) == ("a tiger", "A photo of a tiger")
    book.write_caption("  ")
    assert book.caption(STEPS) == "a cat"
    book.write_prompt("x" * 2 * MOST_WORDS)
    assert len(book.prompt(STEPS)) == MOST_WORDS
    book.write_prompt("")
    assert book.prompt(STEPS) == "A photo of a cat"
    book.choose_style("oil")
    assert (book.prompt(STEPS), book.negative(STEPS)) == (
        "An oil painting of a cat",
        negative_prompt_of("oil"),
    )
    book.write_negative("")
    assert book.negative(STEPS) == ""  # none is a wish too


def test_another_style_changes_no_more_of_what_is_written_than_the_words_of_the_style() -> None:
    book = book_of(CAT)
    book.write_prompt("A photo of my cat, at night")
    book.write_negative(f"{negative_prompt_of('photo')}, dogs")
    book.choose_style("cartoon")
    assert book.prompt(STEPS) == "A cartoon of my cat, at night, bold outlines, flat colors"
    assert book.negative(STEPS) == f"{negative_prompt_of('cartoon')}, dogs"
    book.write_prompt("A cartoon of my cat, bold outlines, flat colors, at night")
    book.choose_style("none")
    assert (book.prompt(STEPS), book.negative(STEPS)) == ("my cat, at night", "dogs")
    book.choose_style("oil")
    assert (book.prompt(STEPS), book.negative(STEPS)) == ("my cat, at night", "dogs")
    book.write_negative("")
    book.write_prompt("two cats in their own words")
    book.choose_style("photo")
    assert (book.prompt(STEPS), book.negative(STEPS)) == ("two cats in their own words", "")


def test_a_cleared_or_another_sheet_has_no_words_of_the_one_before() -> None:
    book = book_of(CAT)
    book.choose("umbrella")
    book.take(sent(book, ()))
    book.look(STEPS)
    assert (book.guesses.words, book.caption(STEPS), book.prompt(STEPS)) == ((), "", "")
    book.write_caption("a tiger")
    book.put(HOUSE)
    book.look(STEPS)
    assert book.caption(STEPS) == "a house"


def test_a_wish_is_all_that_was_said() -> None:
    book = book_of(CAT)
    book.choose_style("oil")
    book.seed, book.variants, book.follow, book.steps = 5, 2, "loosely", 7
    wish = book.wish(STEPS)
    assert (wish.lines, wish.prompt, wish.variants) == (CAT, "An oil painting of a cat", 2)
    assert wish.negative == negative_prompt_of("oil")
    own = DoodlePaint(url="http://127.0.0.1:7860", webui_controlnet="scribble")
    assert wish.config(own) == replace(own, follow="loosely", style="oil", seed=5, steps=7)


def test_earlier_paintings_are_gone_back_to_as_they_were_made() -> None:
    book = book_of(CAT)
    book.choose("umbrella")
    first = painted(book)
    book.put(HOUSE)
    book.look(STEPS)
    book.seed, book.variants, book.follow = 9, 4, "exactly"
    second = painted(book)
    assert book.shown is second
    sheet = book.canvas.sheet
    book.go_back(1)
    assert book.shown is first
    assert (book.canvas.lines, book.canvas.sheet) == (CAT, sheet + 1)
    assert (book.caption(STEPS), book.seed, book.variants, book.follow) == (
        "an umbrella",
        DoodlePaint.seed,
        1,
        "closely",
    )
    book.go_back(1)
    assert book.canvas.sheet == sheet + 1  # the same drawing stays, with what the browser can undo


def test_few_paintings_are_kept_and_each_wish_once() -> None:
    book = book_of(CAT)
    for seed in range(KEPT + 3):
        book.seed = seed
        painted(book)
    assert [one.wish.seed for one in book.paintings] == list(range(3, KEPT + 3))
    book.seed = 5
    again = painted(book)
    assert len(book.paintings) == KEPT
    assert book.paintings[-1] is again


def test_a_painting_that_ended_early_takes_no_place_of_a_whole_one() -> None:
    book = book_of(CAT)
    book.variants = 2
    wish = book.wish(STEPS)
    early, whole = (Painting(wish, book.words, files, ()) for files in ((b"1",), (b"1", b"2")))
    book.add(early)
    book.add(whole)
    assert (book.paintings, book.shown) == ([whole], whole)
    book.add(early)
    assert (book.paintings, book.shown) == ([whole], whole)


def test_a_session_has_one_sketchbook() -> None:
    session: dict[str, Any] = {}
    assert sketchbook_of(session) is sketchbook_of(session)


def test_no_guess_is_shown_with_nothing() -> None:
    from unprompt.app.doodle_page import percent

    assert [percent(share) for share in (0.931, 0.0051, 0.0049, 0.0)] == ["93%", "1%", "<1%", "<1%"]


def test_behind_the_largest_seed_comes_0() -> None:
    book = Sketchbook(seed=7, variants=3)
    book.vary()
    assert book.seed == 10
    book.seed = SEEDS - 1  # the largest that the page's field takes
    book.vary()
    assert book.seed == 2
