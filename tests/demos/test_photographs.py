"""Photographs of installed packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unprompt.demos.photographs import PLACES, find_photographs


def test_only_what_is_there_is_found_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pictured" / "art"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.png"):
        (folder / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = find_photographs(
        (("nowhere", "art", ("a.png",)), ("pictured", "art", ("b.png", "c.png", "a.png")))
    )
    assert found == [folder / "b.png", folder / "a.png"]


def test_the_names_are_those_that_the_packages_have() -> None:
    pytest.importorskip("sklearn")
    found = find_photographs()
    assert {"china.jpg", "flower.jpg"} <= {path.name for path in found}
    assert len({path.stem for path in found}) == len(found)  # ids of the demo
    for path in found:
        with Image.open(path) as image:
            assert min(image.size) >= 300
    assert len({name for _, _, names in PLACES for name in names}) == sum(len(names) for *_, names in PLACES)
