"""Cores with work of their own: in order, a few ahead, and torch is afterwards as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from unprompt.networks.cores import each_on_a_core, keep_ahead


@pytest.fixture
def three_cores() -> Iterator[None]:
    """What torch is told that it may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


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


@pytest.mark.usefixtures("three_cores")
def test_each_core_has_items_of_its_own_and_computes_alone() -> None:
    together = threading.Barrier(3, timeout=60)  # passed where three work at the same time

    def call(item: int) -> tuple[int, int]:
        together.wait()
        return item, torch.get_num_threads()

    assert list(each_on_a_core(call, range(6))) == [(item, 1) for item in range(6)]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_cores")
def test_too_few_items_are_done_here_with_all_cores_at_each() -> None:
    here = threading.get_ident()
    found = each_on_a_core(lambda item: (item, threading.get_ident(), torch.get_num_threads()), range(2))
    assert list(found) == [(0, here, 3), (1, here, 3)]


@pytest.mark.usefixtures("three_cores")
def test_an_error_ends_the_work_soon() -> None:
    begun: list[int] = []

    def call(item: int) -> int:
        begun.append(item)
        return 1 // (item - 1)

    with pytest.raises(ZeroDivisionError):
        list(each_on_a_core(call, range(1000)))
    assert len(begun) < 20
    assert torch.get_num_threads() == 3
