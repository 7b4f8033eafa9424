"""The worker's queue: who is answered together, who is sent away, and whose work stops."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from unprompt.progress import Tell
from unprompt.serving.stops import AbandonedError
from unprompt.serving.worker import BusyError, Course, Kind, Worker

PATIENCE = 60  # seconds


class Bench:
    """Work that waits to be let go, so that a test decides what is queued meanwhile."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Any]]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def kind(self, name: str, together: int = 1) -> Kind:
        def work(items: Sequence[Any], _: Tell) -> list[str]:
            self.calls.append((name, list(items)))
            self.begun.release()
            assert self.go.acquire(timeout=PATIENCE)
            if "bad" in items:
                raise ValueError("a bad item")
            return [f"{name} {item}" for item in items]

        return Kind(name, work, together)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=PATIENCE)


def run(
    scenario: Callable[[Bench, Worker], Awaitable[None]], capacity: int = 16, longest_wait: float = math.inf
) -> Bench:
    """Play a scenario on a new worker and close it."""
    bench = Bench()

    async def played() -> None:
        worker = Worker(capacity, longest_wait=longest_wait)
        try:
            await asyncio.wait_for(scenario(bench, worker), PATIENCE)
        finally:
            bench.go.release(100)
            await worker.close()

    asyncio.run(played())
    return bench


async def queued(worker: Worker, kind: Kind, *items: Any) -> asyncio.Task[Sequence[Any]]:
    """A request that has taken its place in the queue."""
    task = asyncio.ensure_future(worker.run(kind, items))
    await asyncio.sleep(0)
    return task


def test_requests_that_wait_are_answered_together_in_their_order() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        embed, paint = bench.kind("embed", together=4), bench.kind("paint")
        first = await queued(worker, embed, 0)
        await bench.has_begun()
        others = [
            await queued(worker, kind, *items)
            for kind, items in [
                (embed, (1, 2)),
                (paint, (3,)),
                (embed, (4, 5, 6)),
                (embed, (7,)),
                (paint, (8,)),
            ]
        ]
        bench.go.release(10)
        answers = [await task for task in (first, *others)]
        assert answers == [
            ["embed 0"],
            ["embed 1", "embed 2"],
            ["paint 3"],
            ["embed 4", "embed 5", "embed 6"],
            ["embed 7"],
            ["paint 8"],
        ]

    bench = run(scenario)
    assert bench.calls == [
        ("embed", [0]),  # who comes first waits for nobody
        ("embed", [1, 2, 7]),  # with 4, 5 and 6 it would be more than four
        ("paint", [3]),
        ("embed", [4, 5, 6]),
        ("paint", [8]),  # painted alone
    ]


def test_those_who_were_answered_together_are_waited_for_when_the_first_asks_again() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        embed = bench.kind("embed", together=4)
        first = await queued(worker, embed, 0)
        await bench.has_begun()
        together = [await queued(worker, embed, item) for item in (1, 2, 3)]
        bench.go.release(2)
        await asyncio.gather(first, *together)
        again = []
        for item in (4, 5, 6):
            again.append(await queued(worker, embed, item))
            await asyncio.sleep(0)  # the event loop has other things to do
        bench.go.release(10)
        await asyncio.gather(*again)
        assert await worker.run(embed, [7]) == ["embed 7"]  # it is not waited for ever
        assert await worker.run(embed, [8]) == ["embed 8"]

    bench = run(scenario)
    assert bench.calls == [("embed", items) for items in ([0], [1, 2, 3], [4, 5, 6], [7], [8])]


def test_a_request_larger_than_a_call_is_not_cut() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        bench.go.release()
        assert await worker.run(bench.kind("embed", together=2), "abc") == ["embed a", "embed b", "embed c"]

    run(scenario)


def test_a_full_queue_sends_away_and_has_room_again() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("paint")
        waiting = [await queued(worker, kind, number) for number in range(2)]
        with pytest.raises(BusyError, match="2 requests are waiting or at work") as caught:
            await worker.run(kind, [2])
        assert 1 <= caught.value.retry_after <= 600
        bench.go.release(2)
        await asyncio.gather(*waiting)
        assert worker.taken == 0
        bench.go.release()
        assert await worker.run(kind, [3]) == ["paint 3"]

    run(scenario, capacity=2)


def test_whose_turn_would_come_too_late_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("unprompt.serving.worker.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("paint")
        first = await queued(worker, kind, 1)
        await bench.has_begun()
        second = await queued(worker, kind, 2)  # no pace is known yet, and nobody is sent away by it
        third = await queued(worker, kind, 3)
        now[0] = 4.0
        bench.go.release()
        await first
        with pytest.raises(BusyError, match=r"2 requests are waiting or at work, .* again in 3 s"):
            await worker.run(kind, [4])  # 2 jobs of 4 s, where 5 s may be waited
        third.cancel()
        await asyncio.wait({third})
        fourth = await queued(worker, kind, 5)
        bench.go.release(2)
        assert [await second, await fourth] == [["paint 2"], ["paint 5"]]

    run(scenario, longest_wait=5)


def test_who_leaves_while_waiting_frees_the_slot_and_is_never_worked_for() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("paint")
        first, second = await queued(worker, kind, 1), await queued(worker, kind, 2)
        await bench.has_begun()
        second.cancel()
        await asyncio.wait({second})
        assert worker.taken == 1
        third = await queued(worker, kind, 3)
        bench.go.release(2)
        assert [await first, await third] == [["paint 1"], ["paint 3"]]

    assert run(scenario, capacity=2).calls == [("paint", [1]), ("paint", [3])]


def test_running_work_stops_at_its_next_step_once_nobody_waits() -> None:
    stopped = threading.Event()
    begun = threading.Event()

    def work(items: Sequence[Any], tell: Tell) -> list[Any]:
        begun.set()
        try:
            for step in range(10**9):
                tell(step, 10**9)
        except AbandonedError:
            stopped.set()
            raise
        return list(items)

    async def scenario(bench: Bench, worker: Worker) -> None:
        task = await queued(worker, Kind("paint", work), 1)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        assert worker.course is not None
        assert worker.course.name == "paint"
        task.cancel()
        assert await asyncio.to_thread(stopped.wait, PATIENCE)
        bench.go.release()
        assert await worker.run(bench.kind("next"), [2]) == ["next 2"]

    run(scenario)


def test_shared_work_goes_on_for_those_who_stay() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("embed", together=9)
        first = await queued(worker, kind, 0)
        await bench.has_begun()
        stays, leaves = await queued(worker, kind, 1), await queued(worker, kind, 2)
        bench.go.release()
        await first
        await bench.has_begun()
        leaves.cancel()
        bench.go.release()
        assert await stays == ["embed 1"]

    assert run(scenario).calls == [("embed", [0]), ("embed", [1, 2])]


def test_an_error_reaches_its_own_call_and_the_next_is_answered() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("embed", together=1)
        bad, good = await queued(worker, kind, "bad"), await queued(worker, kind, "good")
        bench.go.release(2)
        with pytest.raises(ValueError, match="a bad item"):
            await bad
        assert await good == ["embed good"]

    run(scenario)


def test_closing_drops_what_waits() -> None:
    async def scenario(bench: Bench, worker: Worker) -> None:
        kind = bench.kind("paint")
        first, second = await queued(worker, kind, 1), await queued(worker, kind, 2)
        await bench.has_begun()
        bench.go.release(2)
        await worker.close()
        await asyncio.wait({first, second})
        assert second.cancelled()

    assert run(scenario).calls == [("paint", [1])]


def test_a_course_knows_its_share() -> None:
    course = Course("txt2img", lambda: True)
    assert (course.share, course.seconds_left) == (0.0, 0.0)
    course.tell(3, 4)
    course.started -= 30
    assert course.share == 0.75
    assert course.seconds_left == pytest.approx(10, abs=1)
