from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("resvg_py")
pytest.importorskip("skimage")

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.lettering import letter
from unprompt.colouring_pages.paper import frame_of, lay_out, make_booklet
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.colouring_pages.sheet import Box, Ink, Picture, Sheet
from unprompt.errors import ConfigError, InputError

DPI = 100  # of most renders here, as a page at 300 takes a second
MM = DPI / 25.4  # pixels
NEAR = 1 / MM  # mm: an edge may ink the pixel it ends in, as resvg measures pixels by quarters


def lines(*points: tuple[float, float]) -> np.ndarray:
    """Straight lines from point to point as one curve."""
    parts = [np.linspace(a, b, 4)[1:] for a, b in pairwise(points)]
    return np.concatenate([np.array(points[:1]), *parts]).astype(np.float32)


def rectangle(width: float, height: float, border: float = 0.0) -> LineDrawing:
    x, y = border + width, border + height
    curve = lines((border, border), (x, border), (x, y), (border, y), (border, border))
    return LineDrawing((width + 2 * border, height + 2 * border), (curve,))


def one(drawing: LineDrawing, **settings: object) -> Sheet:
    (sheet,) = lay_out([drawing], PaperConfig(**settings))  # type: ignore[arg-type]
    return sheet


def ink_box(image: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that is not white, in mm of a picture at DPI."""
    dark = np.argwhere(np.asarray(image.convert("L")) < 250)
    (top, left), (bottom, right) = dark.min(0), dark.max(0) + 1
    return left / MM, top / MM, right / MM, bottom / MM


@pytest.mark.parametrize(
    ("paper", "orientation", "pixels"),
    [
        ("a4", "portrait", (2480, 3508)),
        ("a4", "landscape", (3508, 2480)),
        ("letter", "portrait", (2550, 3300)),
    ],
)
def test_a_sheet_has_the_pixels_of_its_paper(paper: str, orientation: str, pixels: tuple[int, int]) -> None:
    image = one(rectangle(10, 10), paper=paper, orientation=orientation).render(300)
    assert (image.size, image.mode) == (pixels, "1")


@pytest.mark.parametrize(("width", "unit"), [(0.5, 1), (0.8, 40), (2.0, 1)])
def test_lines_are_as_many_millimetres_wide_as_asked_for(width: float, unit: float) -> None:
    sheet = one(rectangle(30 * unit, 40 * unit), line_width=width)
    page = np.asarray(sheet.render(300, smooth=True), float)
    ink = 1 - page[len(page) // 2] / 255
    pixel = 25.4 / 300
    assert ink.sum() / 2 * pixel == pytest.approx(width, abs=0.3 * pixel)  # two upright lines
    assert (ink > 0.5).sum() / 2 * pixel == pytest.approx(width, abs=pixel)
    assert f'stroke-width="{width:g}"' in sheet.svg()


@pytest.mark.parametrize("width", [0.3, 3.0])
def test_a_drawing_is_as_large_as_fits_and_in_the_middle(width: float) -> None:
    image = one(rectangle(40, 30, border=7), margin=12, line_width=width, orientation="portrait").render(DPI)
    left, top, right, bottom = ink_box(image)
    assert (left, right) == (pytest.approx(12, abs=NEAR), pytest.approx(198, abs=NEAR))
    assert top == pytest.approx(297 - bottom, abs=2 * NEAR)
    whole = one(rectangle(40, 30, border=7), margin=12, trim=False, orientation="portrait").render(DPI)
    assert ink_box(whole)[0] == pytest.approx(12 + 7 / 54 * 186, abs=0.5)


points = st.tuples(st.floats(-200, 300), st.floats(-200, 300))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(points, min_size=4, max_size=4), min_size=1, max_size=4), st.booleans())
def test_the_frame_is_what_curves_reach(segments: list[list[tuple[float, float]]], trim: bool) -> None:
    drawing = LineDrawing((100, 80), tuple(np.array(segment) for segment in segments))
    t = np.linspace(0, 1, 400)[:, None, None]
    p0, p1, p2, p3 = np.moveaxis(np.stack(drawing.curves).astype(float), 1, 0)[:, None]
    seen = (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3
    low, high = seen.min((0, 1)), seen.max((0, 1))
    if not trim:
        low, high = np.minimum(low, 0), np.maximum(high, drawing.size)
    frame = frame_of(drawing, trim)
    if (high - low).min() > 0.01 * (high - low).max():
        np.testing.assert_allclose((frame.x, frame.y, frame.right, frame.bottom), (*low, *high), atol=0.05)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.lists(points, min_size=4, max_size=4), min_size=1, max_size=3),
    st.floats(5, 30),
    st.floats(0.2, 4),
    st.booleans(),
    st.integers(1, 3),
)
def test_nothing_is_outside_the_margins(
    segments: list[list[tuple[float, float]]], margin: float, width: float, trim: bool, count: int
) -> None:
    drawing = LineDrawing((100, 80), tuple(np.array(segment) for segment in segments))
    config = PaperConfig(
        margin=margin,
        line_width=width,
        trim=trim,
        on_page=count,
        title="Things to colour by a very long name that would not fit if it were not made smaller",
        name_line=True,
        page_numbers=True,
        original="colour",
    )
    (sheet,) = lay_out([drawing] * count, config, [Image.new("RGB", (30, 20), "red")] * count)
    left, top, right, bottom = ink_box(sheet.render(DPI))
    assert min(left, top) >= margin - NEAR
    assert right <= sheet.size[0] - margin + NEAR
    assert bottom <= sheet.size[1] - margin + NEAR


def test_sheets_are_held_so_that_the_drawing_is_larger() -> None:
    assert one(rectangle(50, 20)).size == (297, 210)
    assert one(rectangle(20, 50)).size == (210, 297)
    assert one(rectangle(50, 20), orientation="portrait").size == (210, 297)
    assert one(rectangle(30, 30)).size == (210, 297)


@pytest.mark.parametrize("shape", [(10, 10), (30, 10), (10, 25), (14, 10)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_no_other_grid_prints_larger(shape: tuple[float, float], count: int) -> None:
    (sheet,) = lay_out([rectangle(*shape)] * count, PaperConfig(on_page=count, line_width=0.01))
    found = []
    for ink in sheet.ink:
        x, y = np.array(re.findall(r"[\d.]+", ink.path), float).reshape(-1, 2).T
        found.append(Box(x.min(), y.min(), np.ptp(x), np.ptp(y)))
    assert len(found) == count
    assert not any(a.touches(b) for index, a in enumerate(found) for b in found[:index])
    best = max(
        min(
            ((width - 20) - 6 * (columns - 1)) / columns / shape[0],
            ((height - 20) - 6 * (rows - 1)) / rows / shape[1],
        )
        for width, height in ((210, 297), (297, 210))
        for rows in range(1, count + 1)
        for columns in range(1, count + 1)
        if rows * columns >= count
    )
    assert min(box.width for box in found) / shape[0] == pytest.approx(best, rel=0.002)


def test_every_drawing_is_printed_in_order_and_the_last_sheet_has_the_rest() -> None:
    drawings = [rectangle(10 + index, 10) for index in range(5)]
    sheets = list(lay_out(drawings, PaperConfig(on_page=2)))
    assert [len(sheet.ink) for sheet in sheets] == [2, 2, 1]
    shapes = []
    for ink in (ink for sheet in sheets for ink in sheet.ink):
        x, y = np.array(re.findall(r"[\d.]+", ink.path), float).reshape(-1, 2).T
        shapes.append(np.ptp(x) / np.ptp(y) * 10)
    np.testing.assert_allclose(shapes, [10, 11, 12, 13, 14], rtol=0.001)


@pytest.mark.parametrize("shape", [(10, 10), (10, 40), (40, 10)])
@pytest.mark.parametrize("titled", [True, False])
def test_the_original_stands_in_the_corner_clear_of_all_ink(shape: tuple[float, float], titled: bool) -> None:
    config = PaperConfig(original="colour", title="A title" * titled, name_line=titled, original_size=30)
    (sheet,) = lay_out([rectangle(*shape)], config, [Image.new("RGB", (600, 300), (200, 30, 30))])
    (picture,) = sheet.pictures
    assert (picture.box.right, picture.box.y) == pytest.approx((sheet.size[0] - 10, 10))
    assert picture.box[2:] == pytest.approx((30, 15))
    page = np.asarray(sheet.render(DPI))
    x, y, right, bottom = (
        round(edge * MM) for edge in (*picture.box[:2], picture.box.right, picture.box.bottom)
    )
    assert (page[y:bottom, x:right] == (200, 30, 30)).all()
    page = page.copy()
    page[y:bottom, x:right] = 255
    assert set(np.unique(page)) == {0, 255}  # the line art stays black and white
    ink = np.asarray(sheet.render_ink(DPI))
    assert ink[max(0, y - 20) : bottom + 20, x - 20 : right + 20].all()


def test_a_grey_original_is_grey_and_one_with_alpha_on_white() -> None:
    picture = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 50, 25))
    (sheet,) = lay_out([rectangle(10, 10)], PaperConfig(original="grey"), [picture])
    small = sheet.pictures[0].image
    assert small.mode == "L"
    assert (small.getpixel((10, 5)), small.getpixel((10, 45))) == (76, 255)


def test_originals_must_be_there_when_they_are_to_be_printed() -> None:
    with pytest.raises(InputError, match="got 2 drawings and 1 original picture"):
        list(lay_out([rectangle(1, 1)] * 2, PaperConfig(original="grey"), [Image.new("L", (5, 5))]))


def test_no_lines_are_a_white_sheet() -> None:
    assert np.asarray(one(LineDrawing((30, 20), ())).render(72)).all()
    dot = LineDrawing((30, 20), (np.full((4, 2), 7.0),))
    assert np.asarray(one(dot).render_ink(72)).mean() > 0.99


def test_the_name_line_is_long_enough_to_write_on() -> None:
    page = ~np.asarray(one(LineDrawing((1, 1), ()), name_line=True).render(DPI))
    assert page.sum(1).max() / MM == pytest.approx(90, abs=1)


@pytest.mark.parametrize("text", ["Name:", "Fox & Hen 12!", "jgQ@"])
def test_texts_look_as_pillow_writes_them(text: str) -> None:
    size = 160
    font = ImageFont.load_default(size)
    expected = Image.new("L", (1000, 200), 255)
    ImageDraw.Draw(expected).text((20, 120), text, fill=0, font=font, anchor="ls")
    ink = Ink(letter(text).path(20, 120, size))
    found = Sheet((1000, 200), (ink,)).render(25.4, smooth=True)  # a pixel a mm
    dark = 255 - np.asarray(expected, int)
    assert np.abs(np.asarray(found, int) - np.asarray(expected, int)).sum() < 0.03 * dark.sum()


def test_letters_that_the_font_has_not_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no '日本' for the text '日本'"):
        one(rectangle(1, 1), title="日本")
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(ConfigError, match=r"no\.ttf cannot be read as a font"):
        one(rectangle(1, 1), title="A", font=tmp_path / "no.ttf")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"paper": "a9"}, "paper must be one of a4, letter"),
        ({"line_width": 0}, "line_width must be above 0"),
        ({"dpi": 5000}, "dpi must be at least 72 and at most 600"),
        ({"title": "two\nlines"}, "title must be one line"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PaperConfig(**settings)  # type: ignore[arg-type]


def test_least_and_most_number_are_checked_together() -> None:
    with pytest.raises(ConfigError, match=r"most_number must be at least least_number \(5\), got 4"):
        NumbersConfig(least_number=5, most_number=4)


def test_a_booklet_has_a_title_page_and_numbered_sheets() -> None:
    drawings = [rectangle(10 + index, 10) for index in range(20)]
    config = PaperConfig(title="My book", name_line=True)
    cover, *inner = make_booklet(drawings, config)
    assert len(cover.ink) == 1 + 2 + 12  # title, name and its line, as many drawings as stay large enough
    assert len(inner) == 20
    plain = list(lay_out(drawings, replace(config, title="", name_line=False)))
    assert [len(sheet.ink) for sheet in inner] == [len(sheet.ink) + 1 for sheet in plain]
    assert inner[0].ink[0] != inner[1].ink[0]  # the numbers differ
    assert inner[-1].size == cover.size == (297, 210)  # as most are


def test_a_booklet_of_upright_sheets_has_an_upright_title_page() -> None:
    assert {sheet.size for sheet in make_booklet([rectangle(10, 20)] * 3, PaperConfig())} == {(210, 297)}


def test_png_says_how_large_it_is_printed() -> None:
    with Image.open(io.BytesIO(one(rectangle(1, 1)).png(200))) as image:
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.01)
        assert image.size == (1654, 2339)


def test_svg_is_in_millimetres_and_whole() -> None:
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8))
    (sheet,) = lay_out([rectangle(3, 4)], PaperConfig(title="A <b> & c", original="colour"), [photograph])
    sheet = replace(
        sheet, pictures=(*sheet.pictures, Picture(Image.new("RGB", (1, 1), "#102030"), Box(1, 1, 5, 5)))
    )
    root = ElementTree.fromstring(sheet.svg())
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("210mm", "297mm", "0 0 210 297")
    names = [child.tag.partition("}")[2] for child in root]
    assert names == ["rect", "image", "rect", "path", "path"]
    assert root[2].get("fill") == "#102030"
    assert float(root[-1].get("stroke-width", "0")) == 0.8
