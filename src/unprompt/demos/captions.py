"""Captions with their tones: who says them, and all of them as a table to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unprompt.demos.tones import Tones, tones_of
from unprompt.storage.files import csv_line

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.bundle.loaded import Caption, LoadedBundle

HEADER = ("file", "caption", "short", "plain", "social", "model", "captioned")


@dataclass(frozen=True)
class Captioned:
    """One image's caption and its tones."""

    name: str
    caption: Caption
    tones: Tones


def caption_image(loaded: LoadedBundle, name: str, image: Image.Image) -> Captioned:
    """Ask the bundle for a caption. Raises what `LoadedBundle.caption` raises."""
    (caption,) = loaded.caption([image])
    return Captioned(name, caption, tones_of(caption.text))


def speaker(caption: Caption) -> str:
    """Who says the sentence, so that nobody takes a classifier's labels for a caption."""
    if caption.captioned:
        return f"Caption by {caption.model}"
    return f"Labels, not a caption: this bundle has no captioning model. They are from {caption.model}"


def captions_csv(captions: Sequence[Captioned]) -> bytes:
    """The captions as a UTF-8 CSV file, one row an image, under HEADER."""
    rows = [
        (
            one.name,
            one.caption.text,
            one.tones.short,
            one.tones.plain,
            one.tones.social,
            one.caption.model,
            "yes" if one.caption.captioned else "no",
        )
        for one in captions
    ]
    return b"".join(csv_line(row) for row in (HEADER, *rows))
