"""English in small: articles and lists, for the sentences that prompts are made of."""

from __future__ import annotations

from collections.abc import Sequence


def with_article(noun: str) -> str:
    """ "orange" -> "an orange", "lemon" -> "a lemon", "sunglasses" -> "sunglasses"."""
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "as")):
        return noun
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def listed(things: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, (", ".join(things[:-1]), things[-1])))
