"""Colouring from Python: `unprompt.colouring.paint` on pictures of every kind, hints, variants, settings."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import unprompt
from unprompt.colouring.hints import Hint, read_colour, read_hint
from unprompt.colouring.palette import BASIC
from unprompt.colouring.small_paint import ColourPainter, open_painter
from unprompt.errors import CheckpointError, ConfigError, InputError, UnreadableImageError
from unprompt.pocket.closing import NOTHING
from unprompt.storage.images import AnyImage, encode_png

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (96, 64)
LEFT, RIGHT, OUTSIDE = (24, 32), (72, 32), (3, 3)  # a pixel of each region
ON_LINE = (8, 32)


def line_art() -> Image.Image:
    """Two boxes beside each other, with black lines on white."""
    image = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 44, 56), outline=0, width=2)
    draw.rectangle((52, 8, 88, 56), outline=0, width=2)
    return image


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painter that has learnt nothing."""
    torch = pytest.importorskip("torch")
    from unprompt.colouring.network import Painter
    from unprompt.colouring.network_config import PainterConfig
    from unprompt.colouring.painter_files import write_painter

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("painter") / "painter.safetensors"
    write_painter(path, Painter(PainterConfig(side=32, width=16, layers=1, filters=8)))
    return path


def pixel(image: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    return tuple(np.asarray(image)[at[1], at[0]])


KINDS: dict[str, Callable[[Image.Image], AnyImage]] = {
    "bytes": encode_png,
    "image": lambda image: image,
    "grey array": np.asarray,
    "array": lambda image: np.asarray(image.convert("RGB")),
    "floats": lambda image: np.asarray(image) / 255.0,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_any_kind_is_coloured_alike(kind: str, weights: Path, tmp_path: Path) -> None:
    line_art().save(tmp_path / "boxes.png")
    of_file = unprompt.colouring.paint(str(tmp_path / "boxes.png"), "a red box", weights=str(weights))
    of_kind = unprompt.colouring.paint(KINDS[kind](line_art()), "a red box", weights=weights)
    assert (of_file.mode, of_file.size) == ("RGB", SIZE)
    assert of_kind.tobytes() == of_file.tobytes()
    assert pixel(of_file, ON_LINE) == (0, 0, 0)


def test_it_does_as_the_painter_does(weights: Path) -> None:
    painted = ColourPainter.load(weights).paint(line_art(), "a red box")
    assert unprompt.colouring.paint(line_art(), "a red box", weights=weights).tobytes() == (
        painted.image().tobytes()
    )


def test_hints_are_names_and_codes(weights: Path) -> None:
    hints = [(*LEFT, "red"), (*RIGHT, "#aa0033"), (*OUTSIDE, "paper")]
    image = unprompt.colouring.paint(
        line_art(), "", hints=hints, weights=weights, paper="transparent", crayons="8"
    )
    assert image.mode == "RGBA"
    assert pixel(image, LEFT) == (0xE5, 0, 0, 255)
    assert pixel(image, RIGHT) == (0xAA, 0, 0x33, 255)  # a hint is taken as it is, whatever the crayons
    assert pixel(image, OUTSIDE)[3] == 0
    assert pixel(image, ON_LINE) == (0, 0, 0, 255)
    with pytest.raises(InputError, match=r"\(96, 0\) lies outside"):
        unprompt.colouring.paint(line_art(), "", hints=[(96, 0, "red")], weights=weights)


def test_a_transparent_picture_stays_so(weights: Path) -> None:
    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    clear.putalpha(Image.eval(line_art(), lambda grey: 255 - grey))  # black ink on nothing
    hints = [(*OUTSIDE, "paper"), (*LEFT, "yellow")]
    for picture in (clear, np.asarray(clear), encode_png(clear)):
        image = unprompt.colouring.paint(picture, "", hints=hints, weights=weights)
        assert image.mode == "RGBA"
        assert pixel(image, OUTSIDE)[3] == 0
        assert pixel(image, LEFT) == (255, 255, 0x14, 255)
        assert pixel(image, ON_LINE) == (0, 0, 0, 255)


def test_variants_are_the_seeds_that_follow(weights: Path) -> None:
    images = unprompt.colouring.paint(line_art(), "a box", variants=3, seed=4, weights=weights)
    assert [image.tobytes() for image in images] == [
        unprompt.colouring.paint(line_art(), "a box", seed=seed, weights=weights).tobytes()
        for seed in (4, 5, 6)
    ]
    assert len(unprompt.colouring.paint(line_art(), "a box", variants=1, weights=weights)) == 1
    with pytest.raises(ConfigError, match="variants must be at least 1"):
        unprompt.colouring.paint(line_art(), "a box", variants=0, weights=weights)


def test_a_page_that_was_looked_at_is_coloured_as_a_picture(weights: Path) -> None:
    painter = ColourPainter.load(weights)
    page = painter.look(line_art())
    for words in ("a red box", "a blue box", ""):
        again, anew = painter.colour(page, words), painter.paint(line_art(), words)
        assert again.image().tobytes() == anew.image().tobytes()
        assert again.told == anew.told


def test_a_painter_is_opened_again_when_its_file_has_changed(weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "painter.safetensors"
    for name in ("painter.safetensors", "painter.json"):
        (tmp_path / name).write_bytes((weights.parent / name).read_bytes())
    first = open_painter(copy)
    assert open_painter(copy) is first
    copy.unlink()
    with pytest.raises(CheckpointError):
        open_painter(copy)


def test_what_is_wrong_is_said(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"no keyword 'crayon'; it has: hints, variants, seed, crayons"):
        unprompt.colouring.paint(line_art(), "", crayon="8")
    with pytest.raises(UnreadableImageError, match="no such file"):
        unprompt.colouring.paint(tmp_path / "none.png", "", weights=weights)
    with pytest.raises(UnreadableImageError, match="2 bytes"):
        unprompt.colouring.paint(io.BytesIO(b"no").read(), "", weights=weights)
    with pytest.raises(ConfigError, match="crayons"):
        unprompt.colouring.paint(line_art(), "", weights=weights, crayons="9")
    with pytest.raises(ConfigError, match="'rde' is no colour; write a name"):
        unprompt.colouring.paint(line_art(), "", hints=[(1, 1, "rde")], weights=weights)


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        *BASIC.items(),
        (" Red ", 0xE50000),
        ("#abc", 0xAABBCC),
        ("#2E8B57", 0x2E8B57),
        ("navy blue", 0x01153E),
        ("orange", 0xF97306),  # which is a thing after an article only
        ("rouge", 0xE50000),
        ("Paper", NOTHING),
    ],
)
def test_colours_are_read_by_name_and_code(name: str, rgb: int) -> None:
    assert read_colour(name) == rgb


@pytest.mark.parametrize("name", ["", "a red fox", "red green", "#12", "redd", "2e8b57"])
def test_what_is_no_one_colour_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no colour"):
        read_colour(name)


def test_a_hint_is_typed_as_a_place_and_a_colour() -> None:
    assert read_hint("12,7,light blue") == Hint(12, 7, read_colour("light blue"))
    for text in ("12,7", "a,7,red", "12;7;red"):
        with pytest.raises(ConfigError, match="is not X,Y,COLOUR"):
            read_hint(text)
