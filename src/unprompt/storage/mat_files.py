"""Variables of MATLAB's files (.mat of version 5 to 7), measured before scipy makes arrays of them.

scipy believes what a file says of its arrays: a few bytes may ask for a text of gigabytes, or for cells in
cells until the stack is at its end. Here is unpacked only what an honest file of its size may hold, and no
array is made that says that it has more than is there. The layout is MathWorks' own, "MAT-File Format".
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError, InputError
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 1 << 26  # of a file, packed and unpacked: a mask of 2,900 x 2,900 pixels in MATLAB's own double
MOST_CELLS = 100_000
DEEPEST = 4  # cells in cells
HEADER = 128  # bytes before the first variable
ORDERS = {b"IM": "<", b"MI": ">"}  # the last two bytes of the header
TOO_LARGE = "it has far more than any mask"
COMPRESSED, MATRIX = 15, 14  # types of elements
CELL, TEXT, NUMBERS = 1, 4, range(6, 16)  # classes of matrices; double comes first of the numbers


def read_variable(path: Path, name: str) -> NDArray[Any]:
    """An array of numbers, of texts, or of MATLAB's cells, by its name in a file.

    Raises InputError for a file that has no such variable, is damaged, or says that it has more than it has.
    """
    with needed_for("reading MATLAB's files", "pages", ConfigError):
        from scipy.io import loadmat
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(TOO_LARGE)
        content = path.read_bytes()
        order = ORDERS.get(content[HEADER - 2 : HEADER])
        if order is None:
            raise ValueError("not a MATLAB file of version 5 to 7")
        for variable in _variables(content, order):
            if _name_of(variable, order) == name:
                _check_matrix(variable, order, DEEPEST)
                header = b"MATLAB".ljust(HEADER - 4) + content[HEADER - 4 : HEADER]
                plain = header + struct.pack(order + "II", MATRIX, len(variable)) + variable
                found: NDArray[Any] = loadmat(io.BytesIO(plain))[name]
                return found
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    raise InputError(f"{path} has no variable '{name}'")


def _variables(content: bytes, order: str) -> Iterator[bytes]:
    """What stands in each matrix of a file, unpacked."""
    left = MOST_BYTES
    for kind, data in _elements(content[HEADER:], order, padded=False):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(data, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise ValueError(TOO_LARGE)
            yield from (inner for kind, inner in _elements(unpacked, order) if kind == MATRIX)
        elif kind == MATRIX:
            yield data


def _name_of(matrix: bytes, order: str) -> str:
    """A variable's name: the third element of its matrix, after its class and its shape."""
    parts = _elements(matrix, order)
    for _ in range(2):
        next(parts, None)
    _, name = next(parts, (0, b""))
    return name.decode("ascii", "replace")


def _check_matrix(matrix: bytes, order: str, deepest: int) -> None:
    """Raise ValueError for a matrix that says that it has more than it has, or of a kind not read here."""
    parts = list(islice(_elements(matrix, order), MOST_CELLS))
    if not 3 <= len(parts) < MOST_CELLS:
        raise ValueError("a variable is cut short, or has far more cells than there are names")
    (_, flags), (_, sides), _, *rest = parts
    kind = struct.unpack(order + "I", flags[:4])[0] & 0xFF
    shape = struct.unpack(f"{order}{len(sides) // 4}i", sides[: len(sides) // 4 * 4])
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"it says that it is {shape}")
    count, there = math.prod(shape), sum(len(data) for _, data in rest)
    if kind == CELL:
        if count != len(rest) or deepest == 0 or any(inner != MATRIX for inner, _ in rest):
            raise ValueError(f"it says that it has {count:,} cells, and there are {len(rest):,}")
        for _, cell in rest:
            if cell:
                _check_matrix(cell, order, deepest - 1)
    elif kind != TEXT and kind not in NUMBERS:
        raise ValueError(f"it has a matrix of class {kind}; only numbers, texts and cells are read")
    elif count > there:
        raise ValueError(f"it says that it has {count:,} values, and there are {there:,} bytes")


def _elements(content: bytes, order: str, padded: bool = True) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one after another: type, and bytes.

    `padded`: each begins at a multiple of eight bytes; compressed ones do not.
    """
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(order + "II", content, place)
        begin = place + 8
        if kind >> 16:  # a small one: its size, its type and up to four bytes
            kind, size, begin = kind & 0xFFFF, kind >> 16, place + 4
            if size > 4:
                raise ValueError("an element is damaged")
            place += 8
        else:
            if size > len(content) - begin:
                raise ValueError(f"an element says that it has {size:,} bytes, and there are fewer")
            place = begin + size + (-size % 8 if padded else 0)
        yield kind, content[begin : begin + size]
