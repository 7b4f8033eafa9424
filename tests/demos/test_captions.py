"""Captions with their tones as a table, and who says them."""

from __future__ import annotations

import csv
import io

from unprompt.bundle.loaded import Caption
from unprompt.demos.captions import HEADER, Captioned, captions_csv, speaker
from unprompt.demos.tones import tones_of


def captioned(name: str, text: str, by_captioner: bool = True) -> Captioned:
    return Captioned(name, Caption(text, "a model", by_captioner), tones_of(text))


def test_the_table_has_a_row_for_each_image() -> None:
    told = [
        captioned("a.png", 'a cat, "sitting" on a mat'),
        captioned("ü,b.png", "a bus", by_captioner=False),
    ]
    rows = list(csv.reader(io.StringIO(captions_csv(told).decode("utf-8"), newline="")))
    assert tuple(rows[0]) == HEADER
    assert rows[1][:2] == ["a.png", 'a cat, "sitting" on a mat']
    assert rows[2] == ["ü,b.png", "a bus", "A bus", "A bus.", "A bus #bus", "a model", "no"]


def test_labels_are_never_called_a_caption() -> None:
    assert speaker(Caption("a bus", "BLIP", captioned=True)) == "Caption by BLIP"
    said = speaker(Caption("a bus", "EfficientNet", captioned=False))
    assert said.startswith("Labels, not a caption")
    assert "EfficientNet" in said
