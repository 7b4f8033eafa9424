"""MATLAB's files of strangers: honest ones as scipy has them, others refused in bounded time and memory."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.fuzzing import Attack, run, try_one
from unprompt.errors import InputError
from unprompt.storage.mat_files import read_variable

scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed")

CELL, TEXT, STRUCT, DOUBLE, BYTES = 1, 4, 2, 6, 9  # classes of matrices
HEAD = b"MATLAB".ljust(124) + struct.pack("<H", 0x100) + b"IM"


def cells(*values: object) -> np.ndarray:
    found = np.empty((len(values), 1), object)
    found[:, 0] = values
    return found


HONEST = {
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "doubles": np.linspace(-1, 1, 10).reshape(2, 5),
    "complex": np.array([[1 + 2j, 3]]),
    "empty": np.zeros((0, 3)),
    "text": np.array(["a bird"]),
    "names": cells("bird", "a tree", "größe"),
    "deep": cells(cells("bird", np.eye(2)), cells()),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HONEST)
def test_honest_files_are_read_as_scipys_own(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / "a.mat"
    scipy_io.savemat(path, {"first": np.eye(3), name: HONEST[name], "z": 1}, do_compression=packed)
    assert repr(read_variable(path, name)) == repr(scipy_io.loadmat(path)[name])


def test_a_variable_that_is_not_there(tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "a.mat", {"b": np.eye(2)})
    with pytest.raises(InputError, match="has no variable 'c'"):
        read_variable(tmp_path / "a.mat", "c")


def element(kind: int, data: bytes, size: int | None = None) -> bytes:
    return struct.pack("<II", kind, len(data) if size is None else size) + data + b"\0" * (-len(data) % 8)


def matrix(kind: int, sides: tuple[int, ...], *parts: bytes) -> bytes:
    """A variable called a."""
    shape = struct.pack(f"<{len(sides)}i", *sides)
    head = element(6, struct.pack("<II", kind, 0)) + element(5, shape) + element(1, b"a")
    return element(14, head + b"".join(parts))


def packed(content: bytes) -> bytes:
    data = zlib.compress(content)
    return struct.pack("<II", 15, len(data)) + data


def nested(depth: int) -> bytes:
    found = matrix(DOUBLE, (1, 1), element(9, b"\0" * 8))
    for _ in range(depth):
        found = matrix(CELL, (1, 1), found)
    return found


ZEROS = b"\0" * (65 << 20)
BOMBS = {
    "packed a thousand times": packed(matrix(BYTES, (1 << 10, 65 << 10), element(2, ZEROS))),
    "says gigabytes": matrix(BYTES, (1 << 15, 1 << 15), element(2, b"\0" * 8)),
    "says gigabytes, in its data too": matrix(BYTES, (1 << 15, 1 << 15), element(2, b"\0" * 8, 1 << 30)),
    "a text of gigabytes": matrix(TEXT, (1, 1 << 31 - 1), element(16, b"")),
    "a text of no bytes": matrix(TEXT, (1 << 15, 1 << 15)),
    "cells without number": matrix(CELL, (1 << 14, 1 << 14)),
    "more cells than there are names": matrix(CELL, (1 << 10, 1 << 10), *[matrix(CELL, (0, 0))] * (1 << 18)),
    "cells in cells": nested(100),
    "a text in a cell": matrix(CELL, (1, 1), matrix(TEXT, (1 << 15, 1 << 15), element(16, b""))),
    "structures without number": matrix(STRUCT, (1 << 14, 1 << 14), element(5, struct.pack("<i", 8))),
    "a negative side": matrix(DOUBLE, (-1, 2), element(9, b"\0" * 16)),
    "one side": matrix(DOUBLE, (1,), element(9, b"\0" * 8)),
    "nothing in it": element(14, b""),
    "packed nothing": struct.pack("<II", 15, 0),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(HEAD + BOMBS[name])

    def refuse(name: str, content: bytes) -> None:
        with pytest.raises(InputError, match=r"a\.mat") as told:
            read_variable(path, "a")
        assert "\n" not in str(told.value)

    assert try_one(Attack("", [], refuse), name, b"") is None


def test_many_that_are_packed_have_a_limit_together(tmp_path: Path) -> None:
    one = packed(matrix(BYTES, (1 << 10, 9 << 10), element(2, ZEROS[: 9 << 20])))
    (tmp_path / "a.mat").write_bytes(HEAD + one * 8)
    with pytest.raises(InputError, match="far more than any mask"):
        read_variable(tmp_path / "a.mat", "another")


@pytest.mark.parametrize("head", [b"\0" * 128, b"MATLAB 7.3 MAT-file".ljust(128), b"", b"IM"])
def test_files_of_other_versions(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(head + matrix(DOUBLE, (1, 1), element(9, b"\0" * 8)))
    with pytest.raises(InputError, match="version 5 to 7"):
        read_variable(tmp_path / "a.mat", "a")


def attacks(folder: Path) -> list[Attack]:
    """Honest files of MATLAB, packed and not, to be damaged."""
    seeds = []
    for name, value in HONEST.items():
        for squeezed in (False, True):
            stream = BytesIO()
            scipy_io.savemat(stream, {"a": value}, do_compression=squeezed)
            seeds.append((f"{name}.mat", stream.getvalue()))

    def read(name: str, content: bytes) -> Any:
        path = folder / "damaged.mat"
        path.write_bytes(content)
        return read_variable(path, "a")

    return [Attack("MATLAB's files", seeds, read)]


def test_damaged_files(tmp_path: Path) -> None:
    (attack,) = attacks(tmp_path)
    assert [escape for escape in run(attack, Random(8), 400) if escape] == []
