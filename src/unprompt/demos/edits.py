"""An image's recovered prompt, and how near other wordings come to where the bundle places the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unprompt.easy_diffuser.negative import NEGATIVE
from unprompt.ensemble.prior import unrelated_similarity
from unprompt.errors import UnreadableImageError
from unprompt.metadata.reading import read_generation_of
from unprompt.storage.files import csv_line

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.interrogator.modes import Interrogation
    from unprompt.metadata.generation import Generation
    from unprompt.records import FloatArray

KNOWN = 5  # nearest known prompts that are looked up
MOST_WORDINGS = 12
LONGEST_SHOWN = 10_000  # characters of a prompt that stands in a file

KIND_NAMES = {
    "subjects": "Subjects",
    "mediums": "Medium",
    "artists": "Artist",
    "trendings": "Site",
    "movements": "Movement",
    "flavors": "Flavors",
    "negative": "Negative",
}


@dataclass(frozen=True, eq=False)
class Place:
    """Where a bundle places an image's prompt: its `embedding` (384,), and the known prompts near it.

    `unrelated`: the similarity to it that public prompts have on average, which tells what another is worth.
    `known`: prompts and their similarities; empty where none are known.
    """

    embedding: FloatArray
    unrelated: float
    known: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Wording:
    """A text and its similarity to an image's predicted embedding."""

    text: str
    similarity: float


def positive_modes(modes: Sequence[str]) -> tuple[str, ...]:
    """The modes that describe an image; `negative` says what it is not."""
    return tuple(mode for mode in modes if mode != NEGATIVE)


def recover(loaded: LoadedBundle, image: Image.Image, mode: str) -> Interrogation:
    """An image's prompt by a mode. Raises ConfigError for one that the bundle does not have."""
    (interrogation,) = loaded.interrogate([image], mode)
    return interrogation


def find_in_file(content: bytes) -> Generation | None:
    """The prompt that stands in an image file's bytes, if one does; of one that is endless, the beginning."""
    try:
        found = read_generation_of(content)
    except UnreadableImageError:
        return None
    if found is None or not found.prompt:
        return None
    return replace(found, prompt=found.prompt[:LONGEST_SHOWN], negative=found.negative[:LONGEST_SHOWN])


def find_place(loaded: LoadedBundle, image: Image.Image) -> Place:
    """Where all members of the bundle together place an image; the same in every mode."""
    (prediction,) = loaded.predict([image])
    embedding = prediction.embedding
    return Place(embedding, float(unrelated_similarity(embedding)), tuple(loaded.known(embedding, KNOWN)))


def measure(loaded: LoadedBundle, texts: Sequence[str], embedding: FloatArray) -> list[Wording]:
    """How near texts come to a predicted embedding (384,)."""
    wordings = [" ".join(text.split()) for text in texts]
    cosines = loaded.embed(wordings) @ embedding  # (N,)
    return [Wording(text, float(cosine)) for text, cosine in zip(wordings, cosines, strict=True)]


def prompts_csv(names: Sequence[str], prompts: Sequence[str]) -> bytes:
    """The prompts of pictures as a UTF-8 CSV file with the header file,prompt."""
    rows = zip(names, prompts, strict=True)
    return b"".join(csv_line(row) for row in (("file", "prompt"), *rows))


def with_wording(kept: Sequence[Wording], wording: Wording) -> tuple[Wording, ...]:
    """The kept wordings with one more; one that is there already changes nothing.

    The first, the recovered prompt, always stays. Of the others the earliest go beyond MOST_WORDINGS.
    """
    if wording.text in [one.text for one in kept]:
        return tuple(kept)
    return (*kept[:1], *(*kept[1:], wording)[-(MOST_WORDINGS - 1) :])
