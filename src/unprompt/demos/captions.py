"""Captions with their tones: who says them, and all of them as a table or as texts for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.demos.tones import Tones, tones_of
from unprompt.errors import InputError
from unprompt.storage.files import csv_line, read_prompts
from unprompt.storage.images import find_images
from unprompt.storage.training_texts import zip_texts

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


def speakers(captions: Sequence[Caption]) -> tuple[str, ...]:
    """Who says the sentences, each once, so that nobody takes a classifier's labels for a caption."""
    return tuple(dict.fromkeys(map(_speaker, captions)))


def _speaker(caption: Caption) -> str:
    if caption.captioned:
        return f"Captions by {caption.model}."
    return f"Labels, not captions: this bundle has no captioning model. They are from {caption.model}."


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


def captions_zip(captions: Sequence[Captioned]) -> bytes:
    """The captions for training: a ZIP with a text for each picture, and metadata.jsonl."""
    return zip_texts((one.name, one.caption.text) for one in captions)


def run_zip(run: Path, source: Path | None) -> bytes:
    """The prompts of a RUN folder in the same form; images without a prompt are left out.

    `source`: the folder of the images. Where it is not known or gone, there is no metadata.jsonl, since only
    the folder knows the endings of their names. Raises InputError where prompts.csv cannot be read.
    """
    prompts = read_prompts(run / "prompts.csv")
    told = [(image_id, text) for image_id, text in zip(prompts.ids, prompts.texts, strict=True) if text]
    try:
        found = find_images(source, same_stems=True) if source else []
    except InputError:
        found = []
    name_by_id = {file.image_id: file.path.name for file in found if file.row is None}
    if not all(image_id in name_by_id for image_id, _ in told):
        return zip_texts(told, metadata=False)
    return zip_texts((name_by_id[image_id], text) for image_id, text in told)
