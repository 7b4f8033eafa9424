"""Captions with their tones as a table, and who says them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

from PIL import Image

from unprompt.bundle.loaded import Caption
from unprompt.demos.captions import HEADER, Captioned, captions_csv, captions_zip, run_zip, speakers
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
    assert speakers([Caption("a bus", "BLIP", captioned=True)]) == ("Captions by BLIP.",)
    (said,) = speakers([Caption(text, "EfficientNet", captioned=False) for text in ("a bus", "a cat")])
    assert said.startswith("Labels, not captions")
    assert "EfficientNet" in said
    assert speakers([]) == ()


def unzipped(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_captions_for_training_as_a_zip() -> None:
    files = unzipped(captions_zip([captioned("a.png", "a cat"), captioned("ü.jpg", "a bus")]))
    assert files.pop("metadata.jsonl").splitlines() == [
        '{"file_name": "a.png", "text": "a cat"}',
        '{"file_name": "ü.jpg", "text": "a bus"}',
    ]
    assert files == {"a.txt": "a cat\n", "ü.txt": "a bus\n"}


def test_a_run_as_a_zip(tmp_path: Path) -> None:
    for name in ("v1.2.png", "b.webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "prompts.csv").write_text("imgId,prompt\nv1.2,a cat\nb,\n")
    known = unzipped(run_zip(tmp_path, tmp_path))
    assert json.loads(known.pop("metadata.jsonl")) == {"file_name": "v1.2.png", "text": "a cat"}
    assert known == {"v1.2.txt": "a cat\n"}
    assert unzipped(run_zip(tmp_path, None)) == unzipped(run_zip(tmp_path, tmp_path / "gone")) == known
