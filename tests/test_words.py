"""Articles and lists in prompts."""

from __future__ import annotations

import pytest

from unprompt.words import listed, with_article


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("orange", "an orange"),
        ("lemon", "a lemon"),
        ("Egyptian cat", "an Egyptian cat"),
        ("ice cream", "an ice cream"),
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
