"""Drawings of strangers: damaged files of all kinds are read or refused, within bounded time and memory."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

import pytest

from tests.doodles.attacks import attacks
from tests.fuzzing import Attack, run, try_one
from unprompt.doodles.read import read_doodles


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_drawings(tmp_path: Path) -> None:
    for attack in attacks(tmp_path):
        for name, content in attack.seeds:
            attack.read(name, content)
        assert [escape for escape in run(attack, Random(8), 250) if escape] == []


BOMBS = {
    "a.ndjson": b'{"drawing": ' + b"[" * 200_000,
    "b.ndjson": b'{"drawing": [[[' + b"9" * 5000 + b"], [1]]]}\n",
    "c.ndjson": b'{"drawing": [[[1e400, 2], [NaN, 1]]]}\n',
    "d.ndjson.gz": gzip.compress(b"\n" * 50_000_000),
    "e.ndjson.gz": gzip.compress(b" " * 100_000_000),
    "e.bin.gz": gzip.compress(b"\0" * 50_000_000),
    "f.bin": b"\1" * 15 + b"\xff\xff" + b"\xff" * 100,
    "g.json": b"[" * 100_000,
    "h.json": b'{"strokes": ' + b'{"strokes": ' * 20_000,
    "i.json": b'[[' + b"[1, 1e308]," * 10 + b"[1, 1]]]",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BOMBS[name])
    attack = Attack("bombs", [], lambda name, content: list(read_doodles(tmp_path / name)))
    assert try_one(attack, name, b"") is None
