"""Articles and lists in prompts."""

from __future__ import annotations

import pytest

from unprompt.text.english import add_article, article, counted, join_spaced_digits, list_in_words


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


@pytest.mark.parametrize(
    ("apart", "joined"),
    [
        ("1 9 9 0 s", "1990s"),
        ("3 5 mm film grain, iso 2 0 0", "35mm film grain, iso 200"),
        ("8 5 mm f 1. 8", "85mm f 1.8"),
        ("8 k 4 k", "8k 4k"),
        ("cinestill 8 0 0 t 3 5 mm b & w", "cinestill 800t 35mm b & w"),
        ("2 7 years old", "27 years old"),
        ("5 dogs and 3 cats in 1990", "5 dogs and 3 cats in 1990"),
    ],
)
def test_spaced_digits_are_joined(apart: str, joined: str) -> None:
    assert join_spaced_digits(apart) == joined
    assert join_spaced_digits(joined) == joined


def test_counted_nouns() -> None:
    assert [counted(count, "image") for count in (0, 1, 2, 1200)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,200 images",
    ]
    assert (counted(1, "entry", "entries"), counted(2, "entry", "entries")) == ("1 entry", "2 entries")
