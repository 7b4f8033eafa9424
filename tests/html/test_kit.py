"""What the pages share: small thumbnails, and numbers as people write them."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from PIL import Image

from unprompt.html.kit import thumbnail, thumbnail_addresses, write_number
from unprompt.storage.images import ImageFile
from unprompt.text.english import counted


def test_thumbnail_is_a_small_jpeg_without_the_files_comment(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (900, 450), "teal").save(path, comment=b"the true prompt")
    with Image.open(BytesIO(thumbnail(ImageFile("x", path)))) as small:
        assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (320, 160))
        assert "true prompt" not in str(small.info)


def test_thumbnail_never_enlarges(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.new("RGBA", (20, 10)).save(path)
    with Image.open(BytesIO(thumbnail(ImageFile("x", path)))) as small:
        assert small.size == (20, 10)


def test_addresses_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (8, 8), color).save(tmp_path / f"{name}.png")
    red, blue = (ImageFile(name, tmp_path / f"{name}.png") for name in ("red", "blue"))
    gone = ImageFile("gone", tmp_path / "gone.png")
    addresses = thumbnail_addresses([blue, None, red, gone], workers=3)
    assert addresses[1] is None
    assert addresses[3] is None
    for address, channel in ((addresses[0], 2), (addresses[2], 0)):
        start, _, encoded = (address or "").partition(",")
        assert start == "data:image/jpeg;base64"
        with Image.open(BytesIO(base64.b64decode(encoded))) as small:
            pixel = small.getpixel((4, 4))
        assert isinstance(pixel, tuple)
        assert pixel[channel] > 240 > 20 > pixel[2 - channel]


def test_numbers_are_written_with_a_true_minus_and_no_minus_zero() -> None:
    assert [write_number(v, 2) for v in (0.125, -0.5, -0.001, 1)] == ["0.12", "−0.50", "0.00", "1.00"]
    assert [counted(n, "image") for n in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]
