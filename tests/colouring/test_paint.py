"""Colouring line art: nothing bleeds, lines stay, and what goes wrong is said."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.colouring.small_world import LetterEncoder, tiny_painter, two_boxes
from tests.other_content import put_other_content
from unprompt.cli import main
from unprompt.colouring.hints import Hint, read_colour, read_hint
from unprompt.colouring.line_art import NARROW, SLOW, LineArt, measure_borders, read_line_art
from unprompt.colouring.orders import open_drawing, paint_orders, read_orders
from unprompt.colouring.paint_config import CRAYONS, PaintConfig
from unprompt.colouring.painter_files import write_painter
from unprompt.colouring.regions import Regions, find_regions
from unprompt.colouring.small_paint import ColourPainter, Painted
from unprompt.colouring.svg import SVG, clean_svg, draw_svg, outline, painted_svg, size_of
from unprompt.errors import ConfigError, InputError, RunError, UnreadableImageError
from unprompt.pocket.closing import NOTHING

BOX_SVG = (
    f'<svg xmlns="{SVG}" viewBox="0 0 80 80"><rect x="10" y="10" width="40" height="60" fill="none" '
    'stroke="#000" stroke-width="2"/></svg>'
).encode()


@pytest.fixture(scope="module")
def painter() -> ColourPainter:
    return ColourPainter(tiny_painter(), LetterEncoder())


def one_line() -> np.ndarray:
    page = np.full((60, 60), 255, np.uint8)
    page[30, 10:50] = 0
    return page


def paint(painter: ColourPainter, page: np.ndarray, words: str = "a red box", **settings: object) -> Painted:
    return painter.paint(Image.fromarray(page), words, PaintConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [80, 800, 2400])
def test_each_region_has_one_colour_and_lines_stay_at_any_size(painter: ColourPainter, side: int) -> None:
    page = two_boxes(side)
    painted = paint(painter, page)
    pixels = np.asarray(painted.image())
    assert pixels.shape == (side, side, 3)
    assert (pixels[page == 0] == 0).all()
    for region in range(1, painted.regions.count + 1):
        inside = pixels[painted.regions.labels == region]
        assert (inside == inside[0]).all()


def test_grey_of_smooth_lines_lies_over_the_colour(painter: ColourPainter) -> None:
    page = two_boxes()
    page[40, 20] = 200  # a faint spot is no line
    painted = paint(painter, page).with_hint(Hint(20, 30, 0xFF8000))
    assert np.asarray(painted.image())[40, 20].tolist() == [200, 100, 0]


def test_a_hint_colours_its_region_and_leaves_the_rest(painter: ColourPainter) -> None:
    before = paint(painter, two_boxes())
    after = before.with_hint(Hint(60, 50, 0x123456))
    region = before.region_at(60, 50)
    others = np.arange(before.regions.count) != region - 1
    assert after.colours[region - 1] == 0x123456
    assert (after.colours[others] == before.colours[others]).all()
    with pytest.raises(InputError, match="outside the drawing of 80 x 80"):
        before.with_hint(Hint(80, 3, 0))


def test_seeds_vary_only_what_no_word_is_about(painter: ColourPainter) -> None:
    for words in ("a box", "a red box"):
        pages = [paint(painter, two_boxes(), words, seed=seed) for seed in (0, 0, 1, 2, 3, 4, 5)]
        assert (pages[0].colours == pages[1].colours).all()
        asked = pages[0].colours == 0xE50000
        assert asked.any() == (words == "a red box")
        assert all((other.colours[asked] == 0xE50000).all() for other in pages)
        if not asked.any():
            assert any((pages[0].colours != other.colours).any() for other in pages[2:])


def test_a_seed_that_changes_nothing_says_so(painter: ColourPainter) -> None:
    for words in ("a box", "a red box"):
        plain, other = (paint(painter, two_boxes(), words, seed=seed) for seed in (0, 4))
        said = [sentence for sentence in other.told if "changes nothing" in sentence]
        assert bool(said) == (words == "a red box") == (plain.colours == other.colours).all()
        assert not any("changes nothing" in sentence for sentence in plain.told)


def test_crayons_limit_colours(painter: ColourPainter) -> None:
    there = {read_colour(name) for name in CRAYONS["8"].split()}
    painted = paint(painter, two_boxes(), "a teal box", crayons="8").with_hint(Hint(60, 50, NOTHING))
    assert set(painted.colours.tolist()) - {NOTHING} <= there


def test_a_palette_is_taken_from_a_picture(painter: ColourPainter, tmp_path: Path) -> None:
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[:4], colours[4:] = (10, 200, 30), (200, 10, 30)
    Image.fromarray(colours).save(tmp_path / "p.png")
    painted = paint(painter, two_boxes(), palette=tmp_path / "p.png")
    assert set(painted.colours.tolist()) - {NOTHING} <= {0x0AC81E, 0xC80A1E}


def test_transparency_is_kept_and_can_be_asked_for(painter: ColourPainter) -> None:
    page = two_boxes()
    rgba = np.dstack([page, page, page, np.where(page == 0, 255, 0)]).astype(np.uint8)
    painted = painter.paint(Image.fromarray(rgba), "red")
    painted = painted.with_hint(Hint(60, 50, 0xFF0000)).with_hint(Hint(0, 0, NOTHING))
    alpha = np.asarray(painted.image())[..., 3]
    assert alpha[50, 60] == 255
    assert alpha[0, 0] == 0
    opaque = paint(painter, page).with_hint(Hint(0, 0, NOTHING))
    assert opaque.image().mode == "RGB"
    assert np.asarray(opaque.image(transparent=True))[0, 0, 3] == 0


def test_on_white_what_is_transparent_looks_as_what_is_not(painter: ColourPainter) -> None:
    page = two_boxes()
    page[0, :40] = np.arange(40) * 6  # all greys of smooth lines, on the ground
    painted = paint(painter, page).with_hint(Hint(0, 79, NOTHING))
    white = Image.new("RGBA", (80, 80), "white")
    white.alpha_composite(painted.image(transparent=True))
    difference = np.asarray(white.convert("RGB")).astype(int) - np.asarray(painted.image())
    assert abs(difference).max() <= 1


def test_a_hint_is_in_the_pixels_of_the_picture_however_large() -> None:
    art = read_line_art(Image.fromarray(two_boxes(800)), longest=400)
    assert art.page.shape == (400, 400)
    assert "made 400 x 400" in art.told[0]
    regions = find_regions(art.page)
    painted = Painted(art, regions, np.full(regions.count, NOTHING), ()).with_hint(Hint(600, 500, 0x123456))
    assert painted.colours.tolist().count(0x123456) == 1
    assert np.asarray(painted.image())[250, 300].tolist() == [0x12, 0x34, 0x56]
    with pytest.raises(InputError, match="800 x 800"):
        painted.region_at(800, 0)


@pytest.mark.parametrize(
    ("page", "words", "sentence"),
    [
        (np.full((60, 60), 255, np.uint8), "a red cat", "blank"),
        (one_line(), "red", "enclose nothing"),
        (two_boxes(), "", "there are no words"),
        (two_boxes(), "a box", "name no colour"),
    ],
)
def test_what_is_odd_is_said(painter: ColourPainter, page: np.ndarray, words: str, sentence: str) -> None:
    painted = paint(painter, page, words)
    assert any(sentence in told for told in painted.told), painted.told
    assert painted.image().size == page.shape[::-1]


def test_a_colour_that_found_no_place_is_told(painter: ColourPainter) -> None:
    words = "red, green, blue, pink, brown and purple"
    told = " ".join(paint(painter, two_boxes(), words).told)
    assert "found no place" in told


def test_ten_thousand_regions_are_coloured(painter: ColourPainter) -> None:
    cells = np.full((801, 801), 255, np.uint8)
    cells[::8] = cells[:, ::8] = 0
    painted = paint(painter, cells)
    assert painted.regions.count == 10_000
    assert painted.image().size == (801, 801)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 4000)])
def test_odd_shapes_are_coloured(painter: ColourPainter, shape: tuple[int, int]) -> None:
    assert paint(painter, np.full(shape, 255, np.uint8)).image().size == shape[::-1]


# --- line art as it comes


def test_white_on_black_is_turned_round() -> None:
    art = read_line_art(Image.fromarray(255 - two_boxes()))
    assert np.array_equal(art.page, two_boxes())
    assert "white on black" in art.told[0]


def test_a_photograph_of_paper_becomes_black_on_white() -> None:
    page = two_boxes(400).astype(np.float64)
    light = np.linspace(0.45, 0.85, 400)[None]
    photo = (np.where(page == 0, 0.3, 1.0) * light * np.array([255.0])).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 3, photo.shape)
    art = read_line_art(Image.fromarray(np.clip(photo + noise, 0, 255).astype(np.uint8)))
    assert (art.page[page == 0] < 100).mean() > 0.95
    assert (art.page[page == 255] > 200).mean() > 0.97


@pytest.mark.slow
def test_a_photograph_of_the_world_is_not_taken_for_one_of_paper() -> None:
    """Its areas are each as even as paper, and differ from each other in lightness and colour."""
    photo = np.zeros((240, 240, 3), np.uint8)
    for number, colour in enumerate([(90, 140, 210), (190, 60, 50), (120, 130, 60), (210, 190, 150)]):
        row, column = divmod(number, 2)
        photo[120 * row : 120 * row + 120, 120 * column : 120 * column + 120] = colour
    assert "no line art" in " ".join(read_line_art(Image.fromarray(photo)).told)
    lamp = np.linspace(0.4, 0.9, 240)[None, :, None] * np.array([255.0, 235.0, 190.0])
    paper = np.where(two_boxes(240)[..., None] == 0, 0.3, 1.0) * lamp
    assert read_line_art(Image.fromarray(paper.astype(np.uint8))).told == ()


AREAS = [(90, 140, 210), (190, 60, 50), (120, 130, 60), (210, 190, 150)]


def patches(grey: bool, ground: int = 255) -> np.ndarray:
    """Areas of four colours in the middle of a ground."""
    picture = np.full((240, 240, 3), ground, np.uint8)
    for number in range(16):
        row, column = divmod(number, 4)
        picture[40 + 40 * row : 80 + 40 * row, 40 + 40 * column : 80 + 40 * column] = AREAS[
            (row + column) % 4
        ]
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB")) if grey else picture


def is_line_art(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a picture is taken as it is, with the lines of a page stood in for."""
    monkeypatch.setattr("unprompt.colouring.line_art._page_of", lambda rgb: rgb[..., 0])
    return "no line art" not in " ".join(read_line_art(Image.fromarray(picture)).told)


@pytest.mark.parametrize("ground", [255, 225, 20])
@pytest.mark.parametrize("grey", [False, True])
def test_areas_between_black_and_white_are_no_line_art(
    grey: bool, ground: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_line_art(patches(grey, ground), monkeypatch)


def test_a_small_coloured_thing_on_white_is_no_line_art(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((300, 300, 3), 255, np.uint8)
    picture[120:180, 120:180] = (230, 160, 60)
    assert not is_line_art(picture, monkeypatch)


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "coins"])
def test_grey_photographs_are_no_line_art(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    grey = Image.fromarray(getattr(data, name)()).convert("L")
    assert not is_line_art(np.asarray(grey.convert("RGB")), monkeypatch)


@pytest.mark.parametrize("ink", [(0, 0, 0), (150, 150, 150), (30, 60, 200), (200, 40, 40)])
@pytest.mark.parametrize("pen", [1, 6, 14])
def test_lines_of_any_ink_and_pen_are_line_art(
    pen: int, ink: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.full((300, 300, 3), 255, np.uint8)
    for place in range(30, 270, 60):
        picture[20:280, place : place + pen] = picture[place : place + pen, 20:280] = ink
    assert is_line_art(picture, monkeypatch)


def test_black_areas_are_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    page = two_boxes(320)
    page[80:180, 60:160] = 0
    assert is_line_art(page, monkeypatch)


def test_the_edge_of_a_shadow_on_paper_is_no_area(monkeypatch: pytest.MonkeyPatch) -> None:
    light = np.where(np.arange(320) < 120, 0.5, 0.85)[None, :, None] * np.array([255.0, 245.0, 220.0])
    shadowed = np.where(two_boxes(320)[..., None] == 0, 0.3, 1.0) * light
    assert is_line_art(shadowed.astype(np.uint8), monkeypatch)


@pytest.mark.parametrize("table", [(60, 40, 20), (20, 60, 30), (90, 90, 90)])
def test_what_a_sheet_of_paper_lies_on_is_left_out(
    table: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has the sheet's lines where they were, and neither its edge nor the table."""
    sheet = np.where(two_boxes(160)[..., None] == 0, 0.2, 1.0) * np.array([230.0, 225.0, 205.0])
    photo = np.full((280, 320, 3), table, np.uint8)
    photo[60:220, 90:250] = sheet
    assert is_line_art(photo, monkeypatch)
    art = read_line_art(Image.fromarray(photo))
    assert art.told == ("what its sheet of paper lies on was left out",)
    expected = np.full((280, 320), 255)
    expected[60:220, 90:250] = two_boxes(160)
    assert ((art.page < 128) == (expected < 128)).all()


def test_a_border_all_across_is_its_step_in_lightness() -> None:
    picture = np.full((256, 256, 3), 255, np.uint8)
    picture[:, 128:] = 127
    # The mean over seven pixels makes seven steps of it, from each of which goes what light may do.
    steps = np.linspace(255, 127, 8)
    expected = (-np.diff(steps) / steps[1:] - SLOW).sum() / 128
    assert measure_borders(picture, NARROW) == pytest.approx(expected, rel=1e-3)
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2))
    assert measure_borders(turned, NARROW) == pytest.approx(expected, rel=1e-3)
    assert measure_borders(picture, NARROW, black=0.6) == 0
    assert measure_borders(np.full((1, 900, 3), 200, np.uint8), NARROW) == 0


def test_a_dark_picture_gets_the_page_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not of its negative, nor is it told to have been white on black."""
    seen: list[np.ndarray] = []
    monkeypatch.setattr("unprompt.colouring.line_art._page_of", lambda rgb: seen.append(rgb) or rgb[..., 0])
    night = patches(False, 20)
    art = read_line_art(Image.fromarray(night // 2))
    np.testing.assert_array_equal(seen[0], night // 2)
    assert len(art.told) == 1


def test_transparent_is_paper() -> None:
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[5:15, 5] = (0, 0, 0, 255)
    art = read_line_art(Image.fromarray(rgba))
    assert (art.page == 0).sum() == 10
    assert art.alpha is not None


@pytest.mark.slow
def test_a_coloured_picture_gets_the_lines_of_its_page_first() -> None:
    pixels = np.full((160, 160, 3), 255, np.uint8)
    pixels[30:130, 30:130] = (220, 60, 40)
    art = read_line_art(Image.fromarray(pixels))
    assert "no line art" in art.told[0]
    assert 0 < (art.page < 128).mean() < 0.2
    assert (art.page[60:100, 60:100] > 200).all()


# --- SVG


def test_an_svg_is_drawn_in_its_own_proportions() -> None:
    image = draw_svg(f'<svg xmlns="{SVG}" viewBox="0 0 40 20"/>'.encode(), 200)
    assert image.size == (200, 100)
    assert size_of(b'<svg width="30px" height="60px"/>') == (30, 60)
    assert size_of(b'<svg viewBox="0 0 0 0"/>') == (100, 100)


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>',
        '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>'.encode("utf-16"),
        b"<html/>",
        b"no xml",
        b"",
        b"\xff\xfe<svg",
    ],
)
def test_what_is_no_svg_or_defines_entities_is_refused(hostile: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        clean_svg(hostile)


def test_scripts_links_and_files_are_left_out() -> None:
    hostile = (
        f'<svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" onload="x()">'
        '<script>x()</script><image href="file:///etc/passwd"/><a xlink:href="http://a.b/">'
        '<path d="M0,0"/></a>'
        '<use href="other.svg#a"/><use href="#own"/><rect fill="url(http://a.b/c)"/>'
        "<style>@import 'http://a.b/c';</style></svg>"
    ).encode()
    cleaned = clean_svg(hostile).decode()
    for gone in ("script", "passwd", "a.b", "onload", "other.svg"):
        assert gone not in cleaned
    assert "#own" in cleaned
    assert "<path" in cleaned or ":path" in cleaned


@pytest.mark.parametrize("depth", [300, 10_000, 1_000_000])
def test_an_svg_nested_too_deep_is_refused(depth: int) -> None:
    deep = f'<svg xmlns="{SVG}">' + "<g>" * depth + "</g>" * depth + "</svg>"
    with pytest.raises(UnreadableImageError, match="nested"):
        clean_svg(deep.encode())


def test_outlines_enclose_what_they_are_of() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:30, 10:35] = True
    mask[12:20, 15:25] = False
    svg = (
        f'<svg xmlns="{SVG}" viewBox="0 0 40 40"><path fill-rule="evenodd" d="{outline(mask)}"/></svg>'
    ).encode()
    drawn = np.asarray(draw_svg(svg, 40))[..., 3] > 128
    assert (drawn == mask).mean() > 0.98


def test_an_svg_comes_back_with_its_lines_and_shapes_below(painter: ColourPainter) -> None:
    painted = painter.paint(draw_svg(BOX_SVG, 240), "red").with_hint(Hint(90, 120, 0x00FF00))
    svg = painted_svg(painted, BOX_SVG)
    assert svg.index('id="colour"') < svg.index('id="line"')
    assert 'stroke="#000"' in svg
    drawn = np.asarray(draw_svg(svg.encode(), 240).convert("RGB"))
    assert drawn[120, 90].tolist() == [0, 255, 0]
    assert (drawn[120, 28:32].mean(1) < 140).any()  # the left wall
    traced = painted_svg(painted)
    assert np.asarray(draw_svg(traced.encode(), 240).convert("RGB"))[120, 90].tolist() == [0, 255, 0]


def test_an_svg_keeps_the_style_that_its_shapes_inherit() -> None:
    style = "fill: none; stroke: #000; width: 9px;"
    drawing = f'<svg xmlns="{SVG}" viewBox="0 0 40 40" style="{style}"><path d="M10 10H30V30H10Z"/></svg>'
    page = LineArt(np.full((40, 40), 255, np.uint8), None, (40, 40))
    painted = Painted(page, Regions(np.ones((40, 40), np.int32)), np.array([0xFF0000]), ())
    drawn = np.asarray(draw_svg(painted_svg(painted, drawing.encode()).encode(), 40).convert("RGB"))
    assert drawn[20, 20].tolist() == [255, 0, 0]
    assert drawn[20, 9:11].mean(0)[0] < 200  # the left wall


# --- many at once


def write_orders(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows([("image", "words", "out"), *rows])
    return path


def test_orders_are_painted_and_what_cannot_be_read_is_listed(painter: ColourPainter, tmp_path: Path) -> None:
    Image.fromarray(two_boxes()).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    (tmp_path / "c.svg").write_bytes(BOX_SVG)
    table = write_orders(
        tmp_path / "orders.csv",
        [("a.png", "a red box", "1.png"), ("b.png", "x", "2.png"), ("c.svg", "blue, please", "3.svg")],
    )
    done = paint_orders(read_orders(table), tmp_path / "out", lambda: painter)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "1.png",
        "3.svg",
        "coloured.json",
        "problems.csv",
    ]
    assert len(done.problems) == 1
    single, _ = open_drawing(tmp_path / "a.png")
    alone = painter.paint(single, "a red box")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/1.png")), np.asarray(alone.image()))
    with pytest.raises(RunError):
        paint_orders(read_orders(table), tmp_path / "out", lambda: painter)


def test_orders_go_on_where_they_stopped(tmp_path: Path, painter: ColourPainter) -> None:
    for name in "abc":
        Image.fromarray(two_boxes()).save(tmp_path / f"{name}.png")
    orders = read_orders(
        write_orders(tmp_path / "o.csv", [(f"{name}.png", "a red box", f"{name}.png") for name in "abc"])
    )
    seen: list[int] = []

    def stop(step: str, done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint_orders(orders, tmp_path / "out", lambda: painter, progress=stop)
    put_other_content(tmp_path / "a.png")
    with pytest.raises(RunError, match=r"out was begun with other images: \S+a.png has changed since"):
        paint_orders(orders, tmp_path / "out", lambda: painter)
    put_other_content(tmp_path / "a.png")  # back
    (tmp_path / "out/a.png").write_bytes(b"kept as it is")
    done = paint_orders(orders, tmp_path / "out", lambda: painter)
    assert done.resumed
    assert (tmp_path / "out/a.png").read_bytes() == b"kept as it is"
    assert (tmp_path / "out/c.png").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a.png", "x", "../b.png")], "no plain file name"),
        ([("a.png", "x", "b.jpg")], "end in .png or .svg"),
        ([("a.png", "x", "b.png"), ("a.png", "y", "B.png")], "line 3: out 'B.png' comes twice"),
        ([("a.png", "x", "b")], "end in .png"),
    ],
)
def test_orders_that_cannot_be_files_are_refused(tmp_path: Path, rows: list, message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        read_orders(write_orders(tmp_path / "o.csv", rows))


# --- as it is typed


def test_hints_are_read_as_typed() -> None:
    assert read_hint("12,34,navy") == Hint(12, 34, 0x01153E)
    assert read_hint("0,0,paper").rgb == NOTHING
    for wrong in ("12,34", "a,b,red", "1,2,nocolour", "1,2,red cat"):
        with pytest.raises(ConfigError):
            read_hint(wrong)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "painter.safetensors"
    write_painter(path, tiny_painter())
    return path


def test_the_command_paints_variants_and_tells(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(two_boxes()).save(tmp_path / "a.png")
    main(
        f"colour paint {tmp_path}/a.png box --out {tmp_path}/o.png --weights {weights} --variants 2 "
        "--hint 60,50,#102030 --json".split()
    )
    told = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in told["files"]] == ["o.png", "o-2.png"]
    assert "name no colour" in told["told"][0]
    assert np.asarray(Image.open(tmp_path / "o.png"))[50, 60].tolist() == [0x10, 0x20, 0x30]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png"], "say what is in which colour"),
        ([], "name one drawing"),
        (["a.png", "red", "--csv", "o.csv"], "name one drawing"),
        (["a.png", "red", "--engine", "instruct"], "needs --model"),
        (["a.png", "red", "--guidance", "3"], "--guidance belongs to --engine instruct"),
        (["a.png", "red", "--variants", "0"], "--variants must be at least 1, got 0"),
        (["a.png", "red", "--model", "x"], "--model belongs to --engine instruct"),
    ],
)
def test_the_command_says_what_does_not_go_together(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["colour", "paint", *arguments, "--out", str(tmp_path / "o.png")])
    assert message in capsys.readouterr().err


def test_the_command_goes_on_with_a_table_and_replaces_a_folder(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        Image.fromarray(two_boxes()).save(tmp_path / f"{name}.png")
    table = write_orders(tmp_path / "o.csv", [(f"{name}.png", "red", f"{name}.png") for name in "ab"])
    out = tmp_path / "out"
    command = f"colour paint --csv {table} --out {out} --weights {weights}".split()
    paint = ColourPainter.paint

    def interrupted(self: ColourPainter, *arguments: Any) -> Painted:
        if (out / "a.png").exists():
            raise KeyboardInterrupt
        return paint(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ColourPainter, "paint", interrupted)
        assert main(command) == 130
    assert not (out / "b.png").exists()
    (out / "a.png").write_bytes(b"kept as it is")
    assert main(command) == 0
    assert (out / "a.png").read_bytes() == b"kept as it is"
    assert main(command) == 1
    assert "add --overwrite to replace it" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert Image.open(out / "a.png").size == (80, 80)


def test_a_folder_in_place_of_a_picture_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "made.png").mkdir()
    assert main(["colour", "paint", "a.png", "red", "--out", str(tmp_path / "made.png")])
    assert "is a folder; name a file in it" in capsys.readouterr().err


def test_crayons_and_a_palette_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        PaintConfig(crayons="8", palette=tmp_path / "p.png")


def test_an_output_of_another_kind_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["colour", "paint", "a.png", "red", "--out", str(tmp_path / "o.jpg")])
    assert "has to end in .png or .svg" in capsys.readouterr().err
