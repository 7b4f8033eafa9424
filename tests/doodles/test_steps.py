"""From a drawing to a picture: guesses, caption, prompt, pictures; and what happens without a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from PIL import Image

from tests.sample_namer import Likely, SampleNamer
from unprompt.doodles.captioners import Caption, captioned
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.groups import Group, Named, facts_of, group_of, renamed
from unprompt.doodles.nouns import SOMETHING
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.painters import Made, Order
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.steps import Steps
from unprompt.errors import ConfigError, InputError

SAMPLES = draw_samples()
CAT, AT_HOME = SAMPLES["Cat"].drawing, SAMPLES["At home"].drawing
NOTHING = Drawing(())
STEPS = Steps(SampleNamer())


class ThreeThings:
    """A captioner of the sample of a sun, a house and a tree."""

    counts = tuple(len(SAMPLES[name].drawing.strokes) for name in ("Sun", "House", "Tree"))

    def group(self, drawings: Sequence[Drawing]) -> list[list[Group]]:
        sun, house, tree = self.counts
        numbers = range(sun), range(sun, sun + house), range(sun + house, sun + house + tree)
        return [[group_of(drawing, tuple(some)) for some in numbers] for drawing in drawings]

    def caption(self, drawings: Sequence[Drawing], words: Sequence[Mapping[int, str]] = ()) -> list[Caption]:
        named = Named(("sun", "house", "tree"), (0.9, 0.9, 0.9), ((0,), (1,), (2,)))
        return [
            captioned(facts_of(renamed(named, groups, known), groups), 0.9)
            for groups, known in zip(self.group(drawings), words, strict=True)
        ]


def test_a_drawing_is_named() -> None:
    guesses = STEPS.guesses(CAT.moved(0.3, (40, 7)))
    assert len(guesses) == 5
    assert guesses[0].word == "cat"
    shares = [guess.probability for guess in guesses]
    assert shares == sorted(shares, reverse=True)
    assert len(STEPS.guesses(CAT, 2)) == 2
    assert STEPS.guesses(NOTHING) == ()
    assert Steps().guesses(CAT) == ()


def test_of_a_scene_it_is_guessed_what_was_drawn_last() -> None:
    assert Steps(SampleNamer(), ThreeThings()).guesses(AT_HOME)[0].word == "tree"


def test_without_a_captioner_a_caption_says_the_chosen_word_or_the_likeliest() -> None:
    assert STEPS.caption(CAT, {0: "dog", 1: "umbrella"}) == "an umbrella"
    assert STEPS.caption(CAT, {}, [Likely("cat", 0.4), Likely("dog", 0.3)]) == "a cat"
    assert STEPS.caption(CAT, {}, [Likely("cat", 0.05)]) == SOMETHING
    assert Steps().caption(CAT) == SOMETHING
    assert STEPS.caption(NOTHING, {0: "cat"}) == ""
    assert STEPS.caption(CAT, {0: "The Eiffel Tower"}) == "the Eiffel Tower"


def test_chosen_words_are_said_of_the_things_that_have_their_strokes() -> None:
    steps = Steps(SampleNamer(), ThreeThings())
    assert steps.caption(AT_HOME) == "a house beside a tree, with a sun in the sky"
    first, last = ThreeThings.counts[0], sum(ThreeThings.counts) - 1
    assert steps.last_thing(AT_HOME)[-1] == last
    assert steps.caption(AT_HOME, {last: "bush"}) == "a house beside a bush, with a sun in the sky"
    both = steps.caption(AT_HOME, {first: "barn", last: "bush"})
    assert both == "a barn beside a bush, with a sun in the sky"


def test_a_prompt_is_made_of_a_caption() -> None:
    assert STEPS.prompt(" a drawing of  a cat ") == "A photo of a cat"
    assert STEPS.prompt("a cat", "oil") == "An oil painting of a cat"
    assert STEPS.prompt("  ") == ""
    assert "photo" in STEPS.negative_prompt("oil")
    with pytest.raises(ConfigError, match="there is no style 'of old'"):
        STEPS.prompt("a cat", "of old")


def test_pictures_are_painted_by_what_is_given() -> None:
    class Flat:
        name = "flat"

        def paint(self, order: Order) -> Made:
            return Made([Image.new("RGB", (8, 8), (seed, 0, 0)) for seed in order.seeds], [order.prompt])

    steps = Steps(painter=DoodlePainter(painter=Flat()))
    config = DoodlePaint(seed=7)
    painted = steps.paint(CAT, "a cat", "", 3, config)
    assert [image.getpixel((0, 0))[0] for image in painted.images] == [7, 8, 9]
    assert painted.told == ("a cat",)
    with pytest.raises(InputError, match="the drawing is empty"):
        steps.paint(NOTHING, "a cat", "", 1, config)
    with pytest.raises(InputError, match="the prompt is empty"):
        steps.paint(CAT, " ", "", 1, config)
