"""Tables of prompts: what a save costs, and that a kill loses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from unprompt.errors import ConfigError, RunError
from unprompt.generate.prompts import Draft, extend_prompts
from unprompt.interrogator.prompt_files import CaptionRow, PromptWriter, Table, open_prompts
from unprompt.networks.captioner import HEADER, read_captions
from unprompt.records import Problem
from unprompt.storage.images import ImageFile

COUNT = 40


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    paths = [tmp_path / "images" / f"{number:03d}.png" for number in range(COUNT)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(b"")
    return [ImageFile(path.stem, path) for path in paths]


def keep(writer: PromptWriter, files: list[ImageFile]) -> None:
    """Every fourth image has a caption, the others cannot be read."""
    for file in files:
        if int(file.image_id) % 4:
            writer.add([], [Problem(file.image_id, file.name, "broken")])
        else:
            writer.add([CaptionRow(file, f"a {file.image_id}")], [])


def begin_and_die(table: Table, files: list[ImageFile], count: int, overwrite: bool = False) -> None:
    with open_prompts(table, files, {"model": "a"}, overwrite) as writer:
        writer.start()
        keep(writer, files[:count])
        raise KeyboardInterrupt


def test_a_save_costs_what_is_new_however_many_images_had_problems(
    files: list[ImageFile], tmp_path: Path
) -> None:
    table = Table(tmp_path / "captions.csv", HEADER)
    with open_prompts(table, files, {"model": "a"}, False) as writer:
        writer.start()
        keep(writer, files[:4])
        few = (table.work / "progress.json").stat().st_size
        keep(writer, files[4:])
        assert (table.work / "progress.json").stat().st_size < few + 10  # longer numbers
        assert len(writer.problems) == COUNT * 3 // 4
        writer.finish()


def test_what_was_killed_goes_on_with_the_problems_that_counted(
    files: list[ImageFile], tmp_path: Path
) -> None:
    whole, killed = (Table(tmp_path / name / "captions.csv", HEADER) for name in ("whole", "killed"))
    for table in (whole, killed):
        table.path.parent.mkdir()
    with open_prompts(whole, files, {"model": "a"}, False) as writer:
        writer.start()
        keep(writer, files)
        writer.finish()
    with pytest.raises(KeyboardInterrupt):
        begin_and_die(killed, files, 6)
    with (killed.work / "problems.jsonl").open("ab") as stream:  # written, and not counted by a save
        stream.write(b'{"image_id": "006", "file": "006.png", "problem": "bro')
    with open_prompts(killed, files, {"model": "a"}, False) as writer:
        assert writer.resumed
        assert [problem.image_id for problem in writer.problems] == ["001", "002", "003", "005"]
        assert (writer.done, len(writer.todo)) == (6, COUNT - 6)
        writer.start()
        keep(writer, files[6:])
        writer.finish()
    for path in whole.path.parent.iterdir():
        assert (killed.path.parent / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in killed.path.parent.iterdir()} == {"captions.csv", "captions.problems.csv"}


@pytest.mark.parametrize("name", ["cat.jpg", "notes.txt", "captions", "captions.csv.gz"])
def test_a_file_of_another_ending_is_no_table(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--out must end in \.csv or \.jsonl, got .*"):
        Table(tmp_path / name, HEADER)


def test_endings_count_in_capitals_too(files: list[ImageFile], tmp_path: Path) -> None:
    for name, row in (("A.JSONL", '{"imgId": "000", "caption": "a"}'), ("A.CSV", "imgId,caption\n000,a")):
        table = Table(tmp_path / name, HEADER)
        table.begin(0)
        table.append([CaptionRow(files[0], "a")])
        assert table.path.read_text() == f"{row}\n"
        assert read_captions(table.path) == {"000": "a"}


def test_a_finished_table_is_replaced_where_that_is_said(files: list[ImageFile], tmp_path: Path) -> None:
    table = Table(tmp_path / "captions.csv", HEADER)
    assert not table.is_whole
    table.path.write_text("imgId,caption\nx,by hand\n")
    assert table.is_whole
    with (
        pytest.raises(RunError, match=r"captions\.csv is there already; add --overwrite to replace"),
        open_prompts(table, files, {"model": "a"}, False),
    ):
        pass
    assert table.path.read_text() == "imgId,caption\nx,by hand\n"
    assert {path.name for path in tmp_path.iterdir()} == {"captions.csv", "images"}
    with pytest.raises(KeyboardInterrupt):
        begin_and_die(table, files, 6, overwrite=True)
    assert not table.is_whole
    with open_prompts(table, files, {"model": "a"}, False) as writer:  # goes on without the word
        writer.start()
        keep(writer, files[6:])
        writer.finish()
    assert table.is_whole
    assert list(read_captions(table.path)) == [file.image_id for file in files[::4]]


@pytest.mark.parametrize("count", [0, 6])
@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl"])
def test_another_file_that_came_in_the_place_of_a_killed_table_is_safe(
    name: str, count: int, files: list[ImageFile], tmp_path: Path
) -> None:
    table = Table(tmp_path / name, HEADER)
    with pytest.raises(KeyboardInterrupt):
        begin_and_die(table, files, count)
    killed = table.path.read_bytes()
    mine = b"imgId,caption\n" + b"x,by hand\n" * 40
    table.path.write_bytes(mine)
    with (
        pytest.raises(RunError, match="has lost rows that an earlier start wrote; add --overwrite"),
        open_prompts(table, files, {"model": "a"}, False),
    ):
        pass
    assert table.path.read_bytes() == mine
    table.path.write_bytes(killed)
    with open_prompts(table, files, {"model": "a"}, False) as writer:
        assert writer.resumed
        assert writer.done == count


def test_problems_that_are_lost_are_told(files: list[ImageFile], tmp_path: Path) -> None:
    table = Table(tmp_path / "captions.csv", HEADER)
    with pytest.raises(KeyboardInterrupt):
        begin_and_die(table, files, 6)
    (table.work / "problems.jsonl").unlink()
    with (
        pytest.raises(RunError, match="has lost rows that an earlier start wrote; add --overwrite"),
        open_prompts(table, files, {"model": "a"}, False),
    ):
        pass


def test_unfinished_prompts_are_not_replaced_by_what_images_show(
    files: list[ImageFile], tmp_path: Path
) -> None:
    """Both leave a .csv, and keep their work in the same hidden folder until it is whole."""
    out = tmp_path / "p.csv"
    with pytest.raises(RunError, match="in a row gave no new prompt"):
        extend_prompts(out, Stuck(), 3, patience=5)
    rows = (tmp_path / ".p.csv.work" / "rows.csv").read_bytes()
    with (
        pytest.raises(RunError, match=r"p\.csv was begun as a list of new prompts, not as a table of what"),
        open_prompts(Table(out, HEADER), files, {"model": "a"}, False),
    ):
        pass
    assert (tmp_path / ".p.csv.work" / "rows.csv").read_bytes() == rows
    with pytest.raises(KeyboardInterrupt):
        begin_and_die(Table(out, HEADER), files, 6, overwrite=True)
    assert not (tmp_path / ".p.csv.work" / "rows.csv").exists()
    with pytest.raises(RunError, match=r"p\.csv was begun as a table of what images show, not as a list"):
        extend_prompts(out, Stuck(), 1)
    assert extend_prompts(out, Stuck(), 1, overwrite=True).samples == ("a fox",)


class Stuck:
    """An engine with one thing to say."""

    def settings(self) -> Mapping[str, Any]:
        return {"engine": "stuck"}

    def drafts(self, start: int) -> Iterator[Draft]:
        yield from (Draft(number, f"s-{number}", "a fox", "stuck", None) for number in count(start))
