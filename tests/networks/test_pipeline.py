from __future__ import annotations

import pytest

from unprompt.networks.pipeline import keep_ahead


@pytest.mark.parametrize("ahead", [0, 1, 3, 9])
def test_keep_ahead_begins_so_many_before_one_is_handed_out(ahead: int) -> None:
    begun: list[int] = []

    def begin(item: int) -> str:
        begun.append(item)
        return f"work {item}"

    for number, (item, work) in enumerate(keep_ahead(range(5), begin, ahead)):
        assert (item, work) == (number, f"work {number}")
        assert begun == list(range(min(number + ahead + 1, 5)))
    assert begun == list(range(5))
    assert not list(keep_ahead([], begin, ahead))
