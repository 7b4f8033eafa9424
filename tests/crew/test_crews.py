"""This process and several others do the same work, in order, and tell what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.crew.squares import Squares
from unprompt.crew.here import Here
from unprompt.crew.hiring import hire
from unprompt.crew.processes import Processes
from unprompt.crew.work import Crew
from unprompt.errors import CheckpointError, InputError

CREWS = [pytest.param(Here(1), id="here"), pytest.param(Processes(2), id="processes", marks=pytest.mark.slow)]


@pytest.mark.parametrize("crew", CREWS)
def test_every_job_is_done_in_order(crew: Crew) -> None:
    done = list(crew.do(Squares(), range(20)))
    assert [(job, square) for job, (square, _) in done] == [(n, n * n) for n in range(20)]
    assert ({pid for _, (_, pid) in done} == {os.getpid()}) is isinstance(crew, Here)


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("crew", CREWS)
def test_errors_are_told(crew: Crew) -> None:
    with pytest.raises(InputError, match="7 has no square here"):
        list(crew.do(Squares(fail_at=7), range(20)))
    with pytest.raises(CheckpointError, match="the squares are closed"):
        list(crew.do(Squares(closed=True), range(20)))


def test_nothing_is_asked_of_the_jobs_where_the_work_cannot_begin() -> None:
    asked = []

    def jobs() -> Iterator[int]:
        asked.append(0)
        yield 0

    with pytest.raises(CheckpointError):
        list(Here(1).do(Squares(closed=True), jobs()))
    assert asked == []


@pytest.mark.parametrize("most", [1, 2, 3])
def test_jobs_are_begun_ahead_and_no_more_than_allowed(most: int) -> None:
    asked: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(6):
            asked.append(number)
            yield number

    with closing(Here(1).do(Squares(), jobs(), most=lambda: most)) as done:
        next(done)
        assert len(asked) == most
    with closing(Here(1).do(Squares(), jobs())) as done:
        asked.clear()
        next(done)
        assert len(asked) == 3  # as many as the work wants


def test_without_a_cluster_this_process_works() -> None:
    with hire(None, 3) as crew:
        assert isinstance(crew, Here)
        assert crew.device("cpu") == "cpu"
