"""A PNG file's chunks: its texts without its pixels, and its pixels without all else.

Source: the PNG specification, third edition, sections 5 and 11.3. Checksums are not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
OF_PIXELS = (b"tRNS", b"eXIf")  # besides those with a capital: transparency, and which way is up
END = b"IEND"
MOST_CHUNKS = 100_000  # a picture of a gigabyte in blocks of 8 KiB has so many


def walk_chunks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk of a PNG file, the stream standing at its data when it comes.

    What the caller does not read is passed over. A file that is cut short or is no PNG ends early.
    """
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return
    for _ in range(MOST_CHUNKS):
        head = stream.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        after = stream.tell() + length + 4  # 4: the checksum
        yield kind, length
        if kind == END:
            return
        stream.seek(after)


def only_pixels(stream: IO[bytes]) -> bytes | None:
    """A PNG file's bytes without what says nothing of its pixels: texts, colour profiles, thumbnails ….

    None where it has nothing of the kind, or is no PNG.
    """
    kept, found = [SIGNATURE], False
    for kind, length in walk_chunks(stream):
        if kind[:1].isupper() or kind in OF_PIXELS:
            kept.append(struct.pack(">I4s", length, kind) + stream.read(length + 4))
        else:
            found = True
    return b"".join(kept) if found else None
