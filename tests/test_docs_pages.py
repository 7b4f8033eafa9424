"""What the manual says of the code is there: files, functions, rooms, links; the README stays short."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.rooms import PACKAGE, ROOMS
from unprompt.bundle.bundles import read_bundle
from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.ensemble.members import guess_from

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
    ours = [name for name in named if not re.search("NAME|their_", name)]
    assert [name for name in ours if not file_of(name).is_file()] == []


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


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page's code in a language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_bundles_that_are_shown_can_be_read(tmp_path: Path) -> None:
    shown = [block for block in blocks("bundles.md", "toml") if "[[members]]" in block]
    assert shown
    for block in shown:
        (tmp_path / "shown.toml").write_text(block, encoding="utf-8")
        assert read_bundle(str(tmp_path / "shown.toml")).members


def test_the_kind_of_member_that_is_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = blocks("bundles.md", "python")
    (tmp_path / "shown_night.py").write_text(program, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    kind: MemberKind = importlib.import_module("shown_night").KIND
    table = MemberSpec("dark", "night", 1.0, settings={"night": "a city at night"})
    rows = np.eye(2, 384, dtype=np.float32)
    loader: Any = SimpleNamespace(encoder=SimpleNamespace(encode=lambda texts: rows[: len(texts)]))
    member: Any = kind.build(loader, kind.parse(table, tmp_path))
    (backbone,) = member.backbones
    pictures = [Image.new("RGB", (40, 30), colour) for colour in ("black", "white")]
    features = backbone.features([backbone.prepare(picture) for picture in pictures])
    guess = guess_from(member, {"brightness": features})
    assert guess.prompts == ("a city at night", "a photo at noon")
    np.testing.assert_array_equal(guess.embeddings, rows)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
