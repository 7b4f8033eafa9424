"""GGUF, llama.cpp's file of a language model: its metadata and its tensors, in one file.

Layout: docs/gguf.md of ggml-org/ggml (magic, version, counts, key-value pairs, tensors' names with shape,
kind and offset, then the aligned data). The blocks of 32 weights of quantised tensors: ggml-common.h there.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unprompt.errors import CheckpointError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where the metadata names no other
BLOCK = 32  # weights in a block of a quantised tensor

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metadata by key, and the tensors by name, dequantised to float32, rows first.

    Raises CheckpointError for a file that is missing, cut short or no GGUF, and for kinds of tensors that are
    not read here.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(data, path)
    except (OSError, ValueError, TypeError, RuntimeError, struct.error, OverflowError, MemoryError) as error:
        raise CheckpointError(f"{path} cannot be read as GGUF ({error}); get it again") from error


def _read(data: mmap.mmap, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if data[:4] != MAGIC:
        raise CheckpointError(f"{path} is no GGUF file; it begins with {data[:4]!r}")
    cursor = _Cursor(data, 4)
    version = cursor.number("I")
    if version not in VERSIONS:
        raise CheckpointError(f"{path} is GGUF version {version}; known: {', '.join(map(str, VERSIONS))}")
    tensor_count, key_count = cursor.number("Q"), cursor.number("Q")
    metadata = {}
    for _ in range(key_count):
        key = cursor.text()
        metadata[key] = cursor.value(cursor.number("I"))
    entries = []
    for _ in range(tensor_count):
        name = cursor.text()
        shape = [cursor.number("Q") for _ in range(cursor.number("I"))][::-1]
        entries.append((name, shape, cursor.number("I"), cursor.number("Q")))
    alignment = int(metadata.get("general.alignment", ALIGNMENT))
    if alignment < 1:
        raise ValueError(f"an alignment of {alignment}")
    begin = -(-cursor.place // alignment) * alignment
    tensors = {}
    left = len(data)
    for name, shape, kind, offset in entries:
        if kind not in _KINDS:
            known = ", ".join(label for label, _, _, _ in _KINDS.values())
            raise CheckpointError(
                f"{path}: the tensor {name} is of ggml's kind {kind}; read here are {known}"
            )
        _, block, size, decode = _KINDS[kind]
        length = math.prod(shape) // block * size
        left -= length
        if left < 0:
            raise ValueError("its tensors lie one upon another")
        place = begin + offset
        if place + length > len(data):
            raise CheckpointError(f"{path} is cut short: the tensor {name} ends after the file; get it again")
        tensors[name] = decode(data[place : place + length]).view(shape)
    return metadata, tensors


class _Cursor:
    """A place in a file, moved on by what is read there. Raises struct.error or ValueError past the end."""

    def __init__(self, data: mmap.mmap, place: int) -> None:
        self._data = data
        self.place = place

    def number(self, form: str) -> Any:
        (found,) = struct.unpack_from(f"<{form}", self._data, self.place)
        self.place += struct.calcsize(f"<{form}")
        return found

    def text(self) -> str:
        length = self.number("Q")
        self.place += length
        if self.place > len(self._data):
            raise ValueError("a text ends after the file")
        return self._data[self.place - length : self.place].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            return [self.value(inner) for _ in range(count)]
        if kind not in _NUMBERS:
            raise ValueError(f"a value of the unknown kind {kind}")
        return self.number(_NUMBERS[kind])


def _bytes(data: bytes, width: int) -> Any:
    """Bytes as a uint8 tensor (N, width)."""
    import torch

    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, width)


def _halves(column: Any) -> Any:
    """(N, 2) bytes -> (N, 1) float32, each two a float16."""
    import torch

    return column.contiguous().view(torch.float16).float()


def _float32(data: bytes) -> Any:
    import torch

    return _bytes(data, 4).view(torch.float32)


def _float16(data: bytes) -> Any:
    return _halves(_bytes(data, 2))


def _nibbles(codes: Any) -> Any:
    """(N, 16) bytes -> (N, 32) float32 of 0 to 15: all low halves, then all high ones."""
    import torch

    weights = torch.empty(len(codes), BLOCK)
    weights[:, : BLOCK // 2] = codes & 15
    weights[:, BLOCK // 2 :] = codes >> 4
    return weights


def _q4_0(data: bytes) -> Any:
    """Scale, 16 bytes of codes: weight = scale * (code - 8)."""
    blocks = _bytes(data, 18)
    return _nibbles(blocks[:, 2:]).sub_(8).mul_(_halves(blocks[:, :2]))


def _q4_1(data: bytes) -> Any:
    """Scale, least, 16 bytes of codes: weight = scale * code + least."""
    blocks = _bytes(data, 20)
    return _nibbles(blocks[:, 4:]).mul_(_halves(blocks[:, :2])).add_(_halves(blocks[:, 2:4]))


def _q8_0(data: bytes) -> Any:
    """Scale, 32 signed bytes: weight = scale * code."""
    import torch

    blocks = _bytes(data, 34)
    return blocks[:, 2:].view(torch.int8).float().mul_(_halves(blocks[:, :2]))


# ggml's number of a kind -> its name, weights and bytes of a block, and what decodes blocks.
_KINDS: Mapping[int, tuple[str, int, int, Callable[[bytes], Any]]] = {
    0: ("F32", 1, 4, _float32),
    1: ("F16", 1, 2, _float16),
    2: ("Q4_0", BLOCK, 18, _q4_0),
    3: ("Q4_1", BLOCK, 20, _q4_1),
    8: ("Q8_0", BLOCK, 34, _q8_0),
}
