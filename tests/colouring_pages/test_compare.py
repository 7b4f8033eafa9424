from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unprompt.cli import main
from unprompt.colouring_pages.compare import CELL, GAP, HEAD, _pages, compare_methods
from unprompt.colouring_pages.extract import open_extractor
from unprompt.colouring_pages.page_config import CompareConfig, PageConfig
from unprompt.errors import ConfigError


def shapes(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((size[0] / 4, size[1] / 4, size[0] / 2, size[1] / 2), (10, 30, 200))
    return image


def test_each_picture_has_a_row_and_each_method_a_column() -> None:
    extractors = [open_extractor(PageConfig(method)) for method in ("canny", "dodge")]
    sheet = np.asarray(compare_methods([shapes((200, 100)), shapes((90, 180))], extractors))
    assert sheet.shape == (HEAD + 2 * (CELL + GAP), 3 * (CELL + GAP) + GAP, 3)
    for row in range(2):
        top = HEAD + row * (CELL + GAP)
        cells = [sheet[top : top + CELL, GAP + k * (CELL + GAP) :][:, :CELL] for k in range(3)]
        assert (cells[0] == (10, 30, 200)).all(-1).any()  # the picture itself …
        assert cells[1].min() < 60  # … and black lines
        assert np.ptp(cells[1], axis=-1).max() == 0


@pytest.mark.parametrize("size", [(40, 8000), (8000, 40), (1, 3000)])
def test_pictures_of_any_shape_stay_in_their_cells(size: tuple[int, int]) -> None:
    sheet = compare_methods([shapes(size)], [open_extractor(PageConfig("canny"))])
    assert sheet.size == (2 * (CELL + GAP) + GAP, HEAD + CELL + GAP)
    drawn = [page.size for page in _pages(shapes(size), [open_extractor(PageConfig("canny"))], "middle")]
    assert max(drawn[0]) <= CELL


def test_the_command_writes_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes((80, 60)).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"")
    out = tmp_path / "sheet.png"
    command = ["page", "compare", str(tmp_path), "--out", str(out), "--methods", "canny", "xdog"]
    assert main(command) == 0
    assert Image.open(out).size == (3 * (CELL + GAP) + GAP, HEAD + CELL + GAP)
    assert "bad.png: the file is empty" in capsys.readouterr().err
    assert main([*command[:-2], "etching"]) == 1
    assert (
        "methods must be of auto, pix2pix, canny, xdog, dodge, hed, got 'etching'" in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet", "sheet.png.webp"])
def test_a_sheet_of_another_kind_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shapes((80, 60)).save(tmp_path / "a.png")
    out = tmp_path / name
    assert main(["page", "compare", str(tmp_path / "a.png"), "--out", str(out), "--methods", "canny"]) == 1
    assert f"--out {out} has to end in .png" in capsys.readouterr().err
    assert not out.exists()


def test_pictures_beyond_the_most_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        shapes((80, 60)).save(tmp_path / f"{name}.png")
    out = tmp_path / "out" / "sheet.PNG"
    command = ["page", "compare", str(tmp_path), "--out", str(out), "--methods", "canny", "--most", "2"]
    assert main(command) == 0
    assert "the first 2 of 3 images are compared (--most)" in capsys.readouterr().err
    assert Image.open(out).size == (2 * (CELL + GAP) + GAP, HEAD + 2 * (CELL + GAP))


def test_weights_of_no_method_are_told() -> None:
    weights = Path("generator.safetensors")
    with pytest.raises(ConfigError, match="weights are of auto and pix2pix, and methods are canny hed"):
        CompareConfig(("canny", "hed"), weights=weights)
    config = CompareConfig(("canny", "pix2pix"), weights=weights)
    assert [config.of(method).weights for method in config.methods] == [None, weights]


def test_pictures_of_which_none_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no")
    command = ["page", "compare", str(tmp_path), "--out", str(tmp_path / "sheet.png"), "--methods", "canny"]
    assert main(command) == 1
    assert "none of 2 pictures can be read, first: a.png: not an image" in capsys.readouterr().err
