"""Articles and lists in prompts."""

from __future__ import annotations

import pytest

from unprompt.text.english import add_article, article, list_in_words


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
    assert add_article(noun) == said


def test_lists() -> None:
    assert list_in_words(["a lemon"]) == "a lemon"
    assert list_in_words(["a lemon", "a bus"]) == "a lemon and a bus"
    assert list_in_words(["a lemon", "a bus", "tights"]) == "a lemon, a bus and tights"
