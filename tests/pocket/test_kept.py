"""What is kept of what was drawn stays within a bound, whatever sizes are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from unprompt.pocket import kept as kept_module
from unprompt.pocket.dice import Dice
from unprompt.pocket.kept import Kept, keep_array
from unprompt.pocket.textures import clouds


def test_what_was_used_longest_ago_makes_room() -> None:
    kept: Kept[str, bytes] = Kept(len, memory=10)
    kept.add("a", b"1234")
    kept.add("b", b"1234")
    assert kept.get("a") == b"1234"
    kept.add("c", b"1234")  # 12 bytes: b goes
    assert [kept.get(name) for name in "abc"] == [b"1234", None, b"1234"]
    kept.add("a", b"123456")  # in place of the one before: 10 bytes
    assert [kept.get(name) for name in "ac"] == [b"123456", b"1234"]
    kept.add("d", b"x" * 50)  # larger than all: it alone
    assert [kept.get(name) for name in "acd"] == [None, None, b"x" * 50]


def test_a_function_is_called_again_where_there_was_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "_arrays", Kept(lambda array: array.nbytes, memory=20))
    calls = []

    @keep_array
    def squares(count: int, step: int = 1) -> np.ndarray:
        calls.append((count, step))
        return np.arange(0, count * step, step, dtype=np.int32) ** 2

    assert squares(2, step=3).tolist() == [0, 9]
    assert squares(2, step=3) is squares(2, step=3)
    assert squares(4).tolist() == [0, 1, 4, 9]
    assert squares(2, step=3).tolist() == [0, 9]
    assert calls == [(2, 3), (4, 1), (2, 3)]


def test_clouds_of_many_sizes_take_no_more_than_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drawing's size is another sheet: a server that paints for days met them all."""
    room = Kept(lambda array: array.nbytes, memory=2**20)
    monkeypatch.setattr(kept_module, "_arrays", room)
    first = clouds(40, 40, 5, Dice(3)).copy()
    for side in range(40, 200):
        clouds(side, side, side // 8, Dice(side))
    assert room._bytes <= 2**20
    assert (clouds(40, 40, 5, Dice(3)) == first).all()
