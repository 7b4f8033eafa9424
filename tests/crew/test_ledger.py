"""Jobs are handed out once, again where their worker was lost, and given out in order where that is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unprompt.crew.ledger import LOSSES, Ledger
from unprompt.errors import RunError

MANY = 100


def take_all(ledger: Ledger[str, int], ahead: int = MANY) -> list[tuple[int, str]]:
    taken = []
    while (one := ledger.take(ahead)) is not None:
        taken.append(one)
    return taken


def test_jobs_are_given_out_in_their_order() -> None:
    ledger: Ledger[str, int] = Ledger("abc")
    assert take_all(ledger) == [(0, "a"), (1, "b"), (2, "c")]
    assert ledger.finish(2, 30) == []
    assert ledger.finish(0, 10) == [("a", 10)]
    assert not ledger.is_over
    assert ledger.finish(1, 20) == [("b", 20), ("c", 30)]
    assert ledger.is_over


def test_or_as_they_are_done() -> None:
    ledger: Ledger[str, int] = Ledger("abc", ordered=False)
    take_all(ledger)
    assert ledger.finish(2, 30) == [("c", 30)]
    assert ledger.finish(0, 10) == [("a", 10)]


def test_a_lost_job_comes_before_all_others() -> None:
    ledger: Ledger[str, int] = Ledger("abcde")
    taken = [ledger.take(MANY) for _ in range(3)]
    assert taken == [(0, "a"), (1, "b"), (2, "c")]
    ledger.lose([2, 1], "gone")
    assert take_all(ledger) == [(1, "b"), (2, "c"), (3, "d"), (4, "e")]


def test_what_waits_for_its_turn_is_bounded() -> None:
    """The first job is not done: only so many after it are taken. A lost one is taken all the same."""
    ledger: Ledger[str, int] = Ledger("abcdefgh")
    assert len(take_all(ledger, ahead=3)) == 3
    ledger.finish(1, 0)
    ledger.finish(2, 0)
    assert take_all(ledger, ahead=3) == []
    ledger.lose([0], "gone")
    assert take_all(ledger, ahead=3) == [(0, "a")]
    assert len(ledger.finish(0, 0)) == 3
    assert len(take_all(ledger, ahead=3)) == 3


def test_a_job_that_ends_its_workers_ends_the_work() -> None:
    ledger: Ledger[str, int] = Ledger("ab")
    for _ in range(LOSSES - 1):
        assert ledger.take(MANY) == (0, "a")
        ledger.lose([0], "gone")
    ledger.take(MANY)
    with pytest.raises(RunError, match=r"3 workers were lost with the same job.*gone.*stays done"):
        ledger.lose([0], "gone")


def test_only_so_many_are_under_way() -> None:
    most = 1
    ledger: Ledger[str, int] = Ledger("abc", most=lambda: most)
    assert take_all(ledger) == [(0, "a")]
    most = 2
    assert take_all(ledger) == [(1, "b")]


def test_no_job_is_asked_for_before_it_is_taken() -> None:
    asked = []

    def jobs() -> Iterator[int]:
        for number in range(3):
            asked.append(number)
            yield number

    ledger: Ledger[int, int] = Ledger(jobs())
    assert asked == []
    ledger.take(MANY)
    assert asked == [0]


def test_no_jobs() -> None:
    ledger: Ledger[str, int] = Ledger(())
    assert ledger.take(MANY) is None
    assert ledger.is_over
