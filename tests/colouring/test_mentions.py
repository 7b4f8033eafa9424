"""Colours by name, and where words name them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor
from skimage.color import rgb2lab

from unprompt.colouring.mentions import PLACEHOLDER, find_mentions, with_placeholders, without_colours
from unprompt.colouring.palette import (
    BASIC,
    CLASSES,
    USUAL,
    channels_of,
    classes_of,
    lab_of,
    lightened,
    names,
    parse_code,
)
from unprompt.errors import InputError


def said(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], CLASSES[one.colour.basic]) for one in find_mentions(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red apple with a green leaf", [("red", "red"), ("green", "green")]),
        ("light blue car, dark green roof", [("light blue", "blue"), ("dark green", "green")]),
        ("a navy blue coat", [("navy blue", "blue")]),
        ("a reddish fox with a blue-colored tail", [("reddish", "red"), ("blue-colored", "blue")]),
        ("a gold coin, a silver spoon", [("gold", "yellow"), ("silver", "grey")]),
        ("#2e8b57 wings and #FC0 feet", [("#2e8b57", "green"), ("#FC0", "yellow")]),
        ("노란 날개를 가진 초록 용", [("노란", "yellow"), ("초록", "green")]),
        ("ein blauer Vogel mit roten Füßen", [("blauer", "blue"), ("roten", "red")]),
        ("青い鳥", [("青い", "blue")]),
        ("un chat noir", [("noir", "black")]),
        ("a fox against a red sky", [("red", "red")]),
        ("a sky blue car and a skyblue van", [("sky blue", "blue"), ("skyblue", "blue")]),
        ("CRIMSON Rose Bush", [("CRIMSON", "red"), ("Rose", "pink")]),
        ("a cat with orange and blue stripes", [("orange", "orange"), ("blue", "blue")]),
    ],
)
def test_colours_are_found_in_many_words(text: str, expected: list[tuple[str, str]]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "an orange",
        "two peaches and an olive",
        "a drawing of salmon",
        "greenhouse with a blackbird",
        "",
        "#12345",
    ],
)
def test_things_and_parts_of_words_are_no_colours(text: str) -> None:
    assert said(text) == []


def test_an_orange_can_be_orange() -> None:
    assert said("an orange orange") == [("orange", "orange")]
    assert find_mentions("an orange orange")[0].start == 3


def test_a_text_keeps_its_other_words_and_says_where_each_colour_stood() -> None:
    text = "a crimson fox beside a light blue car"
    plain, starts = with_placeholders(text, find_mentions(text))
    assert plain == f"a {PLACEHOLDER} fox beside a {PLACEHOLDER} car"
    assert [plain[start : start + len(PLACEHOLDER)] for start in starts] == [PLACEHOLDER] * 2


def test_nouns_lose_their_colours() -> None:
    assert [without_colours(noun) for noun in ("red apple", "cat", "black and white cat")] == [
        "apple",
        "cat",
        "and cat",
    ]


@given(st.text(max_size=60))
def test_any_text_is_read_and_mentions_lie_in_order(text: str) -> None:
    mentions = find_mentions(text)
    ends = [0, *(mention.end for mention in mentions)]
    for before, mention in zip(ends, mentions, strict=False):
        assert before <= mention.start < mention.end <= len(text)


def test_css_names_are_css_colours_but_for_the_basic_ones_and_those_of_the_survey() -> None:
    own = set(BASIC) | {"gray"}
    for name in ("hotpink", "steelblue", "darkseagreen", "rebeccapurple", "peru"):
        assert name not in own
        assert tuple(channels_of(np.array([names()[name].rgb]))[0]) == ImageColor.getrgb(name)[:3]


def test_basic_colours_are_their_own_class_and_have_the_survey_s_looks() -> None:
    assert classes_of(np.array(list(BASIC.values()))).tolist() == list(range(1, 12))
    assert (BASIC["green"], BASIC["blue"], BASIC["brown"]) == (0x15B01A, 0x0343DF, 0x653700)


@given(st.lists(st.integers(0, 0xFFFFFF), min_size=1, max_size=20))
def test_cielab_is_that_of_scikit_image(colours: list[int]) -> None:
    rgb = np.array(colours)
    expected = rgb2lab(channels_of(rgb)[None] / 255)[0]
    np.testing.assert_allclose(lab_of(rgb), expected, atol=0.02)


def test_usual_colours_are_called_as_people_call_them() -> None:
    called = [CLASSES[number] for number in classes_of(np.array(USUAL))]
    assert called[:6] == ["white", "grey", "grey", "black", "black", "red"]
    assert [called[USUAL.index(rgb)] for rgb in (0xFCEA2B, 0x92D3F5, 0xA57939, 0xB399C8)] == [
        "yellow",
        "blue",
        "brown",
        "purple",
    ]


def test_shades_go_towards_white_and_black() -> None:
    assert lightened(0x800000, 1) == 0xFFFFFF
    assert lightened(0x804020, -0.5) == 0x402010


def test_codes_have_three_or_six_digits() -> None:
    assert parse_code("#abc").rgb == 0xAABBCC
    with pytest.raises(InputError, match="no colour code"):
        parse_code("#abcd")


def test_texts_of_many_colours_take_no_time() -> None:
    assert len(find_mentions("peach, " * 10_000)) == 10_000
    assert find_mentions(f"holding{' ' * 10_000}an{chr(10) * 10_000}orange") == ()
