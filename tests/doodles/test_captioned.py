"""Drawings with captions are read from every kind of set, and shown as they are in training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.datasets.pairs import Pairs
from unprompt.datasets.write_pairs import write_pairs
from unprompt.doodles.captioned import SIZE, captioned, read_captioned, sheet_of
from unprompt.doodles.drawing import Drawing
from unprompt.errors import InputError
from unprompt.storage.images import ImageFile

HOUSE = [[[0, 100, 100, 0, 0], [100, 100, 0, 0, 100]], [[0, 50, 100], [0, -60, 0]]]
CROSS = [[[0, 9], [0, 9]], [[0, 9], [9, 0]]]


def write_strokes(path: Path, *words: str) -> Path:
    lines = [{"word": word, "drawing": HOUSE, "key_id": f"{path.stem}{n}"} for n, word in enumerate(words)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def write_pictures(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in names]
    for shade, path in enumerate(paths):
        Image.new("L", (20, 10), 40 * shade).save(path)
    return paths


def corner(picture: Image.Image) -> int:
    return int(np.asarray(picture)[0, 0, 0])


def test_a_drawing_is_shown_black_on_white_at_one_size_wherever_it_was_drawn() -> None:
    drawing = Drawing((np.array([[0.0, 0], [10, 10]]), np.array([[0.0, 10], [10, 0]])))
    sheet = sheet_of(drawing)
    assert (sheet.mode, sheet.size) == ("RGB", (SIZE, SIZE))
    pixels = np.asarray(sheet)
    assert (pixels[SIZE // 2, SIZE // 2].max(), pixels[0].min()) == (0, 255)
    assert np.array_equal(pixels, np.asarray(sheet_of(drawing.moved(37.0, (500, -90)))))


def test_strokes_have_their_words_as_captions(tmp_path: Path) -> None:
    write_strokes(tmp_path / "a.ndjson", "owl", "")
    write_strokes(tmp_path / "b.ndjson", "bear")
    found = read_captioned([tmp_path])
    assert found.captions == ("an owl", "a bear")  # the one without a word is left out
    assert found.sheets[1].size == (SIZE, SIZE)


def test_scenes_have_captions_and_only_what_is_for_training_is_read(tmp_path: Path) -> None:
    line = {"caption": "a cat under a tree", "word": "cat", "drawing": CROSS}
    (tmp_path / "train.ndjson").write_text(json.dumps(line))
    write_strokes(tmp_path / "validation.ndjson", "owl")
    assert read_captioned([tmp_path]).captions == ("a cat under a tree",)
    assert read_captioned([tmp_path / "validation.ndjson"]).captions == ("an owl",)


def test_tables_of_pictures_and_captions(tmp_path: Path) -> None:
    write_pictures(tmp_path / "Images", "1", "2")
    (tmp_path / "captions.csv").write_text("image,caption\n1.png,a dog\n2.png,a cat\n1.png,a small dog\n")
    for path in (tmp_path, tmp_path / "captions.csv"):
        found = read_captioned([path])
        assert found.captions == ("a dog", "a cat", "a small dog")
        assert [corner(found.sheets[row]) for row in range(3)] == [0, 40, 0]
    (tmp_path / "Images" / "2.png").rename(tmp_path / "Images" / "a\u0308.png")
    (tmp_path / "captions.csv").write_text("image,caption\n\u00e4.png,a cat\n", encoding="utf-8")
    assert corner(read_captioned([tmp_path]).sheets[0]) == 40
    (tmp_path / "captions.csv").write_text("image,caption\n3.png,a dog\n")
    with pytest.raises(InputError, match=r"1 row of .*captions.csv names no picture .*first: '3.png'"):
        read_captioned([tmp_path])


def test_data_sets_and_pairs(tmp_path: Path) -> None:
    first, second = write_pictures(tmp_path / "set", "1", "2")
    (tmp_path / "set" / "metadata.csv").write_text("file_name,text\n1.png,a dog\n2.png,a cat\n")
    one, two = (ImageFile(path.stem, path) for path in (first, second))
    pairs = Pairs(("x",), (ImageFile("x", one.path),), (ImageFile("x", two.path),), ("a fish",))
    write_pairs(pairs, tmp_path / "pairs")
    found = read_captioned([tmp_path / "set", tmp_path / "pairs"])
    assert found.captions == ("a dog", "a cat", "a fish")
    assert [corner(found.sheets[row]) for row in range(3)] == [0, 40, 0]  # the source's is shown


def test_what_has_no_captions(tmp_path: Path) -> None:
    write_strokes(tmp_path / "a.ndjson", "", "")
    with pytest.raises(InputError, match=r"nothing in .* has a caption"):
        read_captioned([tmp_path / "a.ndjson"])
    write_pictures(tmp_path / "plain", "1")
    with pytest.raises(InputError, match="nor is it a folder of pairs"):
        read_captioned([tmp_path / "plain"])


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, "1")
    (tmp_path / "1.png").write_bytes(b"nothing")
    (tmp_path / "t.csv").write_text("image,caption\n1,a dog\n")
    with pytest.raises(InputError, match=r"1\.png cannot be read"):
        read_captioned([tmp_path]).sheets[0]


def test_strokes_and_captions_of_ones_own() -> None:
    found = captioned([Drawing((np.zeros((1, 2)),))], ["a dot"])
    assert (len(found), found.captions) == (1, ("a dot",))
