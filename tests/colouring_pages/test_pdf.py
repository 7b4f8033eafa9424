from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("resvg_py")
pytest.importorskip("skimage")

from unprompt import __version__
from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.paper import lay_out, make_booklet
from unprompt.colouring_pages.paper_config import PaperConfig
from unprompt.colouring_pages.pdf import pdf_bytes, write_pdf
from unprompt.colouring_pages.sheet import Box, Ink, Picture, Sheet
from unprompt.errors import InputError

SHEET = Sheet((210, 297), (Ink("M30 40L180 250", 0.8), Ink("M50 50h20v20h-20Z")))
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)).resize((300, 400))


def objects(content: bytes) -> dict[int, tuple[str, bytes]]:
    """Each object's dictionary and stream, found by the file's own table of where they begin."""
    start = int(re.search(rb"startxref\n(\d+)", content)[1])  # type: ignore[index]
    head = re.match(rb"xref\n0 (\d+)\n", content[start:])
    assert head is not None
    table = content[start + head.end() :]
    found = {}
    for number in range(1, int(head[1])):
        row = table[20 * number : 20 * number + 20]
        assert row[-10:] == b" 00000 n \n"
        place = content[int(row[:10]) :]
        assert place.startswith(b"%d 0 obj\n" % number)
        body = place[: place.index(b"endobj")].split(b"\n", 1)[1]
        form, _, stream = body.partition(b"\nstream\n")
        length = re.search(rb"/Length (\d+)", form)
        stream = place[place.index(stream) :][: int(length[1])] if length else b""
        found[number] = (form.decode("latin-1").strip(), stream)
    return found


def images(content: bytes) -> list[tuple[str, bytes]]:
    return [(form, stream) for form, stream in objects(content).values() if "/Subtype /Image" in form]


def side(form: str, name: str) -> int:
    return int(re.search(rf"/{name} (\d+)", form)[1])  # type: ignore[index]


def decode_group4(form: str, stream: bytes) -> Image.Image:
    """By libtiff, as a TIFF file whose 1 is white."""
    width, height = side(form, "Width"), side(form, "Height")
    tags = [
        (256, width),
        (257, height),
        (258, 1),
        (259, 4),
        (262, 1),
        (273, 122),
        (278, height),
        (279, len(stream)),
    ]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    file = b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4)
    return Image.open(io.BytesIO(file.ljust(122, b"\0") + stream))


def test_a_page_is_the_sheet_pixel_for_pixel() -> None:
    content = pdf_bytes([SHEET], 300)
    box = [float(number) for number in re.search(rb"/MediaBox \[([^]]*)\]", content)[1].split()]  # type: ignore[index]
    assert box == pytest.approx([0, 0, 595.28, 841.89], abs=0.01)
    ((form, stream),) = images(content)
    assert (side(form, "Width"), side(form, "Height")) == (2480, 3508)
    assert all(part in form for part in ("/DeviceGray", "/K -1 /BlackIs1 true /Columns 2480 /Rows 3508"))
    np.testing.assert_array_equal(np.asarray(decode_group4(form, stream)), np.asarray(SHEET.render_ink(300)))
    assert len(content) < 10_000


def test_what_pillow_writes_decodes_to_the_same() -> None:
    """The reading of the filter's settings here is Pillow's own."""
    stream = io.BytesIO()
    SHEET.render_ink(100).save(stream, "PDF", resolution=100)
    theirs = stream.getvalue()
    ((_, ours),) = images(pdf_bytes([SHEET], 100))
    data = theirs[theirs.index(b"stream\n") + 7 :]
    assert data.startswith(ours.rstrip(b"\0"))
    assert b"/BlackIs1 true" in theirs


def test_letter_is_held_as_its_sheet() -> None:
    content = pdf_bytes([Sheet((279.4, 215.9), ())], 72)
    assert b"/MediaBox [0 0 792.000 612.000]" in content


def test_a_coloured_original_leaves_the_line_art_sharp_and_the_file_small() -> None:
    sheet = Sheet(SHEET.size, SHEET.ink, (Picture(NOISE, Box(150, 20, 30, 40)),))
    content = pdf_bytes([sheet], 300)
    (picture_form, picture), (form, stream) = images(content)
    assert "/DCTDecode" in picture_form
    found = np.asarray(Image.open(io.BytesIO(picture)), float)
    assert np.abs(found - np.asarray(NOISE, float)).mean() < 12
    assert "/ImageMask true" in form
    np.testing.assert_array_equal(np.asarray(decode_group4(form, stream)), np.asarray(SHEET.render_ink(300)))
    assert len(content) < len(picture) + 10_000
    (drawn,) = (stream for form, stream in objects(content).values() if form.startswith("<< /Length"))
    point = 72 / 25.4
    width, height, x, y = (
        float(part) for part in re.match(rb"q (\S+) 0 0 (\S+) (\S+) (\S+) cm /P0", drawn).groups()
    )  # type: ignore[union-attr]
    assert (width, height) == pytest.approx((30 * point, 40 * point), abs=0.01)
    assert (x, y) == pytest.approx((150 * point, (297 - 60) * point), abs=0.01)
    assert drawn.index(b"/P0 Do") < drawn.index(b"/Ink Do")  # lines lie over pictures


def test_few_colours_are_kept_exactly() -> None:
    pixels = np.random.default_rng(1).integers(0, 4, (20, 30))
    palette = np.array([(255, 255, 255), (1, 2, 3), (200, 40, 40), (40, 200, 40)], np.uint8)
    sheet = Sheet((100, 100), (), (Picture(Image.fromarray(palette[pixels]), Box(10, 10, 30, 20)),))
    form, stream = images(pdf_bytes([sheet], 72))[0]
    table = bytes.fromhex(re.search(r"/Indexed /DeviceRGB 3 <(\w+)>", form)[1])  # type: ignore[index]
    colours = np.frombuffer(table, np.uint8).reshape(-1, 3)
    places = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(20, 30)
    np.testing.assert_array_equal(colours[places], palette[pixels])


def test_the_same_sheets_give_the_same_bytes_without_a_time() -> None:
    sheet = Sheet(SHEET.size, SHEET.ink, (Picture(NOISE, Box(150, 20, 30, 40)),))
    content = pdf_bytes([sheet], 100, "Für dich")
    assert content == pdf_bytes([sheet], 100, "Für dich")
    assert b"Date" not in content
    form = objects(content)[3][0]
    title, producer = (bytes.fromhex(text).decode("utf-16") for text in re.findall(r"<(FEFF\w+)>", form))
    assert (title, producer) == ("Für dich", f"unprompt {__version__}")


def test_a_booklet_is_all_its_sheets(tmp_path: Path) -> None:
    curve = np.linspace((0, 0), (30, 20), 4)
    drawings = [LineDrawing((30, 20), (curve * (1, 1 + index),)) for index in range(3)]
    path = tmp_path / "new" / "book.pdf"
    assert write_pdf(path, make_booklet(drawings, PaperConfig(title="Lines", dpi=72)), 72, "Lines") == 4
    content = path.read_bytes()
    found = objects(content)
    assert "/Count 4" in found[2][0]
    kids = [int(number) for number in re.findall(r"(\d+) 0 R", found[2][0])]
    assert [found[kid][0].startswith("<< /Type /Page ") for kid in kids] == [True] * 4
    assert found[1][0] == "<< /Type /Catalog /Pages 2 0 R >>"
    assert len(images(content)) == 4


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"before")

    def broken() -> Iterator[Sheet]:
        yield SHEET
        raise InputError("the second drawing is none")

    with pytest.raises(InputError, match="second"):
        write_pdf(path, broken(), 72)
    with pytest.raises(InputError, match="at least one page"):
        write_pdf(path, lay_out([], PaperConfig()), 72)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.pdf"]
