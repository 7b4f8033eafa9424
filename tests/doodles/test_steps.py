"""From a drawing to a picture: guesses, caption, prompt, pictures; and what happens without a part."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.sample_namer import Likely, SampleNamer
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.steps import SOMETHING, PhotoOrder, Photos, Steps, say_of
from unprompt.errors import ConfigError, InputError

CAT = draw_samples()["Cat"].drawing
NOTHING = Drawing(())
STEPS = Steps(namer=SampleNamer())


def test_a_drawing_is_named() -> None:
    guesses = STEPS.guesses(CAT.moved(0.3, (40, 7)))
    assert len(guesses) == 5
    assert guesses[0].word == "cat"
    shares = [guess.probability for guess in guesses]
    assert shares == sorted(shares, reverse=True)
    assert len(STEPS.guesses(CAT, 2)) == 2
    assert STEPS.guesses(NOTHING) == ()
    assert Steps().guesses(CAT) == ()


def test_a_caption_says_the_chosen_word_or_the_likeliest_or_that_it_is_something() -> None:
    assert STEPS.caption(CAT, "umbrella") == "a drawing of an umbrella"
    assert STEPS.caption(CAT, guesses=[Likely("cat", 0.4), Likely("dog", 0.3)]) == "a drawing of a cat"
    assert STEPS.caption(CAT, guesses=[Likely("cat", 0.05)]) == SOMETHING
    assert Steps().caption(CAT) == SOMETHING
    assert STEPS.caption(NOTHING, "cat") == ""
    captioned = Steps(captioner=lambda drawing: f"{len(drawing.strokes)} strokes")
    assert captioned.caption(CAT) == f"{len(CAT.strokes)} strokes"
    assert captioned.caption(CAT, "cat") == "a drawing of a cat"  # whoever drew it knows


def test_names_keep_their_own_article() -> None:
    assert say_of("The Eiffel Tower") == "a drawing of The Eiffel Tower"
    assert say_of("ear") == "a drawing of an ear"


def test_a_prompt_is_made_of_a_caption() -> None:
    assert STEPS.prompt(" a drawing of  a cat ") == "A photo of a cat"
    assert STEPS.prompt("  ") == ""
    worded = Steps(wording=lambda caption, style: f"{style}: {caption}", negative=str.upper)
    assert worded.prompt("a cat", "oil") == "oil: a cat"
    assert (worded.negative_prompt("oil"), STEPS.negative_prompt("oil")) == ("OIL", "")


def test_the_pocket_world_paints_where_nothing_else_does() -> None:
    pytest.importorskip("resvg_py")
    one = STEPS.paint(PhotoOrder(CAT, "A photo of a cat beside a house", seed=3, variants=2, size=64))
    assert [image.size for image in one.images] == [(64, 64)] * 2
    assert one.told[0] == "drawn by the pocket world, which follows the words and not the lines"
    second = STEPS.paint(PhotoOrder(CAT, "A photo of a cat beside a house", seed=4, size=64))
    assert np.array_equal(one.images[1], second.images[0])
    assert not np.array_equal(one.images[0], one.images[1])
    with pytest.raises(InputError, match="knows nothing that the prompt"):
        STEPS.paint(PhotoOrder(CAT, "entropy"))


def test_a_painter_gets_the_order_and_nothing_is_painted_of_nothing() -> None:
    asked = []

    def paint(order: PhotoOrder) -> Photos:
        asked.append(order)
        return Photos(tuple(Image.new("RGB", (8, 8), (seed, 0, 0)) for seed in order.seeds))

    steps = Steps(painter=paint)
    order = PhotoOrder(CAT, "a cat", seed=7, variants=3)
    assert [image.getpixel((0, 0))[0] for image in steps.paint(order).images] == [7, 8, 9]
    with pytest.raises(InputError, match="the drawing is empty"):
        steps.paint(PhotoOrder(NOTHING, "a cat"))
    with pytest.raises(InputError, match="the prompt is empty"):
        steps.paint(PhotoOrder(CAT, " "))
    assert asked == [order]


def test_orders_check_themselves() -> None:
    with pytest.raises(ConfigError, match="variants must be from 1 to 4, got 5"):
        PhotoOrder(CAT, "a cat", variants=5)
    with pytest.raises(ConfigError, match="follow must be one of loosely, closely, exactly"):
        PhotoOrder(CAT, "a cat", follow="blindly")


def test_pictures_are_traced_by_what_is_given() -> None:
    image = Image.new("L", (10, 20))
    traced = Steps(tracer=lambda given: Drawing(([(0, 0), given.size],))).trace(image)
    assert traced.strokes[0].tolist() == [[0, 0], [10, 20]]
    with pytest.raises(ConfigError, match="cannot be traced here"):
        Steps().trace(image)
