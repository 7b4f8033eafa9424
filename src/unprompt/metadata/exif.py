"""The texts in EXIF: a reader of TIFF's directories that looks at texts only, and not at too many.

Source: Exif 2.32, sections 4.6.2 and 4.6.5 (UserComment). Not Pillow's reader: it makes Latin-1 of texts that
are UTF-8, and reads entries of every kind, however many of them point at the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

EXIF_DIRECTORY = 0x8769
NAME_BY_TAG = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x927C: "MakerNote",
    0x9286: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
}
MOST_ENTRIES = 500  # of one directory; cameras write fifty
MOST_BYTES = 1 << 23  # of all texts together
TEXT_KINDS = (1, 2, 7, 129)  # bytes, ASCII, undefined, UTF-8: what texts are written as

_MARK = b"Exif\0\0"
_CODES = ("UNICODE", "ASCII", "JIS", "")


def read_exif(data: bytes) -> dict[str, str]:
    """The texts of an EXIF block by the names of their tags; of one that is damaged, those before the damage.

    Tags without a name here count where they stand among the first ones, by their number, as ComfyUI counts
    down from `Make`.
    """
    data = data.removeprefix(_MARK)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    texts: dict[str, str] = {}
    try:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        directories = [first]
        left = MOST_BYTES
        for directory in directories:
            for tag, kind, content in _entries(data, order, directory):
                if tag == EXIF_DIRECTORY and len(directories) == 1:
                    directories.append(struct.unpack(f"{order}I", content[:4])[0])
                name = NAME_BY_TAG.get(tag) or (f"tag {tag:#06x}" if 0x0100 <= tag < 0x0132 else "")
                if not name or kind not in TEXT_KINDS:
                    continue
                left -= len(content)
                if left < 0:
                    return texts
                text = decode_comment(content) if tag == 0x9286 else _decode(content, tag >= 0x9C9B)
                if text:
                    texts.setdefault(name, text)
    except struct.error:
        pass
    return texts


def _entries(data: bytes, order: str, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Tag, kind and bytes of a directory's entries."""
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for number in range(min(count, MOST_ENTRIES)):
        place = start + 2 + 12 * number
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, place)
        if tag == EXIF_DIRECTORY:
            yield tag, kind, data[place + 8 : place + 12]
            continue
        if kind not in TEXT_KINDS:
            continue
        if length <= 4:
            content = data[place + 8 : place + 8 + length]
        else:
            (offset,) = struct.unpack_from(f"{order}I", data, place + 8)
            content = data[offset : offset + min(length, MOST_BYTES)]
        yield tag, kind, content


def decode_comment(content: bytes) -> str:
    """A UserComment: eight bytes that name its code, and the text.

    UNICODE is UTF-16, whose byte order programs do not take from the file's as they should; so it is seen
    from the text. A comment without its eight bytes, or with zeros for them, is a text of any code.
    """
    code = content[:8].rstrip(b"\0 ").decode("latin-1").upper()
    if len(content) < 8 or code not in _CODES:
        return _decode(content, wide=False)
    body = content[8:]
    if code == "JIS":
        try:
            return body.decode("iso2022_jp").strip("\0")
        except UnicodeDecodeError:
            pass
    return _decode(body, wide=code == "UNICODE")


def _decode(content: bytes, wide: bool) -> str:
    """A text of unknown code: UTF-16 where it is said to be `wide` or looks like it, UTF-8, else Latin-1."""
    text = content.rstrip(b"\0")  # zeros that end and fill up a text say nothing of its code
    even, odd = text[0::2].count(0), text[1::2].count(0)
    marked = content[:2] in (b"\xfe\xff", b"\xff\xfe")
    if marked or max(even, odd) > len(text) // 8 or (wide and not _is_plain(content)):
        return _decode_wide(content, even, odd).strip("\0")
    content = content.strip(b"\0")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _is_plain(content: bytes) -> bool:
    """Whether bytes that should be UTF-16 are UTF-8: hardly any text of two-byte letters is."""
    try:
        text = content.strip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.replace("\n", "").isprintable()


def _decode_wide(content: bytes, even: int, odd: int) -> str:
    """UTF-16 in the order that its mark or its zeros say; without either, in the one with more plain text."""
    if content[:2] == b"\xfe\xff":
        return content[2:].decode("utf-16-be", "replace")
    if content[:2] == b"\xff\xfe":
        return content[2:].decode("utf-16-le", "replace")
    big, little = (content.decode(code, "replace") for code in ("utf-16-be", "utf-16-le"))
    if even != odd:
        return big if even > odd else little

    def strange(text: str) -> int:  # private and unpaired characters, and those of no script
        return sum(
            0xE000 <= ord(sign) <= 0xF8FF or sign == "\ufffd" or not sign.isprintable() for sign in text
        )

    return big if strange(big) <= strange(little) else little
