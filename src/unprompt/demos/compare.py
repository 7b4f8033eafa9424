"""What sets two prompts or images apart: their words and phrases, and how near their embeddings are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unprompt.ensemble.prior import unrelated_prompts
from unprompt.text.words import split_compounds

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.records import FloatArray

BORDERS = ((0.98, "the same"), (0.8, "very near"), (0.6, "near"), (0.3, "loosely related"))
ITSELF = 0.9999  # the similarity of an image with itself, but for rounding
# Fewer than STOP_WORDS: that a cat lies under a table, and not on it, sets two prompts apart.
_EMPTY_WORDS = frozenset(
    ("a", "an", "the", "of", "and", "or", "in", "on", "at", "by", "for", "from", "to", "with", "is", "are")
)


@dataclass(frozen=True)
class Difference:
    """What only one of two has and what both have, each in the order in which it was said first."""

    only_first: tuple[str, ...]
    both: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Side:
    """One of two things that are compared: the prompt of an image, or a text, and embeddings (384,).

    `embedding`: where the bundle places the image, or the text's own. `text`: the prompt's own. `members`: of
    an image, what each member makes of it; of a text, nothing.
    """

    prompt: str
    embedding: FloatArray
    text: FloatArray
    members: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Comparison:
    """Two sides: their similarity, that of their prompts as texts, that of each member, and what differs.

    Predicted embeddings of images keep near to the middle of all prompts, and so to each other: that of the
    prompts as texts then says more. `unrelated`: what two public prompts have as texts, on average.
    `members`: empty where both sides are texts.
    """

    similarity: float
    texts: float
    unrelated: float
    members: Mapping[str, float]
    words: Difference
    phrases: Difference


def image_side(loaded: LoadedBundle, image: Image.Image) -> Side:
    """What a bundle makes of an image."""
    (prediction,) = loaded.predict([image])
    return Side(
        prediction.prompt, prediction.embedding, loaded.embed([prediction.prompt])[0], prediction.members
    )


def prompt_side(loaded: LoadedBundle, prompt: str) -> Side:
    """A text with its embedding."""
    embedding = loaded.embed([prompt])[0]
    return Side(prompt, embedding, embedding, {})


def compare(first: Side, second: Side) -> Comparison:
    """Put two sides beside each other.

    A member that saw both images is compared with itself, one that saw one image with the other's text.
    """
    names = dict.fromkeys([*first.members, *second.members])
    return Comparison(
        similarity=float(first.embedding @ second.embedding),
        texts=float(first.text @ second.text),
        unrelated=unrelated_prompts(),
        members={
            name: float(first.members.get(name, first.embedding) @ second.members.get(name, second.embedding))
            for name in names
        },
        words=difference(words_in(first.prompt), words_in(second.prompt)),
        phrases=difference(phrases_in(first.prompt), phrases_in(second.prompt)),
    )


def unrelated_images(pair: Sequence[Side], others: Sequence[Side]) -> float | None:
    """The mean similarity of two images' embeddings with those of other images; None where there are none.

    An image that is among the others is not compared with itself.
    """
    cosines = [float(one.embedding @ other.embedding) for one in pair for other in others]
    different = [cosine for cosine in cosines if cosine < ITSELF]
    return sum(different) / len(different) if different else None


def difference(first: Sequence[str], second: Sequence[str]) -> Difference:
    """Sort what two lists say; case does not count, and what stands twice counts once."""
    ours = _by_folded(first)
    theirs = _by_folded(second)
    return Difference(
        only_first=tuple(text for key, text in ours.items() if key not in theirs),
        both=tuple(text for key, text in ours.items() if key in theirs),
        only_second=tuple(text for key, text in theirs.items() if key not in ours),
    )


def _by_folded(texts: Sequence[str]) -> dict[str, str]:
    """Each text as it stands first, by its form without case."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.casefold(), text)
    return found


def words_in(prompt: str) -> list[str]:
    """The words of a prompt that say something, in lower case, each once."""
    return list(dict.fromkeys(word for word in split_compounds(prompt) if word not in _EMPTY_WORDS))


def phrases_in(prompt: str) -> list[str]:
    """The parts of a prompt between its commas, each once."""
    parts = (" ".join(part.split()) for part in prompt.split(","))
    return list(dict.fromkeys(filter(None, parts)))


def similarity_in_words(cosine: float) -> str:
    """How near two prompts are, for a reader who does not think in cosines. The borders are round numbers."""
    for border, words in BORDERS:
        if cosine >= border:
            return words
    return "not related"
