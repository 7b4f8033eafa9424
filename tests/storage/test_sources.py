"""Whether what work is made of has changed since it was begun. The commands' own tests kill each of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.other_content import put_other_content, touch
from unprompt.errors import RunError
from unprompt.storage.images import ImageFile
from unprompt.storage.resumable import FolderKind, finish, open_folder
from unprompt.storage.sources import HASHES, SOURCES, Sources, describe_change

KIND = FolderKind("run", "run.json", ("*.txt",))


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    """Three images that lie alone, and two in one file."""
    for name in ("a.png", "b.png", "c.png", "part.parquet", "model.pt", "artists.txt"):
        (tmp_path / name).write_bytes(f"this is {name}".encode() * 100)
    alone = [ImageFile(name, tmp_path / f"{name}.png") for name in "abc"]
    return [*alone, *(ImageFile(f"row{row}", tmp_path / "part.parquet", row=row) for row in range(2))]


def sources(files: list[ImageFile]) -> Sources:
    folder = files[0].path.parent
    return Sources(files, [folder / "model.pt"], [folder / "artists.txt"])


def begin(files: list[ImageFile], looked_at: int) -> Path:
    work = files[0].path.parent / "work"
    work.mkdir()
    begun = sources(files)
    begun.begin(work)
    begun.note(files[:looked_at])
    return work


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: None, ""),
        (lambda folder: put_other_content(folder / "a.png", keep_time=False), "other images: .*a.png has"),
        (lambda folder: put_other_content(folder / "a.png"), "other images: .*a.png has changed since"),
        (lambda folder: put_other_content(folder / "c.png", keep_time=False), "other images: .*c.png has"),
        (lambda folder: (folder / "c.png").write_bytes(b"shorter"), "other images: .*c.png has"),
        (lambda folder: (folder / "b.png").unlink(), "other images: .*b.png has"),
        (lambda folder: touch(folder / "a.png"), ""),  # it was looked at, and its bytes are the same
        (lambda folder: touch(folder / "c.png"), "other images: .*c.png has"),  # nobody knows
        (lambda folder: (folder / "c.png").chmod(0o600), ""),
        (lambda folder: [touch(folder / name) for name in ("part.parquet", "c.png")], "and 1 more file have"),
        (lambda folder: touch(folder / "model.pt"), "another checkpoint: .*model.pt has changed since"),
        (
            lambda folder: touch(folder / "artists.txt"),
            "another phrase list: .*artists.txt has changed since",
        ),
    ],
)
def test_what_has_changed_is_named(files: list[ImageFile], change: Callable[[Path], None], told: str) -> None:
    work = begin(files, looked_at=2)
    change(work.parent)
    assert re.fullmatch(f".*{told}.*" if told else "", sources(files).go_on(work))


def test_a_folder_that_was_copied_with_its_times_goes_on(files: list[ImageFile], tmp_path: Path) -> None:
    work = begin(files, looked_at=2)
    shutil.copytree(tmp_path, tmp_path / "copy")
    copied = [ImageFile(file.image_id, tmp_path / "copy" / file.path.name, row=file.row) for file in files]
    assert sources(copied).go_on(work) == ""
    put_other_content(tmp_path / "copy" / "a.png")
    assert sources(copied).go_on(work).endswith("a.png has changed since")


def test_a_kill_while_a_hash_is_written_costs_that_hash_alone(files: list[ImageFile]) -> None:
    work = begin(files, looked_at=2)
    hashes = work / HASHES
    assert len(hashes.read_text().splitlines()) == 2
    hashes.write_bytes(hashes.read_bytes()[:-5])
    touch(files[0].path)
    assert sources(files).go_on(work) == ""
    touch(files[1].path)
    assert sources(files).go_on(work).endswith("b.png has changed since")
    hashes.write_bytes(b"no hashes at all \xff")
    assert "changed since" in sources(files).go_on(work)
    (work / SOURCES).write_text("{")
    assert sources(files).go_on(work) == "another version of unprompt"


def test_an_image_that_changes_while_the_work_goes_on_has_no_hash(files: list[ImageFile]) -> None:
    work = files[0].path.parent / "work"
    work.mkdir()
    begun = sources(files)
    begun.begin(work)
    put_other_content(files[0].path, keep_time=False)
    begun.note(files)
    assert len((work / HASHES).read_text().splitlines()) == 2  # b and c: rows of a part have none
    assert "a.png has changed" in sources(files).go_on(work)


def test_plans_say_in_which_parts_they_differ() -> None:
    before = {"unprompt": "1", "images": [["a", "a.png"]], "batch": 2, "seed": 0}
    assert describe_change(before, {**before, "images": [("a", "a.png")]}) == ""
    assert describe_change(before, {**before, "images": []}) == "other images"
    assert describe_change(before, {**before, "batch": 3, "seed": 1}) == "other settings"
    assert describe_change(before, {"unprompt": "2", "images": [], "batch": 2}) == (
        "another version of unprompt and other images and other settings"
    )


def test_a_folder_of_work_says_what_has_changed_and_starts_anew_if_asked(files: list[ImageFile]) -> None:
    out = files[0].path.parent / "RUN"

    def work(number: int, overwrite: bool = False) -> bool:
        with open_folder(out, KIND, {"number": number}, overwrite, sources=sources(files)) as resumed:
            (out / "a.txt").touch()
            if number == 1 and not resumed:
                raise KeyboardInterrupt
            finish(out, KIND, {})
            return resumed

    with pytest.raises(KeyboardInterrupt):
        work(1)
    with pytest.raises(
        RunError, match=r"RUN was begun with other settings; run what was begun, or add --overw"
    ):
        work(2)
    put_other_content(files[0].path, keep_time=False)
    with pytest.raises(
        RunError, match=r"RUN was begun with other images: \S+a.png has changed since; run wha"
    ):
        work(1)
    with pytest.raises(KeyboardInterrupt):  # it is made anew
        work(1, overwrite=True)
    assert work(1)
