"""Folders on the server's machine: what visitors may name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unprompt.errors import InputError
from unprompt.serving.server_folders import (
    DEEPEST,
    folder_below,
    folders_with_images,
    images_below,
    resolved_root,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with pictures in it and beside it."""
    for name in ("root/cats", "root/deep/dogs", "root/.hidden", "root/empty", "outside"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        if folder.name != "empty":
            Image.new("RGB", (8, 8)).save(folder / "a.png")
    return resolved_root(tmp_path / "root")


def test_folders_below_the_root_are_found(root: Path) -> None:
    assert folder_below(root, "cats") == root / "cats"
    assert folder_below(root, " deep/../cats ") == root / "cats"
    assert folder_below(root, ".") == folder_below(root, "") == root
    assert [file.image_id for file in images_below(root, "deep/dogs")] == ["a"]


def test_a_name_that_ends_in_a_space_is_a_name_too(root: Path) -> None:
    (root / "cats").rename(root / "my cats ")
    assert "my cats " in folders_with_images(root)
    assert folder_below(root, "my cats ") == root / "my cats "


@pytest.mark.parametrize(
    "name", ["..", "../outside", "/", "/etc", "cats/../../outside", "nothing", "a\0b", "x" * 5000, "~"]
)
def test_others_are_refused_alike_whether_they_are_there_or_not(root: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        folder_below(root, name)


def test_a_file_outside_is_not_told_from_nothing(root: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        folder_below(root, "../outside/a.png")
    with pytest.raises(InputError, match="is a file"):
        folder_below(root, "cats/a.png")


def test_links_that_lead_out_are_refused(root: Path) -> None:
    (root / "way-out").symlink_to(root.parent / "outside")
    (root / "circle").symlink_to(root / "circle")
    (root / "inside").symlink_to(root / "cats")
    for name in ("way-out", "circle"):
        with pytest.raises(InputError, match="there is no folder"):
            folder_below(root, name)
    assert folder_below(root, "inside") == root / "cats"


def test_images_that_are_links_to_outside_are_refused(root: Path) -> None:
    (root / "cats" / "b.png").symlink_to(root.parent / "outside" / "a.png")
    with pytest.raises(InputError, match=r"1 of 2 images in 'cats' leads out .*b\.png"):
        images_below(root, "cats")


def test_folders_to_choose_from(root: Path) -> None:
    (root / "way-out").symlink_to(root.parent / "outside")
    down = root.joinpath(*"abcdefgh"[: DEEPEST + 1])
    down.mkdir(parents=True)
    (down / "x.jpg").touch()
    (down.parent / "x.JPG").touch()
    (root / "part-00000.parquet").touch()
    found = folders_with_images(root)
    assert found == [".", str(down.parent.relative_to(root)), "cats", "deep/dogs"]
    assert len(folders_with_images(root, most=2)) == 2


def test_of_a_folder_of_folders_one_with_images_is_named(root: Path) -> None:
    for name in ("deep", "deep/"):
        with pytest.raises(InputError, match=r"'deep/?' holds no images itself; .* in it: 'deep/dogs'"):
            images_below(root, name)
    with pytest.raises(InputError, match=r"in it: '(cats|deep/dogs)'"):
        images_below(root, ".")
    with pytest.raises(InputError, match=r"^'empty' holds no images \(looked for"):
        images_below(root, "empty")


def test_a_root_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--root"):
        resolved_root(tmp_path / "none")
