"""Bytes of unknown origin: pictures, or a sentence why not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unprompt.demos.sample_uploads import SCENES, sample_uploads
from unprompt.errors import UnreadableImageError
from unprompt.serving.uploads import FORMATS, Upload, preview, read_upload, without_doubles


def encoded(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """A red picture as bytes."""
    stream = io.BytesIO()
    Image.new("RGB", size, (250, 10, 10)).save(stream, kind)
    return stream.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has nothing in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_of_every_format_are_read(kind: str) -> None:
    image = read_upload(Upload.of("a.png", encoded(kind)), limit_mb=1)
    assert (image.mode, image.size) == ("RGB", (40, 30))
    np.testing.assert_allclose(image.getpixel((20, 15)), (250, 10, 10), atol=6)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"<html>", "not a PNG, JPEG or WebP picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG, JPEG or WebP picture"),
        (encoded("TIFF"), "not a PNG, JPEG or WebP picture"),
        (encoded("GIF"), "not a PNG, JPEG or WebP picture"),
        (encoded("PNG")[:60], "damaged or truncated"),
        (encoded("JPEG")[:-200], "damaged or truncated"),
        (png_of(12_000, 12_000), "too large to be decoded safely: 12000 x 12000"),
        (png_of(60_000, 60_000), "too large to be decoded safely"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2 << 20), "2.0 MB; the limit here is 1 MB"),
    ],
    ids=["empty", "html", "postscript", "tiff", "gif", "half a png", "half a jpeg", "large", "bomb", "heavy"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_others_are_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(UnreadableImageError, match=says):
        read_upload(Upload.of("picture.png", content), limit_mb=1)


def test_a_name_is_never_a_path() -> None:
    assert Upload.of("../../etc/passwd", b"x").name == "passwd"
    assert Upload.of("", b"x").name == "picture"


def test_a_preview_is_a_small_jpeg() -> None:
    small = Image.open(io.BytesIO(preview(Image.new("RGB", (3000, 1000)), size=300)))
    assert (small.format, small.size) == ("JPEG", (300, 100))


def test_a_preview_takes_no_copy_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.new("RGB", (3000, 1000))
    monkeypatch.delattr(Image.Image, "copy")
    preview(picture, size=300)
    assert picture.size == (3000, 1000)


def test_the_same_bytes_count_once_in_their_first_place() -> None:
    a, b, again = Upload.of("a", b"1"), Upload.of("b", b"2"), Upload.of("c", b"1")
    assert without_doubles([a, b, again]) == [a, b]


def test_samples_are_different_pictures() -> None:
    pytest.importorskip("resvg_py")
    samples = sample_uploads()
    assert len({sample.digest for sample in samples}) == len(samples) >= SCENES
    assert read_upload(samples[-1], limit_mb=5).size == (512, 512)
