"""Tables call images by many names; a name means one image or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from unprompt.errors import InputError
from unprompt.records import Prompts
from unprompt.storage.images import ImageFile
from unprompt.storage.matching import fit_prompts, match_forms, match_names, paths_by_id

FLAT = {"1": "1.png", "v1.5_0001": "v1.5_0001.png", "x.png": "x.png.png"}
NESTED = {"a/1": "a/1.png", "b/1": "b/1.png", "2": "a/2.png"}


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("1", "1"),
        ("1.png", "1"),
        ("1.jpg", "1"),  # the pictures were converted, the table was not
        ("1.PNG", "1"),
        ("./1.png", "1"),
        ("train_images/1.png", "1"),
        ("C:\\data\\train_images\\1.png", "1"),
        ("v1.5_0001", "v1.5_0001"),
        ("v1.5_0001.png", "v1.5_0001"),
        ("x.png", "x.png"),
        ("x.png.png", "x.png"),
        ("v1", "v1"),  # no image: as it was
        ("v1.5", "v1.5"),
        ("", ""),
    ],
)
def test_names_in_one_folder(name: str, image_id: str) -> None:
    assert match_names([name], FLAT) == [image_id]


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("a/1.png", "a/1"),
        ("a\\1.png", "a/1"),
        ("set/b/1", "b/1"),
        ("2.png", "2"),
        ("a/2.png", "2"),
        ("b/2.png", "b/2.png"),  # another folder's: not this image
        ("aa/1.png", "aa/1.png"),
    ],
)
def test_names_in_several_folders(name: str, image_id: str) -> None:
    assert match_names([name], NESTED) == [image_id]


COMPOSED, DECOMPOSED = "\u00e4pfel", "a\u0308pfel"  # the same to read


@pytest.mark.parametrize(
    ("names", "images", "ids"),
    [
        ([COMPOSED], [DECOMPOSED], [DECOMPOSED]),
        ([DECOMPOSED], [COMPOSED], [COMPOSED]),
        ([f"{COMPOSED}/1.png"], [f"{DECOMPOSED}/1", f"{DECOMPOSED}/2"], [f"{DECOMPOSED}/1"]),
        ([f"{COMPOSED}.jpg"], [DECOMPOSED, "b"], [DECOMPOSED]),
        # Two that are told by their forms alone stay two.
        ([COMPOSED, DECOMPOSED], [DECOMPOSED, COMPOSED], [COMPOSED, DECOMPOSED]),
        ([f"{COMPOSED}.png", f"{DECOMPOSED}.png"], [DECOMPOSED, COMPOSED], [COMPOSED, DECOMPOSED]),
        ([COMPOSED, DECOMPOSED], [DECOMPOSED], [COMPOSED, DECOMPOSED]),
        ([COMPOSED], [DECOMPOSED, COMPOSED], [COMPOSED]),
    ],
)
def test_names_in_another_form_of_unicode(names: list[str], images: list[str], ids: list[str]) -> None:
    assert match_names(names, {image_id: f"{image_id}.png" for image_id in images}) == ids


@pytest.mark.parametrize(
    ("names", "ids", "are"),
    [
        ([COMPOSED, "a"], ["a", DECOMPOSED], [DECOMPOSED, "a"]),
        ([DECOMPOSED, "b"], ["a", COMPOSED], [COMPOSED, "b"]),
        (["1.png", "a/1"], ["1"], ["1.png", "a/1"]),  # ids are no paths
        # Two that are told by their forms alone stay two.
        ([DECOMPOSED], [DECOMPOSED, COMPOSED], [DECOMPOSED]),
        ([COMPOSED, DECOMPOSED], [DECOMPOSED], [COMPOSED, DECOMPOSED]),
        (["\u1ea5", "a\u0302\u0301"], ["\u00e2\u0301"], ["\u1ea5", "a\u0302\u0301"]),
        (["\u1ea5"], ["a\u0302\u0301", "\u00e2\u0301"], ["\u1ea5"]),
    ],
)
def test_ids_in_another_form_of_unicode(names: list[str], ids: list[str], are: list[str]) -> None:
    assert match_forms(names, ids) == are


def test_a_name_of_two_images_is_an_error() -> None:
    with pytest.raises(InputError, match=r"'1\.png' may mean 2 images, first: a/1\.png and b/1\.png; write"):
        match_names(["1.png"], NESTED)


def test_the_ending_decides_between_two_files() -> None:
    assert match_names(["1.jpg", "1.png"], {"1.jpg": "1.jpg", "1.png": "1.png"}) == ["1.jpg", "1.png"]
    assert match_names(["s/1.jpg"], {"p": "1.png", "j": "1.jpg"}) == ["j"]


def test_two_prompts_of_one_image_are_an_error() -> None:
    with pytest.raises(InputError, match="1 id stands more than once in the prompts, first: 1"):
        fit_prompts(Prompts(("1", "1.png"), ("x", "y")), FLAT)
    assert fit_prompts(Prompts(("1.png", "z"), ("x", "y")), FLAT) == Prompts(("1", "z"), ("x", "y"))


def test_paths_are_from_the_folder(tmp_path: Path) -> None:
    files = [
        ImageFile("1", tmp_path / "a" / "1.png"),
        ImageFile("2", tmp_path / "a" / "b" / "2.png"),
        ImageFile("3", tmp_path / "part.parquet", row=0),
    ]
    assert paths_by_id(files, tmp_path) == {"1": "a/1.png", "2": "a/b/2.png", "3": "3"}
    assert paths_by_id(files) == {"1": "1.png", "2": "b/2.png", "3": "3"}
    assert paths_by_id([]) == {}
