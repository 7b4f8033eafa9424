"""What a .npy or .npz file says it holds, compared with what it has, before anything is allocated for it."""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import InputError
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.remote import AnyPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 1 << 26  # bytes that a packed file may always unpack to
PACKED = 100  # times its size that a larger one may: deflate makes a thousandth of zeros
_MEMBER_HEADER = struct.Struct("<26xHH")  # in a ZIP file: lengths of name and extra field, which follow


def load_array(path: Path, mapped: bool = False) -> NDArray[Any]:
    """The array of a .npy file, never unpickled; `mapped`: left on the disk.

    Raises what DAMAGED_ARRAYS lists for a file that cannot be read, ValueError for one that says that it has
    more than it has.
    """
    with path.open("rb") as stream:
        _check_header(stream, path.stat().st_size)
    loaded: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return loaded


def map_array(path: Path, name: str) -> NDArray[Any]:
    """An array of an .npz that is not compressed, left on the disk.

    Raises what DAMAGED_ARRAYS lists for a file that cannot be read so.
    """
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its array '{name}' is compressed")
        stream.seek(member.header_offset)
        lengths = _MEMBER_HEADER.unpack(stream.read(_MEMBER_HEADER.size))
        stream.seek(sum(lengths), os.SEEK_CUR)
        shape, by_column, kind = _check_header(stream, member.file_size)
        if kind.hasobject:
            raise ValueError(f"its array '{name}' is of objects")
        return np.memmap(stream, kind, "r", stream.tell(), shape, "F" if by_column else "C")


def check_packed(path: AnyPath, names: Sequence[str] | None = None) -> None:
    """Compare what the arrays of an .npz say with what is there; `names`: of these alone.

    Raises InputError for one that says that it has more than it has, or that unpacks to far more than any
    honest file does; and what DAMAGED_ARRAYS lists.
    """
    left = max(LEAST, PACKED * path.stat().st_size)
    with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            if names is not None and member.filename.removesuffix(".npy") not in names:
                continue
            left -= member.file_size
            if left < 0:
                raise InputError(f"{path} unpacks to far more than any honest file of its size; get it again")
            with archive.open(member) as stream:
                if member.filename.endswith(".npy"):
                    _check_header(stream, member.file_size)


def _check_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether column by column, and type of an array of `size` bytes, header and all.

    Raises ValueError where it says that it is larger.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, by_column, kind = read(stream)
    except DAMAGED_ARRAYS as error:
        raise ValueError(f"its header cannot be read ({' '.join(str(error).split())[:100]})") from error
    if any(side < 0 for side in shape):
        raise ValueError(f"its header says that it is {shape}")
    says = math.prod(shape) * max(1, kind.itemsize)
    if not kind.hasobject and says > size:  # of objects numpy itself says that they are never read here
        raise ValueError(f"its header says that it has {says:,} bytes, and there are {size:,}")
    return shape, by_column, kind
