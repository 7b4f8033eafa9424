"""Line art that is painted anew: each picture is given when it is done, and large line art is reduced."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from unprompt.demos.whole_pictures import FINEST, colour_whole
from unprompt.errors import InputError
from unprompt.painting.watch import Watch
from unprompt.serving.uploads import Upload


def upload(size: tuple[int, int]) -> Upload:
    stream = io.BytesIO()
    Image.new("L", size, "white").save(stream, "PNG")
    return Upload.of("line.png", stream.getvalue())


class Echo:
    """Gives back what it is to paint; it has no more than two pictures in it."""

    def paint(self, picture: Image.Image, words: str, seed: int, watch: Watch) -> Image.Image:
        if seed > 1:
            raise InputError("that is all")
        return picture


def test_what_fails_leaves_the_pictures_that_are_done() -> None:
    painter: Any = Echo()
    files: list[bytes] = []
    with pytest.raises(InputError, match="that is all"):
        colour_whole(painter, upload((40, 20)), "red", (0, 1, 2), 1, Watch(), files.append)
    assert [Image.open(io.BytesIO(file)).size for file in files] == [(40, 20)] * 2


def test_large_line_art_is_reduced_before_it_is_painted() -> None:
    painter: Any = Echo()
    files: list[bytes] = []
    colour_whole(painter, upload((2 * FINEST, 100)), "red", (0,), 1, Watch(), files.append)
    assert Image.open(io.BytesIO(files[0])).size == (FINEST, 50)
