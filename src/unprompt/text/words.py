"""What counts as a word of a text: the rules by which prompts and captions are taken apart."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_COMPOUND = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_STOP_WORDS = """
    a about above after again all also am among an and any are around as at be because been before being
    below beside between both but by can could did do does down during each few for from had has have he
    her here him his how i if in inside into is it its just like me more most my near next no nor not of
    off on one only onto or other our out outside over own per same she so some such than that the their
    them then there these they this those through to too under until up upon us very was we were what when
    where which while who with within without you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())  # say nothing of what a picture shows


def split_words(text: str) -> list[str]:
    """Letters and digits, with apostrophes inside, in lower case: "A fox's sci-fi" -> a, fox's, sci, fi."""
    return _WORD.findall(text.lower())


def split_compounds(text: str) -> list[str]:
    """As `split_words`, but what hyphens join is one word: "A fox's sci-fi" -> a, fox's, sci-fi."""
    return _COMPOUND.findall(text.lower())


def find_stems(text: str) -> set[str]:
    """Words without their plural s, for telling whether a phrase says anything new."""
    return {word.removesuffix("s") for word in re.findall(r"\w+", text.lower())}
