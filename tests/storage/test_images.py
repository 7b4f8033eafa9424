"""Every kind of picture a folder may hold becomes RGB as a viewer shows it, or a problem in words."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from unprompt.errors import InputError, UnreadableImageError
from unprompt.storage.images import (
    EXTENSIONS,
    MAX_PIXELS,
    TILE,
    ImageFile,
    encode_png,
    find_images,
    has_images,
    image_states,
    read_encoded,
    read_file,
    read_image,
    read_size,
)
from unprompt.storage.parts import PairPart, write_pair_part

LOSSLESS = {"png": {}, "bmp": {}, "tiff": {}, "webp": {"lossless": True}}
ORIENTATION = 0x0112


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(width: int, height: int) -> np.ndarray:
    """Colours that change slowly, which lossy formats keep well: (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 255 - 255 * x / width], axis=2).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save an image under a name, by its ending, and give its path."""

    def save(image: Image.Image | np.ndarray, name: str = "a.png", **options: Any) -> Path:
        path = tmp_path / name
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(path, **options)
        return path

    return save


# --- formats


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_the_same_pixels(saved: Callable[..., Path], kind: str) -> None:
    picture = noise(13, 7)
    assert (pixels(saved(picture, f"a.{kind}", **LOSSLESS[kind])) == picture).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.gif"])
def test_lossy_formats_give_nearly_the_same_pixels(saved: Callable[..., Path], name: str) -> None:
    picture = smooth(64, 48)
    read = pixels(saved(picture, name))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 12


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_an_animation_gives_its_first_frame(saved: Callable[..., Path], name: str) -> None:
    red, *others = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime"))
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(red, name, save_all=True, append_images=others, **options)
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert (pixels(path) == (255, 0, 0)).all()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(saved: Callable[..., Path], compression: str) -> None:
    picture = noise(9, 5)
    assert (pixels(saved(picture, "a.tif", compression=compression)) == picture).all()


def test_the_ending_may_lie_about_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(Image.fromarray(noise(5, 4)), "PNG"))
    assert (pixels(tmp_path / "a.jpg") == noise(5, 4)).all()


def test_the_file_may_go_once_the_image_is_read(saved: Callable[..., Path]) -> None:
    path = saved(noise(5, 4))
    image = read_image(path)
    path.unlink()
    assert (np.asarray(image.rotate(180)) == noise(5, 4)[::-1, ::-1]).all()


# --- orientation

# How the stored pixels have to be turned to be upright (EXIF 2.32, tag Orientation, "0th row is …").
UPRIGHT_BY_ORIENTATION: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored.transpose(1, 0, 2)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: stored.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff"])
@pytest.mark.parametrize("orientation", UPRIGHT_BY_ORIENTATION)
def test_exif_orientation_is_applied(saved: Callable[..., Path], name: str, orientation: int) -> None:
    stored = noise(3, 2)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if name == "a.webp" else {}
    read = pixels(saved(stored, name, exif=exif, **options))
    assert np.array_equal(read, UPRIGHT_BY_ORIENTATION[orientation](stored))


@pytest.mark.parametrize("orientation", UPRIGHT_BY_ORIENTATION)
def test_exif_orientation_of_a_jpeg(saved: Callable[..., Path], orientation: int) -> None:
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16] = (255, 0, 0)
    stored[16:, :16] = (0, 0, 255)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    read = pixels(saved(stored, "a.jpg", exif=exif, quality=95))
    expected = UPRIGHT_BY_ORIENTATION[orientation](stored)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 3


def test_orientation_and_transparency_together(saved: Callable[..., Path]) -> None:
    stored = np.zeros((2, 3, 4), np.uint8)
    stored[0, 0] = (255, 0, 0, 255)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    read = pixels(saved(stored, exif=exif))
    assert read.shape == (3, 2, 3)
    assert read[0, 1].tolist() == [255, 0, 0]
    assert (np.delete(read.reshape(6, 3), 1, axis=0) == 255).all()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_passed_over(
    saved: Callable[..., Path], orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert (pixels(saved(noise(3, 2), exif=exif)) == noise(3, 2)).all()


# --- modes


def test_a_palette_is_looked_up(saved: Callable[..., Path]) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
    image.putdata([1, 0, 2])
    assert pixels(saved(image)).tolist() == [[[200, 100, 0], [10, 20, 30], [1, 2, 3]]]


def test_a_transparent_palette_colour_is_white(saved: Callable[..., Path]) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
    image.putdata([1, 0, 2])
    assert pixels(saved(image, transparency=0)).tolist() == [[[200, 100, 0], [255, 255, 255], [1, 2, 3]]]
    assert pixels(saved(image, "a.gif", transparency=2)).tolist()[0][2] == [255, 255, 255]


def test_a_palette_with_alpha_is_laid_over_white(saved: Callable[..., Path]) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, 200, 100, 0, 1, 2, 3])
    image.putdata([0, 1, 2])
    read = pixels(saved(image, transparency=bytes([51, 255, 0])))  # alpha .2, 1, 0
    assert read.tolist() == [[[204, 204, 204], [200, 100, 0], [255, 255, 255]]]


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_alpha_is_laid_over_white(saved: Callable[..., Path], kind: str) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 51], [0, 0, 0, 102], [7, 8, 9, 0]]], np.uint8)
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    read = pixels(saved(rgba, f"a.{kind}", **options))
    # alpha 51 is .2: 255 - .2 (255 - colour); alpha 102 is .4
    assert read.tolist() == [[[255, 0, 0], [255, 204, 204], [153, 153, 153], [255, 255, 255]]]


def test_grey_with_alpha_is_laid_over_white(saved: Callable[..., Path]) -> None:
    grey_alpha = Image.merge(
        "LA", [Image.fromarray(np.array([row], np.uint8)) for row in ([0, 100, 100, 9], [255, 255, 51, 0])]
    )
    # 255 - .2 (255 - 100) = 224
    assert pixels(saved(grey_alpha))[0, :, 0].tolist() == [0, 100, 224, 255]


def test_a_transparent_colour_of_an_rgb_png_is_white(saved: Callable[..., Path]) -> None:
    picture = np.array([[[1, 2, 3], [1, 2, 4], [9, 9, 9]]], np.uint8)
    read = pixels(saved(picture, transparency=(1, 2, 3)))
    assert read.tolist() == [[[255, 255, 255], [1, 2, 4], [9, 9, 9]]]


def test_a_transparent_grey_is_white(saved: Callable[..., Path]) -> None:
    read = pixels(saved(np.array([[0, 7, 200]], np.uint8), transparency=7))
    assert read[0, :, 0].tolist() == [0, 255, 200]


@pytest.mark.parametrize("name", ["a.tiff", "a.jpg"])
def test_cmyk(saved: Callable[..., Path], name: str) -> None:
    inks = {(0, 0, 0, 0): (255, 255, 255), (0, 255, 255, 0): (255, 0, 0), (255, 0, 255, 0): (0, 255, 0)}
    inks |= {(255, 255, 0, 0): (0, 0, 255), (0, 0, 0, 255): (0, 0, 0), (0, 0, 0, 127): (128, 128, 128)}
    for ink, colour in inks.items():
        options = {"quality": 100} if name == "a.jpg" else {}
        read = pixels(saved(Image.new("CMYK", (16, 16), ink), name, **options))
        assert np.abs(read.astype(int) - colour).max() <= (3 if name == "a.jpg" else 0)


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp"])
def test_black_and_white(saved: Callable[..., Path], name: str) -> None:
    image = Image.new("1", (3, 1))
    image.putdata([255, 0, 255])
    assert pixels(saved(image, name)).tolist() == [[[255] * 3, [0] * 3, [255] * 3]]


def test_grey(saved: Callable[..., Path]) -> None:
    assert pixels(saved(np.array([[0, 1, 254, 255]], np.uint8)))[0, :, 2].tolist() == [0, 1, 254, 255]


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_16_bit_grey_is_scaled_and_not_clipped(saved: Callable[..., Path], name: str) -> None:
    values = np.array([[0, 1, 128, 129, 255, 256, 1000, 32768, 65406, 65407, 65535]], np.uint16)
    path = saved(values, name)
    with Image.open(path) as image:
        assert image.mode == "I;16"
    expected = [round(value * 255 / 65535) for value in values[0].tolist()]
    assert pixels(path)[0, :, 0].tolist() == expected
    assert expected[-1] == 255


def test_16_bit_grey_does_not_depend_on_the_brightest_pixel(saved: Callable[..., Path]) -> None:
    assert (pixels(saved(np.full((2, 2), 257 * 40, np.uint16))) == 40).all()
    assert (pixels(saved(np.full((2, 2), 200, np.uint16))) == 1).all()


def test_32_bit_grey(saved: Callable[..., Path]) -> None:
    small = saved(np.array([[0, 100, 255]], np.int32), "small.tiff")
    assert pixels(small)[0, :, 0].tolist() == [0, 100, 255]
    large = saved(np.array([[-5, 0, 32768, 65535, 2**31 - 1]], np.int32), "large.tiff")
    assert pixels(large)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_float_grey(saved: Callable[..., Path]) -> None:
    share = saved(np.array([[0, 0.2, 0.5, 1.0]], np.float32), "share.tiff")
    assert pixels(share)[0, :, 0].tolist() == [0, 51, 128, 255]
    bytes_ = saved(np.array([[0, 51, 254.6]], np.float32), "bytes.tiff")
    assert pixels(bytes_)[0, :, 0].tolist() == [0, 51, 255]
    gaps = saved(np.array([[np.nan, -1, 0.2, 1]], np.float32), "gaps.tiff")
    assert pixels(gaps)[0, :, 0].tolist() == [0, 0, 51, 255]
    endless = saved(np.array([[0, -np.inf, np.inf]], np.float32), "endless.tiff")
    assert pixels(endless)[0, :, 0].tolist() == [0, 0, 255]


# --- sizes


def test_one_pixel(saved: Callable[..., Path]) -> None:
    assert pixels(saved(np.array([[[3, 2, 1]]], np.uint8))).tolist() == [[[3, 2, 1]]]


def test_a_very_long_picture(saved: Callable[..., Path]) -> None:
    assert read_image(saved(Image.new("RGB", (20_000, 10), "red"))).size == (20_000, 10)


def png_claiming(width: int, height: int) -> bytes:
    """The start of a PNG of this size, with next to no pixels behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"),
    [(60_000, 60_000), (10_000, 2 * MAX_PIXELS // 10_000), (10_000, MAX_PIXELS // 10_000 + 1)],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_not_decoded(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png_claiming(width, height))
    with pytest.raises(UnreadableImageError, match=r"too large to be decoded safely: .* 89,478,485"):
        read_image(tmp_path / "a.png")


# --- problems


def problem(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(path)
    return str(caught.value)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert problem(tmp_path / "a.png") == "the file is empty"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    content = encoded(Image.fromarray(noise(64, 64)), kind)
    (tmp_path / "a.png").write_bytes(content[: int(share * len(content))])
    words = problem(tmp_path / "a.png")
    if kind in ("PNG", "JPEG"):
        assert words.startswith("damaged or truncated: ")


def test_text_named_png(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("imgId,prompt\n")
    assert problem(tmp_path / "a.png") == "not an image, or one of an unknown format"


def test_a_folder_named_png(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    assert [file.image_id for file in find_images(tmp_path)] == ["x"]
    assert [file.image_id for file in find_images(tmp_path, recursive=True)] == ["x"]
    assert problem(tmp_path / "x.png") == "a folder, not an image"


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    assert [file.image_id for file in find_images(tmp_path)] == ["a"]
    assert problem(tmp_path / "a.png") == "the file is gone, or a link that leads nowhere"


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert [file.image_id for file in find_images(tmp_path)] == ["a"]
    assert problem(tmp_path / "a.png")


READ_AS_NOBODY = """
import os, sys, warnings
from pathlib import Path
from unprompt.errors import UnpromptError
from unprompt.storage.images import find_images, read_image
from PIL import Image
Image.init()
path = Path(sys.argv[1])
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
warnings.showwarning = lambda message, *_: print(message)
try:
    if path.is_dir():
        print([file.image_id for file in find_images(path, recursive=True)])
    else:
        read_image(path)
except UnpromptError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions work otherwise here")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.png", "UnreadableImageError no permission to read the file\n"),
        ("closed", "InputError {}/closed cannot be read: permission denied\n"),
        (
            "",
            "{0}: 2 folders were left out, first: {0}/closed (permission denied)\n['a', 'b']\n",
        ),
    ],
)
def test_a_file_and_a_folder_without_permission(name: str, words: str) -> None:
    """In a process of its own that gives up root's right to read everything."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's tmp_path is closed to others
        Path(folder).chmod(0o755)
        Image.new("RGB", (2, 2)).save(Path(folder) / "a.png")
        for inside in ("closed", "lost+found", "open"):
            (Path(folder) / inside).mkdir()
        Image.new("RGB", (2, 2)).save(Path(folder) / "open" / "b.png")
        path = Path(folder) / name
        for closed in ("closed", "lost+found", *([name] if name else [])):
            (Path(folder) / closed).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", READ_AS_NOBODY, str(path)], capture_output=True, text=True, check=False
        )
        for closed in ("closed", "lost+found"):
            (Path(folder) / closed).chmod(0o755)
    assert done.stdout == words.format(folder), done.stderr


@cache
def pictures_to_damage() -> dict[str, bytes]:
    """Small files of every kind, by kind."""
    picture = Image.fromarray(noise(16, 12))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = picture.rotate(180)
    grey16 = Image.fromarray(noise(9, 9)[..., 0].astype(np.uint16) * 257)
    return {
        "png": encoded(picture, "PNG", exif=exif),
        "png palette": encoded(picture.convert("P"), "PNG", transparency=3),
        "png 16": encoded(grey16, "PNG"),
        "png animated": encoded(picture, "PNG", save_all=True, append_images=[turned]),
        "jpeg": encoded(picture, "JPEG", exif=exif),
        "jpeg cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "webp": encoded(picture, "WEBP", exif=exif),
        "webp lossless": encoded(picture, "WEBP", lossless=True),
        "bmp": encoded(picture, "BMP"),
        "gif": encoded(picture, "GIF", save_all=True, append_images=[turned]),
        "tiff": encoded(picture, "TIFF"),
        "tiff lzw": encoded(picture, "TIFF", compression="tiff_lzw"),
        "tiff float": encoded(Image.fromarray(noise(9, 9)[..., 0].astype(np.float32)), "TIFF"),
    }


def mend_checksums(png: bytes) -> bytes:
    """A damaged PNG whose chunks have right checksums again, so that decoders go on to what they hold."""
    mended, at = bytearray(png), 8
    while at + 12 <= len(mended):
        length = int.from_bytes(mended[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(mended[at + 4 : end]))
        at = end + 4
    return bytes(mended)


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_any_one_byte_may_be_damaged(tmp_path: Path, kind: str) -> None:
    """Every byte in turn: names and checksums of chunks make decoders raise errors of their own kinds."""
    path, content = tmp_path / "a.png", pictures_to_damage()[kind]
    read = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with warnings.catch_warnings(), suppress(UnreadableImageError):
            warnings.simplefilter("ignore")
            read += read_image(path).mode == "RGB"
    assert read < len(content)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(pictures_to_damage())),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    st.sampled_from([1.0, 1.0, 0.9, 0.3]),
    st.booleans(),
)
@example("tiff", [(0.0, 73)], 1.0, False)  # changes nothing: the file is whole
def test_damaged_files_are_read_or_become_problems(
    kind: str, changes: list[tuple[float, int]], kept: float, near_the_start: bool
) -> None:
    content = bytearray(pictures_to_damage()[kind])
    reach = min(len(content), 160) if near_the_start else len(content)
    for place, byte in changes:
        content[int(place * reach)] = byte
    content = bytearray(mend_checksums(bytes(content))) if kind.startswith("png") else content
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "a.png"
        path.write_bytes(content[: max(1, int(kept * len(content)))])
        try:
            image = read_image(path)
        except UnreadableImageError:
            return
        assert image.mode == "RGB"
        assert len(image.tobytes()) == 3 * image.width * image.height


# --- folders


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, **options: bool) -> list[str]:
    files = find_images(folder, **options)
    assert all(file.path.stem == file.image_id for file in files)
    return [str(file.path.relative_to(folder)) for file in files]


def test_images_are_listed_by_id_whatever_their_ending(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.png", "a.JPG", "d.JpEg", "c.webp", "e.TIF", "f.tiff", "g.bmp", "h.GIF", "10.png", "9.png"
    )
    touch(tmp_path, "prompts.csv", "notes.txt", "png", "x.png.part", "y.svg")
    files = find_images(tmp_path)
    assert [file.image_id for file in files] == ["10", "9", *"abcdefgh"]
    assert files[2].path == tmp_path / "a.JPG"
    assert not any(file.absent for file in files)


@pytest.mark.parametrize("ending", sorted(EXTENSIONS))
def test_each_ending_counts_in_both_cases(tmp_path: Path, ending: str) -> None:
    assert len(find_images(touch(tmp_path, f"a{ending}", f"b{ending.upper()}"))) == 2


def test_names_of_any_script_and_with_dots(tmp_path: Path) -> None:
    touch(tmp_path, "日本語.png", "Ünï cødé 🎨.jpg", "v1.2.final.png")
    assert [file.image_id for file in find_images(tmp_path)] == ["v1.2.final", "Ünï cødé 🎨", "日本語"]


def test_hidden_files_and_folders_do_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", ".b.png", "._a.png", ".thumbnails/c.png", ".d.png.123.part")
    assert found(tmp_path) == ["a.png"]
    assert found(tmp_path, recursive=True) == ["a.png"]


def test_nested_folders_count_only_when_asked(tmp_path: Path) -> None:
    touch(tmp_path, "z.png", "one/a.png", "one/two/b.JPG", "v1.0/c.png")
    assert found(tmp_path) == ["z.png"]
    assert found(tmp_path, recursive=True) == ["one/a.png", "one/two/b.JPG", "v1.0/c.png", "z.png"]


def test_a_folder_that_is_linked_into_itself_ends(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.png")
    (tmp_path / "one" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path, recursive=True) == ["one/a.png"]


def test_two_files_of_one_id_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "b.jpg", "c.png", "c.PNG")
    with pytest.raises(InputError, match=r"^2 image ids .* first: b\.jpg and b\.png both have the id 'b'"):
        find_images(tmp_path)


def test_the_same_name_in_several_folders_is_told_by_the_folders(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.png", "two/a.png", "two/b.png")
    files = find_images(tmp_path, recursive=True)
    assert [file.image_id for file in files] == ["b", "one/a", "two/a"]
    touch(tmp_path, "two/a.jpg", "two/c.png", "two/c.gif")
    with pytest.raises(
        InputError, match=r"^2 image ids .* first: two/a\.jpg and two/a\.png both have the id"
    ):
        find_images(tmp_path, recursive=True)
    files = find_images(tmp_path, recursive=True, same_stems=True)
    assert [file.image_id for file in files] == ["b", "c.gif", "c.png", "one/a", "two/a.jpg", "two/a.png"]


def test_a_single_file_is_taken_whatever_it_is(saved: Callable[..., Path]) -> None:
    path = saved(noise(3, 2), "one.png")
    assert [(file.image_id, file.path) for file in find_images(path)] == [("one", path)]


def test_an_empty_folder(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(
        InputError,
        match=r"holds no images \(looked for apng, avif, bmp, .*webp; 1 file .* left out: .txt 1\)",
    ):
        find_images(tmp_path)


OTHERS = ["notes.txt", "list.txt", "picture.psd", "a.txt"]


def test_what_is_left_out_is_counted_by_kind_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", *OTHERS, ".hidden.psd", "sub/b.png", "Makefile")
    with pytest.warns(UserWarning, match="not entered|left out") as caught:
        find_images(tmp_path, tell=True)
    assert [str(one.message).removeprefix(f"{tmp_path}: ") for one in caught] == [
        "1 folder was not entered, first: sub; add --recursive to look into them",
        "4 files of other kinds were left out: .txt 2, without ending 1, .psd 1",  # a.txt belongs to a.png
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_images(tmp_path)


def test_folders_beside_archives_are_told(tmp_path: Path) -> None:
    """But not the tables and counts that lie beside shards."""
    touch(tmp_path, "00000.parquet", "00000_stats.json", "more/a.png")
    with zipfile.ZipFile(tmp_path / "00000.zip", "w") as packed:
        packed.writestr("a.png", b"")
    with pytest.warns(UserWarning, match="not entered") as caught:
        assert len(find_images(tmp_path, tell=True)) == 1
    assert [str(one.message).removeprefix(f"{tmp_path}: ") for one in caught] == [
        "1 folder was not entered, first: more; add --recursive to look into them",
    ]


def test_an_iphone_picture_says_what_reads_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.HEIC", "c.jxl")
    with pytest.warns(UserWarning, match=r"\.heic 1, \.jxl 1; .*pip install pillow-heif pillow-jxl-plugin$"):
        find_images(tmp_path, tell=True)


@pytest.mark.parametrize("name", ["a.avif", "a.jfif", "a.jpe", "a.mpo", "a.jp2", "a.apng"])
def test_what_pillow_reads_counts(saved: Callable[..., Path], name: str) -> None:
    kind = {"a.avif": "AVIF", "a.mpo": "MPO", "a.jp2": "JPEG2000", "a.apng": "PNG"}.get(name, "JPEG")
    path = saved(smooth(32, 24), name, format=kind)
    assert [file.path for file in find_images(path.parent)] == [path]
    assert np.abs(pixels(path).astype(int) - smooth(32, 24)).mean() < 12


PLUG_IN = """
from PIL import Image, ImageFile

class File(ImageFile.ImageFile):
    format = "HEIF"

    def _open(self):
        self.fp.seek(4)
        self._mode, self._size = "RGB", (2, 1)
        self.tile = [ImageFile._Tile("raw", (0, 0, 2, 1), 4, "RGB")]

def register_heif_opener():
    Image.register_open("HEIF", File, lambda start: start.startswith(b"heif"))
"""


def test_a_plug_in_that_is_installed_is_used(tmp_path: Path) -> None:
    """In a process of its own, as what Pillow has learned it keeps."""
    (tmp_path / "pillow_heif.py").write_text(PLUG_IN)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.heic").write_bytes(b"heif" + bytes([1, 2, 3, 4, 5, 6]))
    script = (
        "import sys; from pathlib import Path; from unprompt.storage.images import find_images, read_file\n"
        "print(read_file(find_images(Path(sys.argv[1]))[0]).tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "pictures")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "b'\\x01\\x02\\x03\\x04\\x05\\x06'\n", done.stderr


@pytest.mark.parametrize(("module", "ending"), [("pillow_heif", ".heic"), ("pillow_jxl", ".jxl")])
def test_the_real_plug_ins(tmp_path: Path, module: str, ending: str) -> None:
    """What a plug-in writes is read, upright; what is cut short or not one is a problem, not a crash."""
    plug_in = pytest.importorskip(module)
    if module == "pillow_heif":
        plug_in.register_heif_opener()
    picture = smooth(64, 48)
    turned = Image.Exif()
    turned[0x0112] = 6  # its top is on the right
    Image.fromarray(picture).save(tmp_path / f"plain{ending}", quality=95)
    Image.fromarray(picture).save(tmp_path / f"turned{ending}", quality=95, exif=turned.tobytes())
    found = {file.image_id: file for file in find_images(tmp_path)}
    assert found.keys() == {"plain", "turned"}
    read = {name: np.asarray(read_file(file)).astype(int) for name, file in found.items()}
    assert np.abs(read["plain"] - picture).mean() < 4
    assert np.abs(read["turned"] - np.rot90(picture, -1)).mean() < 4
    assert read_size(found["plain"].path) == (64, 48)
    whole = found["plain"].path.read_bytes()
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    for place in rng.integers(12, len(whole), 20):
        flipped[place] ^= 0xFF
    for damaged in (whole[: len(whole) // 2], whole[:30], b"no", bytes(flipped)):
        (tmp_path / f"bad{ending}").write_bytes(damaged)
        with suppress(UnreadableImageError):  # some flipped bytes still make a picture
            read_image(tmp_path / f"bad{ending}")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("profile", [bytes(3_000_000), b"junk"])
def test_a_colour_profile_never_makes_a_picture_damaged(
    saved: Callable[..., Path], kind: str, profile: bytes
) -> None:
    path = saved(smooth(32, 24), f"a.{kind.lower()}", icc_profile=profile)
    assert np.abs(pixels(path).astype(int) - smooth(32, 24)).mean() < 12
    assert read_size(path) == (32, 24)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_that_is_none_is_passed_over(saved: Callable[..., Path], kind: str) -> None:
    path = saved(smooth(32, 24), f"a.{kind.lower()}", exif=b"Exif\0\0junkjunkjunk")
    assert np.abs(pixels(path).astype(int) - smooth(32, 24)).mean() < 12


def test_what_a_colour_profile_costs_is_not_transparency_or_which_way_is_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = Image.new("P", (3, 2), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    path = tmp_path / "a.png"
    picture.save(path, exif=exif, transparency=1, icc_profile=bytes(3_000_000))
    read = pixels(path)
    assert read.shape == (3, 2, 3)
    assert (read == 255).all()


@pytest.mark.parametrize("name", ["prompts.csv", "notes", "b.psd"])
def test_a_file_that_is_no_image_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("imgId,prompt\na,a cat\n")
    with pytest.raises(InputError, match=f"{name}: not an image, .*; name a folder of images or one image"):
        find_images(tmp_path / name)


def test_an_image_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(encoded(Image.fromarray(noise(5, 4)), "PNG"))
    assert [file.image_id for file in find_images(tmp_path / "upload")] == ["upload"]


def test_a_name_with_its_ending_that_another_has_without(tmp_path: Path) -> None:
    touch(tmp_path, "same.png", "same.jpg", "same.png.jpg")
    ids = [file.image_id for file in find_images(tmp_path, same_stems=True)]
    assert ids == ["same.jpg", "same.png", "same.png.jpg"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"caf\xe9.png"))
    (file,) = find_images(tmp_path)
    assert (file.image_id, file.name) == ("caf\\xe9", "caf\\xe9.png")
    assert file.path.exists()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist; name a folder of images or one image"):
        find_images(tmp_path / "nowhere")


def test_a_folder_of_folders_says_how_to_look_into_them(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.png")
    with pytest.raises(InputError, match="1 folder was not entered, first: one; add --recursive"):
        find_images(tmp_path)


def test_a_folder_of_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(InputError, match="holds no images") as caught:
        find_images(tmp_path, recursive=True)
    assert "--recursive" not in str(caught.value)


def test_hidden_folders_are_no_reason_to_look_deeper(tmp_path: Path) -> None:
    touch(tmp_path, ".git/a.png")
    with pytest.raises(InputError, match="holds no images") as caught:
        find_images(tmp_path)
    assert "--recursive" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_pipe_is_no_source_of_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="neither a folder nor a regular file"):
        find_images(tmp_path / "pipe")


# --- named columns, halves, bytes


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A part of two rows with two images each."""
    images = [(encode_png(Image.fromarray(noise(3, 2, seed))), f"{seed}.png") for seed in range(4)]
    path = tmp_path / "part-00000.parquet"
    write_pair_part(path, PairPart(("a", "b"), (images[0], images[2]), (images[1], images[3]), None))
    return path


def test_a_row_has_an_image_in_each_column(part: Path) -> None:
    for row in range(2):
        for number, column in enumerate(("source", "target")):
            file = ImageFile("a", part, row=row, column=column)
            assert (np.asarray(read_file(file)) == noise(3, 2, 2 * row + number)).all()
            assert read_encoded(file) == encode_png(Image.fromarray(noise(3, 2, 2 * row + number)))
            assert file.name == f"part-00000.parquet, row {row}, {column}"


def test_a_column_that_is_not_there(part: Path) -> None:
    for column in ("image", "nothing"):
        with pytest.raises(UnreadableImageError, match=column):
            read_file(ImageFile("a", part, row=0, column=column))


def test_halves_of_an_image(saved: Callable[..., Path]) -> None:
    both = noise(8, 3)
    path = saved(both)
    assert (np.asarray(read_file(ImageFile("a", path, half="left"))) == both[:, :4]).all()
    assert (np.asarray(read_file(ImageFile("a", path, half="right"))) == both[:, 4:]).all()
    assert ImageFile("a", path, half="right").name == f"{path.name}, right half"
    assert read_encoded(ImageFile("a", path, half="left")) == path.read_bytes()
    for half in ("left", "right"):
        with pytest.raises(UnreadableImageError, match="7 pixels wide, which is odd"):
            read_file(ImageFile("a", saved(noise(7, 3)), half=half))


def test_the_size_is_read_without_decoding(saved: Callable[..., Path]) -> None:
    path = saved(noise(40, 30))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert read_size(path) == (40, 30)
    path.write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match="not an image"):
        read_size(path)


def test_bytes_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="the folder has no such image"):
        read_encoded(ImageFile("a", tmp_path / "a.png", absent=True))
    with pytest.raises(UnreadableImageError, match="the file is gone"):
        read_encoded(ImageFile("a", tmp_path / "a.png"))


def test_states_tell_images_apart(saved: Callable[..., Path], part: Path) -> None:
    file = ImageFile("a", saved(noise(8, 3)))
    others = [
        file,
        ImageFile("b", file.path),
        ImageFile("a", file.path, half="left"),
        ImageFile("a", file.path, half="right"),
        ImageFile("a", part, row=0),
        ImageFile("a", part, row=1),
        ImageFile("a", part, row=0, column="source"),
        ImageFile("a", file.path.with_name("gone.png")),
    ]
    states = image_states(others)
    assert all(states.count(state) == 1 for state in states)
    os.utime(file.path, (1, 1))
    assert image_states([file]) != states[:1]


def test_whether_a_folder_has_images(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", ".a.png", "one/a.png")
    assert not has_images(tmp_path)
    touch(tmp_path, "b.JPG")
    assert has_images(tmp_path)


@pytest.mark.parametrize("kind", ["RGBA", "I;16", "F", "I", "P"])
def test_a_large_image_is_converted_tile_by_tile_as_each_part_of_it(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (1100, 1000, 4), dtype=np.uint8)
    if kind == "RGBA":
        image = Image.fromarray(noise)
    elif kind == "P":
        image = Image.fromarray(noise[..., 0]).convert("P")
        image.info["transparency"] = bytes(range(256))
    else:
        types = {"I;16": np.uint16, "F": np.float32, "I": np.int32}
        image = Image.fromarray(noise[..., 0].astype(types[kind]) * types[kind](200))
    assert image.width * image.height > TILE
    image.save(tmp_path / "whole.tif" if kind != "P" else tmp_path / "whole.png", compress_level=1)
    whole = np.asarray(read_image(next(tmp_path.glob("whole.*"))))
    upper = image.crop((0, 0, 1000, 550))  # has the same greatest value, and fits into one tile
    upper.save(tmp_path / "upper.tif" if kind != "P" else tmp_path / "upper.png", compress_level=1)
    np.testing.assert_array_equal(whole[:550], np.asarray(read_image(next(tmp_path.glob("upper.*")))))
    assert whole.shape == (1100, 1000, 3)
