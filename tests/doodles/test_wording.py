"""Captions become prompts: lead-ins go, and nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unprompt.doodles.wording import STYLES, content_of, negative_prompt_of, prompt_of
from unprompt.errors import ConfigError, InputError

CAPTIONS = {
    "a drawing of a cat": "a cat",
    "A sketch of  a cat.": "a cat",
    "a doodle of an owl": "an owl",
    "drawing of cat": "a cat",
    "Drawing: an apple": "an apple",
    "a line drawing that shows a house and a tree": "a house and a tree",
    "a line art drawing of a snail": "a snail",
    "This is a black and white drawing of two cats": "two cats",
    "a black-and-white pencil sketch of three birds in the sky": "three birds in the sky",
    "it's a doodle of a bus": "a bus",
    "a child's drawing of the Eiffel Tower": "the Eiffel Tower",
    "a simple hand drawn picture of a sheep on a hill": "a sheep on a hill",
    "an image showing the sun above a house": "the sun above a house",
    "the drawing depicts a man riding a horse": "a man riding a horse",
    "there are three birds in the sky": "three birds in the sky",
    "a drawing of a drawing of a dog": "a dog",
    "a photo of of a cat": "a cat",
    "a sketch of a a cat next to the the tree": "a cat next to the tree",
    "a sketch of a elephant": "an elephant",
    # What looks like a lead-in and is content.
    "a drawing bridge": "a drawing bridge",
    "a woman drawing a picture": "a woman drawing a picture",
    "a drawing of a woman drawing a picture of a house": "a woman drawing a picture of a house",
    "a picture frame": "a picture frame",
    "a drawing of a picture frame on a wall": "a picture frame on a wall",
    "a cartoon cat": "a cartoon cat",
    "a sketchy house": "a sketchy house",
    "a man with a sketch of a fish": "a man with a sketch of a fish",
    "a line of ducks": "a line of ducks",
    "two children draw with crayons": "two children draw with crayons",
    "a pencil sketch of a hand-drawn map": "a hand-drawn map",
    "a drawing of something": "something",
    "a doodle of grass": "grass",
    "sketch of scissors": "scissors",
    "a drawing board next to an image scanner": "a drawing board next to an image scanner",
}
LEAD_INS = (
    "a drawing of", "a sketch of", "a doodle of", "a line drawing that shows", "this is a picture of",
    "A black and white sketch showing", "the image depicts", "a rough pencil drawing of", "drawing of", "",
)  # fmt: skip
NOUNS = (
    "cat",
    "apple",
    "drawing bridge",
    "hour glass",
    "picture frame",
    "unicorn",
    "sketch pad",
    "Eiffel Tower",
)
VERBS = ("next to", "drawing", "painting", "to the left of", "sketching", "on")
contents = st.builds(
    lambda first, verb, second: f"the {first} {verb} the {second}",
    *(st.sampled_from(some) for some in (NOUNS, VERBS, NOUNS)),
)
gaps = st.sampled_from((" ", "  ", "\n", " \t "))


@pytest.mark.parametrize(("caption", "content"), CAPTIONS.items())
def test_a_lead_in_goes_and_nothing_else(caption: str, content: str) -> None:
    assert prompt_of(caption) == f"A photo of {content}"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LEAD_INS), contents, gaps)
def test_whatever_leads_in_the_content_is_kept_whole(lead_in: str, content: str, gap: str) -> None:
    caption = gap.join(f"{lead_in} {content}".split())
    assert prompt_of(caption) == f"A photo of {content}"


@example(["of", "drawing", "of", "drawing"])
@example(["of", "a"])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*" ".join(CAPTIONS).split(), "of", "a", "drawing"]), min_size=1, max_size=9))
def test_any_words_give_one_space_one_of_one_article_and_the_same_again(words: list[str]) -> None:
    caption = " ".join(words)
    try:
        prompt = prompt_of(caption)
    except InputError:
        assert not content_of(caption)
        return
    assert prompt == " ".join(prompt.split())
    assert not re.search(r"\bof of\b|\b(an?|the) (an?|the)\b", prompt, re.IGNORECASE)
    for style in STYLES:
        once = prompt_of(caption, style)
        assert prompt_of(once, style) == once
    # What is left of the caption stands in its order, and no word came to it but an article.
    left = content_of(caption).lower().split()
    rest = iter(re.findall(r"[^\s.,:]+", caption.lower()))
    assert all(word in ("a", "an") or word in rest for word in re.findall(r"[^\s.,:]+", " ".join(left)))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_worded_or_refused(text: str) -> None:
    try:
        prompt = prompt_of(text)
    except InputError:
        return
    assert prompt.startswith("A photo of ")
    assert prompt == " ".join(prompt.split())


def test_styles_have_their_words_and_their_negative_prompt() -> None:
    assert prompt_of("a sketch of a fox", "oil") == "An oil painting of a fox"
    assert prompt_of("a sketch of a fox", "cartoon") == "A cartoon of a fox, bold outlines, flat colors"
    assert prompt_of("a sketch of a fox", "none") == "a fox"
    assert "line art" in negative_prompt_of()
    assert "line art" not in negative_prompt_of("oil")
    with pytest.raises(ConfigError, match="no style 'fresco'; there are photo, cinematic"):
        prompt_of("a fox", "fresco")


def test_a_long_caption_takes_no_time() -> None:
    assert content_of(f"a cat {'of the ' * 50_000}") == "a cat"
    assert content_of(f"a cat {'of the ' * 50_000}x").endswith("of the x")


@pytest.mark.parametrize("caption", ["", "  ", "a drawing of", "...", "a sketch of a drawing of "])
def test_a_caption_that_says_nothing_is_refused(caption: str) -> None:
    with pytest.raises(InputError, match="no words to paint by"):
        prompt_of(caption)
