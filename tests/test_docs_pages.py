"""What the manual says of the code is there: files, functions, rooms, links; the README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rooms import PACKAGE, ROOMS

ROOT = Path(__file__).resolve().parents[1]
TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"


def file_of(name: str) -> Path:
    """A file as pages name it: from the repository's root, or from the package's."""
    return ROOT / name if (ROOT / name).exists() else PACKAGE / name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_files_that_are_named_are_there(page: Path) -> None:
    named = re.findall(r"[\w./-]*\w/\w+\.py\b", page.read_text(encoding="utf-8"))
    assert [name for name in named if "NAME" not in name and not file_of(name).is_file()] == []


def test_functions_that_are_named_are_in_the_file() -> None:
    named = re.findall(r"`([\w/]+\.py)`: `([\w.]+)`", ARCHITECTURE.read_text(encoding="utf-8"))
    assert ("networks/clip.py", "Clip.load") in named
    for file, name in named:
        text = file_of(file).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"\b(def|class) {part}\b", text), f"{file} has no {name}"


def test_the_table_has_each_room_in_its_order() -> None:
    table = ARCHITECTURE.read_text(encoding="utf-8").split("| room |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(ROOMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
