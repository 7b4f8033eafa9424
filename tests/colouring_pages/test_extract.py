from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unprompt.colouring_pages.extract import CLASSIC_SIDE, Extractor, open_extractor
from unprompt.colouring_pages.methods import CLASSIC
from unprompt.colouring_pages.page_config import DETAILS, PageConfig
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
    ink = open_extractor(PageConfig(method)).ink_of(np.zeros((*shape, 3), np.uint8))
    assert max(ink.shape) == CLASSIC_SIDE
    assert ink.shape[0] / ink.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.01)


def test_less_detail_finds_fewer_edges() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    found = {detail: open_extractor(PageConfig("canny", detail)).ink_of(picture).sum() for detail in DETAILS}
    assert found["low"] < found["middle"] < found["high"]


def test_large_pictures_go_through_in_tiles() -> None:
    sizes = []

    def draw(picture: np.ndarray) -> np.ndarray:
        sizes.append(picture.shape[:2])
        return np.zeros(picture.shape[:2], np.float32)

    assert Extractor("own", 2000, draw).ink_of(disc()).shape == (2000, 2000)
    assert len(sizes) > 4
    assert max(map(max, sizes)) < 1000


def test_what_has_no_weights_takes_none_and_pix2pix_needs_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="canny has no weights"):
        open_extractor(PageConfig("canny", weights=tmp_path / "x"))
    with pytest.raises(ConfigError, match="pix2pix needs its weights"):
        open_extractor(PageConfig("pix2pix"))
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
    small = disc(extractor.side)
    np.testing.assert_allclose(extractor.ink_of(small), network.draw(small), atol=1e-6)
