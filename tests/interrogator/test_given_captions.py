"""Captions that are given in a file: each image gets its own, whatever the file calls it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unprompt.errors import InputError
from unprompt.interrogator.config import InterrogateConfig
from unprompt.interrogator.prompt_files import CaptionRow, Table
from unprompt.interrogator.run import captions_of
from unprompt.networks.captioner import HEADER
from unprompt.storage.images import ImageFile


def write_captions(path: Path, captions: list[tuple[str, str]]) -> None:
    table = Table(path, HEADER)
    table.begin(0)
    table.append([CaptionRow(ImageFile(image_id, Path("x.png")), text) for image_id, text in captions])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_our_own_and_others_names(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"c.{ending}"
    write_captions(file, [("b", "a dog, asleep"), ("pictures/a.png", "a cat"), ("more", "is passed over")])
    files = [ImageFile("a", tmp_path / "a.png"), ImageFile("b", tmp_path / "b.png")]
    config = replace(InterrogateConfig(), captions=str(file))
    assert captions_of(files, config) == {"a": "a cat", "b": "a dog, asleep"}


def test_two_captions_of_one_image(tmp_path: Path) -> None:
    write_captions(tmp_path / "c.csv", [("a", "a cat"), ("a.png", "a dog")])
    config = replace(InterrogateConfig(), captions=str(tmp_path / "c.csv"))
    with pytest.raises(InputError, match=r"1 id stands more than once in .*c\.csv, first: a"):
        captions_of([ImageFile("a", tmp_path / "a.png")], config)
