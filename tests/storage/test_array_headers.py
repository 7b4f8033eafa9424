"""Arrays of strangers: what a header says is compared with what the file has, before it is allocated."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.fuzzing import Attack, run, try_one
from unprompt.errors import InputError
from unprompt.storage.array_headers import load_array, map_array
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.files import read_arrays


def npy(header: str, data: bytes = b"\0" * 64, version: tuple[int, int] = (1, 0)) -> bytes:
    """A .npy file with a header of its own."""
    text = header.encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def says(shape: str, kind: str = "'<f4'") -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}"


HEADERS = {
    "terabytes": npy(says("(1000000, 1000000)")),
    "exabytes": npy(says("(1000000000, 1000000000, 1000000000)")),
    "forty gigabytes": npy(says("(10000000000,)")),
    "of nothing": npy(says("(4611686018427387904,)", "'|V0'")),
    "texts of nothing": npy(says("(4611686018427387904,)", "'<U0'")),
    "within a kind": npy(says("(1,)", "('<f4', (100000, 100000))")),
    "a long text": npy(says("(1,)", "'<U536870911'")),
    "negative": npy(says("(-1, 4)")),
    "brackets": npy("(" * 5000),
    "more brackets": npy("(" * 60_000),
    "many brackets": npy("[" * 900_000, version=(2, 0)),
    "minus": npy("-" * 9000 + "1"),
    "no dictionary": npy("[1, 2]"),
    "other keys": npy("{'a': 1}"),
    "a call": npy("__import__('os').system('true')"),
    "a shape of texts": npy(says("('a',)")),
    "an unknown kind": npy(says("(1,)", "'<q99'")),
    "another version": npy(says("(4,)"), version=(9, 9)),
    "a header of 4 GB": b"\x93NUMPY\2\0\xff\xff\xff\xff{",
    "a header cut short": b"\x93NUMPY\1\0\xff\xff{'descr'",
    "a magic": b"\x93NUMPY",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_headers_that_say_more_than_there_is(tmp_path: Path, content: bytes) -> None:
    alone, packed = tmp_path / "a.npy", tmp_path / "a.npz"
    alone.write_bytes(content)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)

    def read(name: str, _: bytes) -> None:
        with pytest.raises(InputError) as told:
            read_arrays(packed, ("a",))
        assert "\n" not in str(told.value)
        for mapped in (False, True):
            with pytest.raises(DAMAGED_ARRAYS):
                load_array(alone, mapped)

    assert try_one(Attack("arrays", [], read), "a", content) is None


def test_what_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    """What the archive itself says is enough."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as stream:
        stream.write(npy(says("(68000000,)", "'|u1'"), b""))
        stream.write(b"\0" * 68_000_000)
    assert path.stat().st_size < 200_000
    with pytest.raises(InputError, match="unpacks to far more"):
        read_arrays(path, ("a",))


def test_honest_arrays_are_read(tmp_path: Path) -> None:
    arrays = {
        "numbers": np.arange(12.0).reshape(3, 4),
        "none": np.zeros((0, 384), np.float32),
        "one": np.array(7),
        "texts": np.array(["a", "bcd"]),
        "empty texts": np.array(["", ""]),
        "zeros": np.zeros(1_000_000, np.uint8),
        "turned": np.asfortranarray(np.arange(12).reshape(3, 4)),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    back = read_arrays(tmp_path / "a.npz", list(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), array)


def test_an_array_of_an_npz_is_left_on_the_disk(tmp_path: Path) -> None:
    arrays = {
        "texts": np.array(["a", "bcd"]),
        "one": np.array(7),
        "turned": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "half": np.arange(3, dtype=np.float16)[:, None],
    }
    np.savez(tmp_path / "a.npz", **arrays)
    for name, array in arrays.items():
        mapped = map_array(tmp_path / "a.npz", name)
        assert isinstance(mapped, np.memmap)
        assert mapped.dtype == array.dtype
        np.testing.assert_array_equal(mapped, array)
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    with pytest.raises(ValueError, match="its array 'half' is compressed"):
        map_array(tmp_path / "b.npz", "half")
    np.savez(tmp_path / "c.npz", names=np.array(["a", None]))
    with pytest.raises(ValueError, match="its array 'names' is of objects"):
        map_array(tmp_path / "c.npz", "names")
    with pytest.raises(KeyError):
        map_array(tmp_path / "a.npz", "other")


def attacks(folder: Path) -> list[Attack]:
    """Arrays to be damaged, alone and packed."""
    np.save(folder / "a.npy", np.arange(12.0).reshape(3, 4))
    np.savez(folder / "a.npz", a=np.arange(12), b=np.array(["x", "y"]))
    np.savez_compressed(folder / "b.npz", a=np.arange(12), b=np.ones((2, 28, 28), np.uint8))
    seeds = [(name, (folder / name).read_bytes()) for name in ("a.npy", "a.npz", "b.npz")]

    def read(name: str, content: bytes) -> None:
        path = folder / f"damaged-{name}"
        path.write_bytes(content)
        try:
            if name.endswith(".npz"):
                map_array(path, "a").sum()
                read_arrays(path, ("a", "b"))
                return
            load_array(path)
        except DAMAGED_ARRAYS as error:
            raise InputError(str(error)) from error

    return [Attack("arrays", seeds, read)]


def test_damaged_arrays(tmp_path: Path) -> None:
    for attack in attacks(tmp_path):
        assert [escape for escape in run(attack, Random(8), 400) if escape] == []
