"""Files within .tar archives, found once and then read by their offsets, as webdatasets need."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import InputError

TAR = ".tar"
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path there, and where its bytes begin and how many they are."""

    name: str
    offset: int
    size: int


def find_tars(folder: Path) -> list[Path]:
    """The .tar files of a folder, by name; hidden ones do not count."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == TAR and not path.name.startswith(".") and path.is_file()
    ]


def list_members(path: Path) -> Iterator[Member]:
    """The files in an archive, in its order; only their headers are read, and one is in memory at a time.

    Hidden ones do not count. Raises InputError for an archive that is compressed, cut short or damaged.
    """
    try:
        total = path.stat().st_size
        with tarfile.open(path, "r:") as archive:
            while (found := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would grow by every file
                whole = found.isreg() and found.sparse is None
                if whole and found.offset_data + found.size > total:
                    raise InputError(f"{path} is cut short (in {found.name}); copy it anew")
                if whole and not found.name.rpartition("/")[2].startswith("."):
                    yield Member(found.name, found.offset_data, found.size)
            end = archive.offset
        with path.open("rb") as stream:
            stream.seek(end)
            if any(stream.read(_BLOCK)):  # tarfile takes a damaged header for the end
                raise InputError(f"{path} is damaged at byte {end:,}; copy it anew")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} cannot be read as a tar archive ({error}); it must be whole and not compressed"
        ) from error


def read_span(path: Path, offset: int, size: int) -> bytes:
    """`size` bytes of a file from `offset` on; fewer where it ends before. Raises OSError."""
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
