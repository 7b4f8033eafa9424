"""The texts that a picture's file carries, wherever its format keeps them. No pixel is decoded.

PNG's chunks are walked here, since Pillow refuses pictures for their texts; of other formats Pillow finds the
blocks.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import IO

from unprompt.errors import UnreadableImageError
from unprompt.metadata.exif import read_exif
from unprompt.metadata.generation import MOST_CHARACTERS
from unprompt.metadata.xmp import read_xmp
from unprompt.storage.images import open_stored
from unprompt.storage.png_chunks import SIGNATURE, TEXTS, walk_chunks

MOST_BYTES = 1 << 24  # of all texts of a file, packed
EXIF, XMP = b"eXIf", "XML:com.adobe.xmp"
HEADER = b"IHDR"
WITH_ALPHA = (4, 6)  # PNG's colour types


@dataclass(frozen=True)
class Carried:
    """What a file carries beside its pixels.

    `texts`: PNG's texts by their keywords in small letters, and `comment` of a JPEG or GIF. `exif`, `xmp`:
    the texts in these blocks. `kind`: the format, as Pillow calls it. `alpha`: a PNG whose pixels have one.
    """

    kind: str
    texts: dict[str, str] = field(default_factory=dict)
    exif: dict[str, str] = field(default_factory=dict)
    xmp: dict[str, str] = field(default_factory=dict)
    alpha: bool = False


def read_carried(stream: IO[bytes]) -> Carried:
    """Read a file's texts; formats that have none give none. Raises UnreadableImageError for no picture."""
    start = stream.read(len(SIGNATURE))
    if not start:
        raise UnreadableImageError("the file is empty")
    stream.seek(0)
    if start == SIGNATURE:
        return _read_png(stream)
    with open_stored(stream) as image:
        info = dict(image.info)
        kind = image.format or ""
    comment = info.get("comment", b"")
    texts = {}
    if isinstance(comment, bytes) and comment:
        texts["comment"] = _decode(comment[:MOST_CHARACTERS])
    return Carried(
        kind,
        texts,
        read_exif(info["exif"]) if isinstance(info.get("exif"), bytes) else {},
        read_xmp(info["xmp"]) if isinstance(info.get("xmp"), bytes) else {},
    )


def _read_png(stream: IO[bytes]) -> Carried:
    texts: dict[str, str] = {}
    exif: dict[str, str] = {}
    alpha = False
    left = MOST_BYTES
    for kind, length in walk_chunks(stream):
        if kind == HEADER:
            alpha = stream.read(min(length, 13))[9:10] in {bytes([one]) for one in WITH_ALPHA}
        if (kind not in TEXTS and kind != EXIF) or length > left:
            continue
        left -= length
        data = stream.read(length)
        if kind == EXIF:
            exif = exif or read_exif(data)
        elif (found := _read_text(kind, data)) and found[1]:
            texts.setdefault(found[0].lower(), found[1])
    xmp = texts.pop(XMP.lower(), "")
    return Carried("PNG", texts, exif, read_xmp(xmp.encode("utf-8", "replace")), alpha)


def _read_text(kind: bytes, data: bytes) -> tuple[str, str] | None:
    """Keyword and text of a chunk; None for a damaged one, and for a text that is too long unpacked."""
    keyword, _, rest = data.partition(b"\0")
    packed = kind == b"zTXt"
    if packed:
        rest = rest[1:]  # the method, of which there is one
    elif kind == b"iTXt":
        flags = rest[:2]
        _, _, rest = rest[2:].partition(b"\0")
        _, _, rest = rest.partition(b"\0")
        packed = flags[:1] == b"\1"
    if packed:
        unpacked = _unpack(rest)
        if unpacked is None:
            return None
        rest = unpacked
    if len(rest) > MOST_CHARACTERS:
        return None
    return keyword.decode("latin-1"), _decode(rest)


def _unpack(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MOST_CHARACTERS)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else content


def _decode(content: bytes) -> str:
    """UTF-8, which most programs write into tEXt too, though it is for Latin-1; else Latin-1."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
