"""Tables of prompts: what a save costs, and that a kill loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from unprompt.errors import RunError
from unprompt.interrogator.prompt_files import CaptionRow, PromptWriter, Table, open_prompts
from unprompt.networks.captioner import HEADER
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


def begin_and_die(table: Table, files: list[ImageFile], count: int) -> None:
    with open_prompts(table, files, {"model": "a"}, False) as writer:
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
