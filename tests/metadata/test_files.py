"""Folders of pictures: what stands in each, counted, as a table, and with names that are not alike."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.marked_pictures import PARAMETERS, SETTINGS, png, png_with, saved, text_chunk
from unprompt.errors import InputError
from unprompt.metadata.files import (
    HEADER,
    FilePrompt,
    check_any_readable,
    count_tools,
    read_file_prompts,
    write_file_prompts,
)
from unprompt.metadata.layout import describe_counts, describe_generation
from unprompt.storage.files import read_prompts
from unprompt.storage.images import find_loose_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(png_with(parameters=PARAMETERS))
    (tmp_path / "b.png").write_bytes(saved("PNG"))
    (tmp_path / "c.png").write_bytes(png_with(Dream='"a fox,\\nin snow" -S 4'))
    (tmp_path / "d.jpg").write_bytes(b"nothing")
    (tmp_path / "e.png").write_bytes(png(text_chunk("parameters", SETTINGS)))
    return tmp_path


def found_in(folder: Path) -> list[FilePrompt]:
    return list(read_file_prompts(find_loose_images([folder]), 2))


def test_each_file_in_its_order(folder: Path) -> None:
    found = found_in(folder)
    assert [one.file.image_id for one in found] == ["a", "b", "c", "d", "e"]
    assert [bool(one.prompt) for one in found] == [True, False, True, False, False]
    assert [one.problem for one in found if one.problem] == ["not an image, or one of an unknown format"]
    assert count_tools(found) == {"AUTOMATIC1111": 1, "InvokeAI": 1}
    check_any_readable(found)
    with pytest.raises(InputError, match=r"the only image cannot be read: d\.jpg: not an image"):
        check_any_readable(found[3:4])


def test_the_table_is_a_prompts_csv_too(folder: Path) -> None:
    found = found_in(folder)
    write_file_prompts(folder / "t.csv", found)
    with (folder / "t.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == HEADER
    assert (rows[0]["seed"], rows[0]["cfg"], rows[0]["height"]) == ("42", "7", "768")
    assert rows[1]["steps"] == rows[1]["width"] == ""
    prompts = read_prompts(folder / "t.csv")
    assert dict(zip(prompts.ids, prompts.texts, strict=True)) == {
        one.file.image_id: one.prompt for one in found if one.prompt
    }


def test_in_lines(folder: Path) -> None:
    first = found_in(folder)[0].generation
    assert first is not None
    assert describe_generation(first) == [
        "  prompt     a lighthouse at dusk, (warm light:1.2)",
        "  negative   blurry, lowres",
        "  settings   512 x 768, 20 steps, Euler a, cfg 7, seed 42",
        "  model      demo",
        "  read from  PNG text parameters, AUTOMATIC1111",
    ]
    assert describe_counts(3, {"ComfyUI": 2}, ["x.png"], 0) == (
        "2 of 3 images have their prompt in the file (ComfyUI 2); 1 has none, first: x.png"
    )


def test_names_that_are_alike_are_told_apart(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png", "two/b.png", "x/one/a.png", "b/c.png", "b/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(saved("PNG"))
    ids = [file.image_id for file in find_loose_images([tmp_path], recursive=True)]
    assert sorted(ids) == ["b", "b_c.jpg", "b_c.png", "one_a.png", "two_a.png", "x_one_a.png"]
    again = find_loose_images(
        [tmp_path / "one", tmp_path / "two", tmp_path / "x" / "one", tmp_path / "one" / "a.png"]
    )
    assert [file.image_id for file in again] == ["one_a.png", "two_a.png", "b", "one_a.png-2"]
