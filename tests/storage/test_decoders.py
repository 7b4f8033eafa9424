"""Pictures of strangers: nothing of them runs, and whatever a decoder raises is a problem in words."""

from __future__ import annotations

import ast
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import EpsImagePlugin, Image, ImageFile

from tests import fuzzing
from tests.fuzzing import Attack, run, try_one
from tests.rooms import PACKAGE
from tests.storage.attacks import attacks
from unprompt.errors import InputError, UnreadableImageError
from unprompt.storage.decoders import FORMATS, decoding, open_picture
from unprompt.storage.images import (
    ImageFile as File,
)
from unprompt.storage.images import (
    decode_image,
    find_images,
    image_of,
    open_encoded,
    open_stored,
    read_file,
    read_image,
    read_size,
)

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n20 20 scale\nshowpage\n%%EOF\n"
RAISED = (
    OSError, ValueError, SyntaxError, IndexError, TypeError, KeyError, AttributeError, EOFError, RuntimeError,
    NotImplementedError, MemoryError, RecursionError, OverflowError, ZeroDivisionError, AssertionError,
    UnicodeError, struct.error, zlib.error, UnboundLocalError, StopIteration,
    type("PanicException", (BaseException,), {}),
)  # fmt: skip


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the program that stands in for Ghostscript has been run."""
    mark, folder = tmp_path / "mark", tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\necho run >> '{mark}'\nexit 0\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


def test_the_stand_in_is_run_by_pillow_alone(ghostscript: Path) -> None:
    with suppress(OSError), Image.open(io.BytesIO(EPS)) as image:
        image.load()
    assert ghostscript.exists()


def in_a_part(folder: Path) -> File:
    import polars as pl

    path = folder / "train.parquet"
    pl.DataFrame({"imgId": ["a"], "image": [{"bytes": EPS, "path": "cat.png"}]}).write_parquet(path)
    return find_images(path)[0]


def in_a_zip(folder: Path) -> File:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("cat.png", EPS)
    return find_images(folder / "a.zip")[0]


def in_a_folder(folder: Path) -> File:
    (folder / "cat.png").write_bytes(EPS)
    return find_images(folder / "cat.png")[0]


def stored(file: File) -> None:
    with open_encoded(file) as stream, open_stored(stream) as image:
        image.load()


@pytest.mark.parametrize("place", [in_a_folder, in_a_part, in_a_zip])
@pytest.mark.parametrize("read", [read_file, stored])
def test_no_reader_runs_a_program(
    ghostscript: Path, tmp_path: Path, place: Callable[[Path], File], read: Callable[[File], object]
) -> None:
    with pytest.raises(UnreadableImageError, match="not an image"):
        read(place(tmp_path))
    assert not ghostscript.exists()


@pytest.mark.parametrize("read", [read_image, image_of, read_size])
def test_no_reader_of_a_path_runs_a_program(
    ghostscript: Path, tmp_path: Path, read: Callable[[Path], object]
) -> None:
    (tmp_path / "cat.png").write_bytes(EPS)
    with pytest.raises(UnreadableImageError, match="not an image"):
        read(tmp_path / "cat.png")
    (tmp_path / "cat.eps").write_bytes(EPS)
    with pytest.raises(InputError, match="not an image"):
        find_images(tmp_path / "cat.eps")
    assert not ghostscript.exists()


def test_a_format_is_not_taken_for_being_asked_for(ghostscript: Path) -> None:
    with pytest.raises(UnreadableImageError, match="not an image"):
        decode_image(EPS, formats=("EPS",))
    assert not ghostscript.exists()


def test_every_format_that_is_taken_is_decoded_in_process() -> None:
    """By the classes that Pillow registers: none has a handler of its own or a program to run."""
    Image.init()
    for name in {*FORMATS} & Image.OPEN.keys():
        opener = Image.OPEN[name][0]
        assert "StubImageFile" not in str(getattr(opener, "__mro__", "")), name
        assert name not in ("EPS", "WMF", "FPX", "MIC")


def test_what_reads_rare_formats_is_imported_for_them_alone(tmp_path: Path) -> None:
    """All of it takes as long to import as a picture takes to be looked at."""
    for kind in ("png", "jpg", "bmp", "webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"cat.{kind}")
    program = """
import sys
from pathlib import Path
from unprompt.storage.images import read_image
for kind in ("png", "jpg", "webp", "bmp"):
    print(kind, read_image(Path(f"cat.{kind}")).size, "PIL.WebPImagePlugin" in sys.modules)
"""
    asked = [sys.executable, "-c", program]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert told.splitlines() == [
        "png (8, 8) False",
        "jpg (8, 8) False",
        "webp (8, 8) True",
        "bmp (8, 8) True",
    ]


def test_nothing_else_opens_pictures_of_strangers() -> None:
    """Elsewhere than in decoders.py `Image.open` is given what unprompt made itself, and its format."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "Image.open(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open"):
                given = {one.arg: ast.unparse(one.value) for one in node.keywords}
                own = given.get("formats") in ("('PNG',)", "('JPEG',)")
                assert own or path.name == "decoders.py", f"{path}:{node.lineno}"


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_whatever_a_decoder_raises(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in of Pillow's that raises: when the file is opened, and when it is decoded."""

    class Raising(ImageFile.ImageFile):
        format = "QOI"

        def _open(self) -> None:
            self._size, self._mode = (2, 2), "RGB"
            if self.fp.read(4)[3:] == b"!":
                raise kind("\x1b[31m what\nit\x07 says")

        def load(self) -> Any:
            raise kind("\x1b[31m what\nit\x07 says")

    Image.init()
    monkeypatch.setitem(Image.OPEN, "QOI", (Raising, lambda prefix: prefix.startswith(b"bad")))
    for content in (b"bad!", b"bad."):
        with pytest.raises(UnreadableImageError) as told:
            decode_image(content)
        assert str(told.value).isprintable()


def test_what_the_user_does_is_no_damage() -> None:
    for kind in (KeyboardInterrupt, SystemExit, GeneratorExit):
        with pytest.raises(kind), decoding():
            raise kind
    with pytest.raises(InputError), decoding():
        raise InputError("said already")


def test_a_known_kind_is_opened(tmp_path: Path) -> None:
    for kind in ("PNG", "PPM", "TGA", "ICO", "PCX", "DDS", "QOI", "SGI"):
        stream = io.BytesIO()
        Image.new("RGB", (16, 16), (9, 200, 30)).save(stream, kind)
        with open_picture(io.BytesIO(stream.getvalue())) as image:
            assert image.convert("RGB").getpixel((3, 3)) == (9, 200, 30)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("attack", attacks(), ids=lambda attack: attack.name)
def test_damaged_pictures(attack: Attack) -> None:
    """As `make fuzz` does for minutes, see tests/fuzzing.py."""
    assert [escape for escape in run(attack, Random(8), 250) if escape] == []


def test_an_escape_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the attacks look for they do find."""

    def fail(name: str, content: bytes) -> None:
        raise ZeroDivisionError("so")

    def wait(name: str, content: bytes) -> None:
        while True:
            with suppress(Exception):  # as a reader that goes on whatever happens
                sum(range(1000))

    def told(read: Callable[[str, bytes], object]) -> str:
        escape = try_one(Attack("own", [("a", b"a")], read), "a", b"a")
        return escape.what if escape else ""

    assert told(fail) == "raised ZeroDivisionError: so"
    assert told(lambda name, content: None) == ""
    monkeypatch.setattr(fuzzing, "SECONDS", 0.01)
    assert told(wait) == "took over 0.01 s"
    monkeypatch.setattr(fuzzing, "SECONDS", 10)
    monkeypatch.setattr(fuzzing, "MEGABYTES", -1)
    assert told(lambda name, content: None).endswith("MB more than any before")
