"""Texts in the lowest bits of a picture's pixels: stealth PNG info, of the A1111 extension and of NovelAI.

Column by column, from the top: 15 letters that name the form, 32 bits with the length of what follows, in
bits and big-endian, and the text in UTF-8, gzipped where the name ends in `comp`. Each pixel has one bit of
it in its alpha, or three in red, green and blue.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from unprompt.metadata.generation import MOST_CHARACTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME_BYTES, LENGTH_BYTES = 15, 4
PACKED_BY_NAME = {b"pnginfo": False, b"pngcomp": True, b"rgbinfo": False, b"rgbcomp": True}


def read_stealth(pixels: NDArray[np.uint8]) -> str | None:
    """The text in an RGB or RGBA picture, (H, W, 3 or 4) uint8; None where there is none that can be read."""
    channels = [("png", pixels[:, :, 3:4])] if pixels.shape[2] == 4 else []
    for kind, values in [*channels, ("rgb", pixels[:, :, :3])]:
        content = _read(values, kind.encode())
        if content is not None:
            return content
    return None


def _read(values: NDArray[np.uint8], kind: bytes) -> str | None:
    """The text in channels (H, W, C), each of whose values has one bit."""
    height, width, channels = values.shape
    head = _bytes(values, 0, NAME_BYTES + LENGTH_BYTES)
    name = head[:NAME_BYTES].removeprefix(b"stealth_")
    if name not in PACKED_BY_NAME or not name.startswith(kind):
        return None
    length = int.from_bytes(head[NAME_BYTES:], "big") // 8
    if len(head) < NAME_BYTES + LENGTH_BYTES or length > height * width * channels // 8:
        return None
    body = _bytes(values, len(head), length)
    if PACKED_BY_NAME[name]:
        try:
            body = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, MOST_CHARACTERS)
        except zlib.error:
            return None
    return body[:MOST_CHARACTERS].decode("utf-8", "replace")


def _bytes(values: NDArray[np.uint8], start: int, count: int) -> bytes:
    """`count` bytes from `start` on, of the bits down the columns; fewer where the picture ends."""
    height, _, channels = values.shape
    column_bits = height * channels
    first, last = 8 * start // column_bits, -(-8 * (start + count) // column_bits)
    columns = values[:, first:last].transpose(1, 0, 2).reshape(-1) & 1
    begin = 8 * start - first * column_bits
    bits = columns[begin : begin + 8 * count]
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()
