"""Files within .tar and .zip archives, found once and then read by their places, as webdatasets need."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unprompt.errors import InputError
from unprompt.records import check_unique
from unprompt.storage.remote import AnyPath, read_span

TAR, ZIP = ".tar", ".zip"
ARCHIVES = frozenset({TAR, ZIP})
MOST_UNPACKED = 1 << 29  # bytes of one file
_BLOCK = tarfile.BLOCKSIZE
_ZIP_HEADER = struct.Struct("<4s4xH16xHH")  # signature, method, lengths of name and extra field
_BESIDE = 512  # bytes that are read with a header for what follows it, name and extra field
_ENCRYPTED = 1


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path there, and where its bytes begin and how many they are.

    Of a .zip: where its local header begins, and how many bytes it has as it is packed.
    """

    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        """The path without its ending: what a sample's files have in common."""
        return self.name.rpartition(".")[0]

    @property
    def ending(self) -> str:
        """With its dot, in small letters."""
        return "." + self.name.rpartition(".")[2].lower()


def is_archive(path: AnyPath) -> bool:
    """Whether a file's ending is that of an archive that can be read."""
    return path.suffix.lower() in ARCHIVES


def list_members(path: AnyPath) -> Iterator[Member]:
    """The files in an archive, in its order; hidden ones do not count.

    Raises InputError for one that is cut short or damaged, a .tar that is compressed, and a .zip that is
    encrypted or packed in another way than is usual.
    """
    for member in _in_zip(path) if path.suffix.lower() == ZIP else _in_tar(path):
        if not member.name.rpartition("/")[2].startswith("."):
            yield member


def _in_tar(path: AnyPath) -> Iterator[Member]:
    """Only headers are read, and one is in memory at a time."""
    try:
        total = path.stat().st_size
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            while (found := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would grow by every file
                whole = found.isreg() and found.sparse is None
                if whole and found.offset_data + found.size > total:
                    raise InputError(f"{path} is cut short (in {found.name}); copy it anew")
                if whole:
                    yield Member(found.name.removeprefix("./"), found.offset_data, found.size)
            end = archive.offset
            stream.seek(end)
            if any(stream.read(_BLOCK)):  # tarfile takes a damaged header for the end
                raise InputError(f"{path} is damaged at byte {end:,}; copy it anew")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} cannot be read as a tar archive ({error}); it must be whole and not compressed"
        ) from error


def _in_zip(path: AnyPath) -> Iterator[Member]:
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            found = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be read as a zip archive ({error}); copy it anew") from error
    for entry in found:
        if entry.flag_bits & _ENCRYPTED:
            raise InputError(f"{path} is encrypted ({entry.filename}); unpack it first")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{path} is packed in a way that is not known here; unpack it first")
        yield Member(entry.filename.removeprefix("./"), entry.header_offset, entry.compress_size)


def read_member(path: AnyPath, offset: int, size: int) -> bytes:
    """A member's bytes by its place; of a .tar fewer where the file ends before.

    Raises OSError, and InputError where a .zip is damaged at the place.
    """
    if path.suffix.lower() != ZIP:
        return read_span(path, offset, size)
    found = read_span(path, offset, _ZIP_HEADER.size + _BESIDE + size)
    if len(found) < _ZIP_HEADER.size or not found.startswith(b"PK\3\4"):
        raise InputError(f"{path} is damaged at byte {offset:,}, or was replaced; copy it anew")
    _, method, name, extra = _ZIP_HEADER.unpack_from(found)
    begin = _ZIP_HEADER.size + name + extra
    content = found[begin : begin + size]
    if name + extra > _BESIDE:
        content = read_span(path, offset + begin, size)
    if method == zipfile.ZIP_STORED:
        return content
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacking.decompress(content, MOST_UNPACKED)
    except zlib.error as error:
        raise InputError(f"{path} is damaged after byte {offset:,} ({error}); copy it anew") from error
    if not unpacking.eof:
        what = "holds a file of more than 512 MiB" if unpacking.unconsumed_tail else "is cut short"
        raise InputError(f"{path} {what}, at byte {offset:,}")
    return unpacked


def ids_of_members(places: Sequence[tuple[AnyPath, Member]], source: AnyPath) -> list[str]:
    """Ids of images in archives: stems; where two are the same, the paths there, then with its name.

    Raises InputError, with `source`, where two are the same all the same.
    """
    ids = [member.key.rpartition("/")[2] for _, member in places]
    for longer in (
        [member.key for _, member in places],
        [f"{archive.stem}/{member.key}" for archive, member in places],
        [f"{archive.stem}/{member.name}" for archive, member in places],
    ):
        counts = Counter(ids)
        ids = [new if counts[old] > 1 else old for old, new in zip(ids, longer, strict=True)]
    check_unique(ids, f"the archives in {source}")
    return ids
