from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unprompt.colouring_pages.clean import clean
from unprompt.colouring_pages.extract import CLASSIC_SIDE, Automatic, ByStage, Extractor, open_extractor
from unprompt.colouring_pages.methods import CLASSIC, find_longest_side
from unprompt.colouring_pages.page_config import AUTOMATIC, DETAILS, OWN, PageConfig
from unprompt.colouring_pages.skeleton import thin
from unprompt.colouring_pages.strokes import strokes
from unprompt.errors import CheckpointError, ConfigError


def disc(side: int = 300) -> np.ndarray:
    """A red disc on white."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[np.hypot(rows, columns) < side / 3] = (200, 30, 30)
    return picture


@pytest.mark.parametrize("method", CLASSIC)
@pytest.mark.parametrize("shape", [(30, 90), (900, 400)])
def test_ink_has_the_pictures_shape_and_the_methods_side(method: str, shape: tuple[int, int]) -> None:
    ink = open_extractor(PageConfig(method)).find(np.zeros((*shape, 3), np.uint8)).ink
    assert max(ink.shape) == CLASSIC_SIDE
    assert ink.shape[0] / ink.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.01)


@pytest.mark.parametrize(
    ("shape", "side"),
    [((100, 100), 768), ((400, 100), 768), ((100, 800), 1536), ((1600, 100), 3072), ((40, 8000), 10861)],
)
def test_thin_pictures_are_looked_at_larger(shape: tuple[int, int], side: int) -> None:
    assert find_longest_side(shape, CLASSIC_SIDE) == side


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (3000, 3), (64, 64)])
def test_what_is_all_of_one_colour_has_no_lines(shape: tuple[int, int]) -> None:
    extractor = open_extractor(PageConfig())
    assert not extractor.find(np.full((*shape, 3), (255, 0, 0), np.uint8)).ink.any()


def test_less_detail_finds_fewer_edges() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    found = {
        detail: open_extractor(PageConfig("canny", detail)).find(picture).ink.sum() for detail in DETAILS
    }
    assert found["low"] < found["middle"] < found["high"]


def test_large_pictures_go_through_in_tiles() -> None:
    sizes = []

    def draw(picture: np.ndarray) -> np.ndarray:
        sizes.append(picture.shape[:2])
        return np.zeros(picture.shape[:2], np.float32)

    assert Extractor("own", 2000, draw).find(disc()).ink.shape == (2000, 2000)
    assert len(sizes) > 4
    assert max(map(max, sizes)) < 1000


def test_weights_and_stages_go_with_methods_that_have_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="canny has no weights"):
        open_extractor(PageConfig("canny", weights=tmp_path / "x"))
    with pytest.raises(ConfigError, match="stage 2 is one of the package's own"):
        open_extractor(PageConfig("dodge", stage="2"))
    with pytest.raises(ConfigError, match="stage 1 is one of the package's own"):
        open_extractor(PageConfig("pix2pix", weights=tmp_path / "x", stage="1"))
    (tmp_path / "x.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        open_extractor(PageConfig("pix2pix", weights=tmp_path / "x.pth"))


def test_a_generator_of_ours_draws(tmp_path: Path) -> None:
    from unprompt.colouring_pages.config import GeneratorConfig
    from unprompt.colouring_pages.generator_files import write_generator
    from unprompt.colouring_pages.network import Generator

    network = Generator(GeneratorConfig(filters=2, levels=2))
    write_generator(tmp_path / "g.safetensors", network)
    extractor = open_extractor(PageConfig("pix2pix", "low", tmp_path / "g.safetensors"))
    assert isinstance(extractor, Extractor)
    small = disc(extractor.side)
    np.testing.assert_allclose(extractor.find(small).ink, network.draw(small), atol=1e-6)


def grainy(side: int = 300) -> np.ndarray:
    """The disc as a photograph has it."""
    noise = np.random.default_rng(0).normal(0, 25, (side, side, 3))
    return np.clip(disc(side) + noise, 0, 255).astype(np.uint8)


def outlined(side: int = 300) -> np.ndarray:
    """The disc with a black outline."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    picture = disc(side)
    picture[np.abs(np.hypot(rows, columns) - side / 3) < 4] = 0
    return picture


@pytest.mark.parametrize(
    ("picture", "method"),
    [(disc(), "pix2pix, stage 1"), (grainy(), "pix2pix, stage 2"), (outlined(), "own lines")],
)
def test_the_package_s_generators_draw_one_line_where_a_thing_ends(picture: np.ndarray, method: str) -> None:
    found = open_extractor(PageConfig()).find(picture)
    assert found.method == method
    height, width = found.ink.shape
    middle = np.argwhere(thin(clean(found.ink))) + 0.5 - np.array([height, width]) / 2
    radius = np.hypot(*middle.T) / max(height, width)
    np.testing.assert_allclose(radius, 1 / 3, atol=0.02)
    # Once around, and not twice: the length of a circle, in steps along rows, columns and diagonals.
    assert len(middle) == pytest.approx(8 / np.sqrt(2) * max(height, width) / 3, rel=0.1)


def test_all_that_auto_draws_by_has_words_for_who_prints_it() -> None:
    automatic = open_extractor(PageConfig())
    assert isinstance(automatic, Automatic)
    assert isinstance(automatic.network, ByStage)
    assert {OWN, *(one.method for one in automatic.network.stages)} == AUTOMATIC.keys()
    assert all(AUTOMATIC.values())


def test_a_stage_can_be_asked_for() -> None:
    for stage in ("1", "2"):
        extractor = open_extractor(PageConfig("pix2pix", stage=stage))
        assert extractor.find(disc()).method == f"pix2pix, stage {stage}"
    assert open_extractor(PageConfig("pix2pix")).find(outlined()).method == "pix2pix, stage 1"


@pytest.mark.parametrize("method", ["auto", "canny", "dodge"])
@pytest.mark.parametrize("turned", [False, True], ids=["wide", "tall"])
def test_very_thin_pictures_have_lines(method: str, turned: bool) -> None:
    picture = np.full((40, 8000, 3), 255, np.uint8)
    for left in range(100, 8000, 200):
        picture[8:32, left : left + 100] = 0 if method == "dodge" else (200, 30, 30)
    if method == "dodge":
        picture[12:28] = 255
    found = open_extractor(PageConfig(method)).find(picture.swapaxes(0, 1) if turned else picture)
    assert found.ink.size <= CLASSIC_SIDE**2 * 1.01
    drawing = strokes(found.lines("middle"))
    assert len(drawing.curves) >= 40
    width, height = drawing.size[::-1] if turned else drawing.size
    assert width / height == pytest.approx(200, rel=0.03)
    along = np.concatenate(drawing.curves)[:, int(turned)] / width
    assert np.histogram(along, 40, (0, 1))[0].all()
