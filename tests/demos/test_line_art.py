"""Line art for whoever comes without any: its words say what comes of them."""

from __future__ import annotations

import pytest

from unprompt.colouring.paint_config import PaintConfig
from unprompt.colouring.palette import BASIC
from unprompt.colouring.small_paint import ColourPainter
from unprompt.demos.line_art import SAMPLES, draw_sample, is_line_art_there
from unprompt.demos.whole_pictures import line_art_of

DOOR, WALL, HEAD, WING = (250, 350), (130, 270), (256, 100), (290, 260)


@pytest.fixture(scope="module")
def painter() -> ColourPainter:
    return ColourPainter.load()


@pytest.mark.slow
@pytest.mark.skipif(not is_line_art_there(), reason="the samples cannot be drawn here")
@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("Castle", 0, {WALL: "grey", DOOR: "red"}),
        ("Castle", 1, {WALL: "yellow", DOOR: "blue"}),
        ("Parrot", 0, {WING: "red", HEAD: "yellow"}),
        ("Parrot", 1, {WING: "green", HEAD: "red"}),
    ],
)
def test_parts_of_samples_get_the_colours_that_their_words_say(
    painter: ColourPainter, name: str, number: int, shown: dict[tuple[int, int], str]
) -> None:
    words = SAMPLES[name].words[number]
    page = painter.look(line_art_of(draw_sample(name), 20), bridge=True)
    picture = painter.colour(page, words, PaintConfig()).image().convert("RGB")
    assert all(colour in words for colour in shown.values())
    assert {place: picture.getpixel(place) for place in shown} == {
        place: tuple(BASIC[colour].to_bytes(3, "big")) for place, colour in shown.items()
    }
