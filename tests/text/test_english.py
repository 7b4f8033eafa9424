"""Articles and lists in prompts."""

from __future__ import annotations

import pytest

from unprompt.text.english import article, listed, with_article


@pytest.mark.parametrize(
    ("word", "first"),
    [("owl", "an"), ("unicorn", "a"), ("hourglass", "an"), ("house", "a"), ("UFO", "a"), ("x-ray", "an"),
     ("umbrella", "an"), ("LED", "an"), ("ledge", "a"), ("onion", "an"), ("one-piece", "a"), ("ukulele", "a"),
     ("European polecat", "a"), ("unimpressed cat", "an"), ("university", "a"), ("ewe", "a"),
     ("heirloom", "an")],
)  # fmt: skip
def test_the_article_goes_by_how_a_word_is_spoken(word: str, first: str) -> None:
    assert article(word) == first


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("orange", "an orange"),
        ("lemon", "a lemon"),
        ("Egyptian cat", "an Egyptian cat"),
        ("ice cream", "an ice cream"),
        ("hourglass", "an hourglass"),
        ("sunglasses", "sunglasses"),
        ("binoculars", "binoculars"),
        ("bus", "a bus"),
        ("compass", "a compass"),
    ],
)
def test_articles(noun: str, said: str) -> None:
    assert with_article(noun) == said


def test_lists() -> None:
    assert listed(["a lemon"]) == "a lemon"
    assert listed(["a lemon", "a bus"]) == "a lemon and a bus"
    assert listed(["a lemon", "a bus", "tights"]) == "a lemon, a bus and tights"
