"""SVG in and out: geometry against hand-worked numbers and another renderer; hostile files refused."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unprompt.doodles import svg_paths
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.svg import drawing_of_svg, read_svg_drawing, svg_of
from unprompt.doodles.svg_paths import path_curves
from unprompt.errors import InputError

NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def read(body: str, more: str = "") -> Drawing:
    return drawing_of_svg(f'<svg {NAMES} {more}><g fill="none" stroke="black">{body}</g></svg>'.encode())


def numbers(drawing: Drawing) -> list[list[list[float]]]:
    return [np.round(stroke, 3).tolist() for stroke in drawing.strokes]


def render(svg: str, size: int) -> np.ndarray:
    resvg = pytest.importorskip("resvg_py", reason="resvg-py is not installed")
    png = resvg.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as image:
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image.convert("RGBA"))
        return np.asarray(over.convert("L"))


@pytest.mark.parametrize(
    ("data", "strokes"),
    [
        ("M1 2L3 4", [[[1, 2], [3, 4]]]),
        ("m1,2 3,4 5,6", [[[1, 2], [4, 6], [9, 12]]]),  # further points of a move are lines
        ("M0 0H5V7h-2v-1", [[[0, 0], [5, 0], [5, 7], [3, 7], [3, 6]]]),
        ("M0 0L4 0L4 4z", [[[0, 0], [4, 0], [4, 4], [0, 0]]]),
        ("M0 0h1zm2 2h1", [[[0, 0], [1, 0], [0, 0]], [[2, 2], [3, 2]]]),
        ("M0 0h1z h5", [[[0, 0], [1, 0], [0, 0]], [[0, 0], [5, 0]]]),  # the pen is at the start again
        ("M.5.5-1-1", [[[0.5, 0.5], [-1, -1]]]),  # numbers without white space
        ("M1e1 0L2E1-5", [[[10, 0], [20, -5]]]),
        ("M5 5h0", [[[5, 5]]]),  # a dot
        ("M1 1M2 2L3 3", [[[2, 2], [3, 3]]]),  # a move alone is nothing
        ("", []),
    ],
)
def test_straight_paths(data: str, strokes: list[list[list[float]]]) -> None:
    assert numbers(read(f'<path d="{data}"/>')) == strokes


@pytest.mark.parametrize(
    ("body", "strokes"),
    [
        ('<line x1="1" y1="2" x2="3" y2="4"/>', [[[1, 2], [3, 4]]]),
        ('<polyline points="0,0 1,1 2 0"/>', [[[0, 0], [1, 1], [2, 0]]]),
        ('<polygon points="0,0 1,1 2 0"/>', [[[0, 0], [1, 1], [2, 0], [0, 0]]]),
        ('<rect x="1" y="1" width="2" height="3"/>', [[[1, 1], [3, 1], [3, 4], [1, 4], [1, 1]]]),
        ('<rect width="0" height="3"/>', []),
        ('<circle r="-1"/>', []),
        ('<line x2="1in" y2="12pt"/>', [[[0, 0], [96, 16]]]),
        ('<g display="none"><line x2="1"/></g>', []),
        ('<line x2="1" style="visibility: hidden"/>', []),
        ('<line x2="1" stroke="none"/><line x2="2"/>', [[[0, 0], [2, 0]]]),
        ('<defs><line id="a" x2="1"/></defs><use xlink:href="#a" x="5" y="6"/>', [[[5, 6], [6, 6]]]),
        ('<symbol id="s"><line x2="1"/></symbol><use href="#s" transform="scale(2)"/>', [[[0, 0], [2, 0]]]),
        (
            '<symbol id="s" viewBox="5 0 10 10"><line x1="5" x2="15"/></symbol>'
            '<use href="#s" x="50" y="20" width="40" height="40"/>',
            [[[50, 20], [90, 20]]],
        ),
        (
            '<svg id="s" width="10" height="10" viewBox="0 0 10 10"><line x2="1"/></svg>'
            '<use href="#s" width="20" height="20"/>',
            [[[0, 0], [1, 0]], [[0, 0], [2, 0]]],
        ),
        ('<use href="other.svg#a"/><use href="#nobody"/><line x2="1"/>', [[[0, 0], [1, 0]]]),
        ('<svg x="10" width="20" height="20" viewBox="0 0 10 10"><line x2="1"/></svg>', [[[10, 0], [12, 0]]]),
    ],
)
def test_shapes(body: str, strokes: list[list[list[float]]]) -> None:
    assert numbers(read(body)) == strokes


@pytest.mark.parametrize(
    ("transform", "point"),
    [
        ("translate(3)", (4, 2)),
        ("translate(3, 4)", (4, 6)),
        ("scale(2)", (2, 4)),
        ("scale(2 3)", (2, 6)),
        ("rotate(90)", (-2, 1)),
        ("rotate(180, 1, 1)", (1, 0)),
        ("skewX(45)", (3, 2)),
        ("skewY(45)", (1, 3)),
        ("matrix(1 2 3 4 5 6)", (12, 16)),
        ("translate(10) scale(2)", (12, 4)),  # the last is applied first
        ("scale(2), translate(10)", (22, 4)),
    ],
)
def test_transforms(transform: str, point: tuple[float, float]) -> None:
    (stroke,) = read(f'<path transform="{transform}" d="M1 2h0"/>').strokes
    assert stroke[0] == pytest.approx(point)


def test_a_circle_is_round() -> None:
    (stroke,) = read('<circle cx="5" cy="6" r="100"/>').strokes
    assert np.hypot(*(stroke - (5, 6)).T) == pytest.approx(100, abs=0.1)
    assert np.array_equal(stroke[0], stroke[-1])


def test_an_arc_is_round_and_flags_need_no_space() -> None:
    (stroke,) = read('<path d="M0 0a50 50 0 01100 0"/>').strokes
    assert np.hypot(*(stroke - (50, 0)).T) == pytest.approx(50, abs=0.05)
    assert stroke[:, 1].min() == pytest.approx(-50, abs=0.05)  # the sweep goes over the top
    assert stroke[-1].tolist() == [100, 0]
    # Of radii that are too small the circle grows until it reaches.
    (stroke,) = read('<path d="M0 0A1 1 0 0 0 100 0"/>').strokes
    assert stroke[:, 1].max() == pytest.approx(50, abs=0.05)


@pytest.mark.parametrize(
    "data",
    [
        "M20 80C20 20 80 20 80 80S140 140 140 80",
        "M20 80Q50 10 80 80T140 80t40 -20",
        "M30 100A60 30 30 1 1 150 100A60 30 30 0 0 30 100z",
        "m40 60c10-40 60-40 80 0s-30 60-60 20l-20 30h50v-20",
        "M60 60a40 20 0 0 1 60 50a25 45 70 1 0-60-50",
    ],
)
def test_curves_lie_where_a_renderer_draws_them(data: str) -> None:
    pen = 'fill="none" stroke="black" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"'
    body = f'<path d="{data}" {pen}/>'
    svg = f'<svg {NAMES} viewBox="0 0 200 200" width="200" height="200">{body}</svg>'
    theirs = render(svg, 200)
    ours = 255 * (1 - ink(drawing_of_svg(svg.encode()), 200, 200, 6.0))
    assert np.abs(theirs - ours).mean() < 1.5
    assert (np.abs(theirs - ours) > 128).sum() < 12


def test_filled_outlines_are_traced_and_white_is_paper() -> None:
    pytest.importorskip("resvg_py", reason="resvg-py is not installed")
    bar = '<rect width="400" height="400" fill="#fff"/><rect x="50" y="190" width="300" height="20"/>'
    drawing = drawing_of_svg(f'<svg {NAMES} viewBox="0 0 400 400">{bar}</svg>'.encode())
    (stroke,) = drawing.strokes
    assert np.abs(stroke[:, 1] - 200).max() < 3
    low, high = drawing.bounds
    assert high[0] - low[0] == pytest.approx(290, abs=15)


def test_a_style_sheet_that_says_strokes_is_drawn() -> None:
    pytest.importorskip("resvg_py", reason="resvg-py is not installed")
    body = '<style>.a{fill:none;stroke:#000;stroke-width:8}</style><path class="a" d="M50 50L350 300"/>'
    (stroke,) = drawing_of_svg(f'<svg {NAMES} viewBox="0 0 400 400">{body}</svg>'.encode()).strokes
    assert sorted(map(tuple, stroke[[0, -1]].round(-1).tolist())) == [(50, 50), (350, 300)]


# --- writing

coordinates = st.floats(-500, 500).map(lambda value: round(value, 3))
points = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(st.lists(points, min_size=1, max_size=5), st.floats(0.5, 30))
def test_what_is_written_is_read_again(strokes: list[list[tuple[float, float]]], pen: float) -> None:
    drawing = Drawing(tuple(strokes))
    read_again = drawing_of_svg(svg_of(drawing, pen).encode())
    assert len(read_again.strokes) == len(drawing.strokes)
    for stroke, again in zip(drawing.strokes, read_again.strokes, strict=True):
        moved = np.concatenate([[True], (np.diff(stroke, axis=0) != 0).any(1)])  # a pen that stood still
        assert again == pytest.approx(stroke[moved], abs=1e-6)


def test_it_looks_as_the_strokes_do() -> None:
    drawing = Drawing(([[30, 30], [170, 60]], [[60, 120], [60, 170], [120, 150]], [[150, 150]]))
    theirs = render(svg_of(drawing, 8, (200, 200)), 200)
    assert np.abs(theirs - 255 * (1 - ink(drawing, 200, 200, 8))).mean() < 0.5


def test_an_empty_drawing_is_an_empty_file() -> None:
    assert drawing_of_svg(svg_of(Drawing(())).encode()).strokes == ()


# --- hostile and damaged files

LAUGHS = (
    '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "head",
    [
        LAUGHS,
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE svg [<!ENTITY % a SYSTEM "http://127.0.0.1/a.dtd"> %a;]>',
    ],
)
def test_entities_are_refused(head: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{head}<svg {NAMES}><line x2="1" stroke="red"/></svg>'
    with pytest.raises(InputError, match="entities"):
        drawing_of_svg(text.encode(encoding))


def test_scripts_pictures_and_other_files_are_passed_over() -> None:
    body = (
        "<script>while(1);</script><script href='http://127.0.0.1/x.js'/>"
        "<image href='file:///etc/passwd' width='9' height='9'/><foreignObject><line x2='9'/></foreignObject>"
        "<use href='http://127.0.0.1/x.svg#a'/><use href='file:///etc/passwd#a'/>"
        "<line onload='x()' x2='1'/>"
    )
    assert numbers(read(body)) == [[[0, 0], [1, 0]]]


def test_a_document_type_alone_is_no_harm() -> None:
    head = (
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    )
    assert drawing_of_svg(f'{head}<svg {NAMES}><line x2="1" stroke="red"/></svg>'.encode()).strokes


def test_use_that_multiplies_is_refused() -> None:
    levels = "".join(
        f'<g id="g{n}">' + f'<use href="#g{n - 1}"/>' * 10 + "</g>" if n else '<g id="g0"><line x2="1"/></g>'
        for n in range(7)
    )
    with pytest.raises(InputError, match="draws more than"):
        read(f"<defs>{levels}</defs><use href='#g6'/>")
    with pytest.raises(InputError, match="within each other"):
        read('<g id="a"><use href="#a"/></g>')


def test_depth_elements_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nested more than"):
        read("<g>" * 5000 + "</g>" * 5000)
    deep = "<g>" * 190 + '<line x2="1"/>' + "</g>" * 190
    assert len(read(deep).strokes) == 1
    with pytest.raises(InputError, match="elements"):
        read("<g/>" * 100_001)
    with pytest.raises(InputError, match="bytes"):
        drawing_of_svg(b" " * (8 * 2**20 + 1))
    monkeypatch.setattr(svg_paths, "MOST_SEGMENTS", 2000)
    assert read('<polyline points="' + "0 0 1 1 " * 1000 + '"/>').strokes
    with pytest.raises(InputError, match="segments"):
        read('<polyline points="' + "0 0 1 1 " * 1001 + '"/>')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<path d="L1 1"/>', "begins with 'L'"),
        ('<path d="M1 1L2"/>', "too few numbers after 'L'"),
        ('<path d="M1 1 what"/>', "cannot be read from character 5"),
        ('<path d="M0 0A1 1 0 2 0 5 5"/>', "too few numbers after 'A'"),
        ('<path d="M0 0L1e9 0"/>', "beyond 10,000,000"),
        ('<path d="M0 0L1e999 0"/>', "beyond 10,000,000"),
        ('<circle r="wide"/>', 'r="wide" is no length'),
        ('<g transform="turn(1)"/>', 'transform="turn'),
        ('<g transform="scale(a)"/>', 'transform="scale'),
        ('<g transform="matrix(1)"/>', 'transform="matrix'),
    ],
)
def test_wrong_geometry_is_told(body: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read(body)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        f'<circle r="{"1" * 200_000}!"/>',
        f'<line stroke-width="{"0" * 200_000}!" x2="9"/>',
        f'<g transform="{"a" * 200_000}"><line x2="9"/></g>',
    ],
)
def test_long_attributes_take_no_time(body: str) -> None:
    with suppress(InputError):
        read(body)


@pytest.mark.parametrize(
    "content", [b"", b"<html/>", b"<svg", b"\x89PNG\r\n", b"\xff\xfe<\x00", b"<a>&b;</a>"]
)
def test_what_is_no_svg_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.svg: this is no SVG"):
        read_svg_drawing(path)


def test_a_path_keeps_its_segments() -> None:
    (curve,) = path_curves("M0 0L3 0L3 3")
    assert curve.tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3]]
