"""Which tests a change asks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.changed import changed_files, choose

ROOMS = "tests/test_rooms.py"


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("src/unprompt/storage/files.py", ["tests/storage"]),
        ("src/unprompt/generate/render/run.py", ["tests/generate"]),
        ("tests/storage/test_files.py", ["tests/storage"]),
        ("src/unprompt/records.py", ["tests/test_records.py"]),
        ("tests/test_records.py", ["tests/test_records.py"]),
        ("src/unprompt/errors.py", ["tests/test_errors.py"]),
        ("src/unprompt/data/api.html.j2", []),  # is no room
        ("tests/tiny_clip.py", []),
        ("docs/LOG.md", []),
        ("Makefile", []),
    ],
)
def test_a_file_asks_for_the_tests_of_its_room(file: str, tests: list[str]) -> None:
    assert choose([file, file]) == sorted([*tests, ROOMS])


def test_changes_are_told_with_new_files_and_without_ignored_ones(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch", "main")
    for name in ("same.py", "changed é.py", "deleted.py"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    assert changed_files("HEAD", tmp_path) == []
    (tmp_path / "changed é.py").write_text("2\n")
    (tmp_path / "deleted.py").unlink()
    for name in ("new.py", "ignored.py"):
        (tmp_path / name).touch()
    assert changed_files("HEAD", tmp_path) == ["changed é.py", "deleted.py", "new.py"]
    git("add", "--all")
    git("commit", "--quiet", "--message", "second")
    assert changed_files("HEAD", tmp_path) == []
    assert changed_files("HEAD~1", tmp_path) == ["changed é.py", "deleted.py", "new.py"]
