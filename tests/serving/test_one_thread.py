"""Calls in one daemon thread, in order."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from unprompt.serving.one_thread import OneThread


def test_calls_are_done_in_order_by_one_thread() -> None:
    with OneThread("worker") as thread:
        done: list[int] = []
        futures = [thread.submit(done.append, number) for number in range(100)]
        names = {thread.submit(lambda: threading.current_thread().name).result() for _ in range(3)}
    assert all(future.result() is None for future in futures)
    assert done == list(range(100))
    assert names == {"worker"}


def test_an_error_comes_to_whoever_waits_and_the_thread_goes_on() -> None:
    with OneThread("worker") as thread:
        failed = thread.submit(int, "x")
        assert thread.submit(int, "12", base=3).result() == 5
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result()


def test_what_is_cancelled_before_its_turn_is_not_done() -> None:
    with OneThread("worker") as thread:
        go = threading.Event()
        thread.submit(go.wait)
        done: list[str] = []
        cancelled, kept = thread.submit(done.append, "cancelled"), thread.submit(done.append, "kept")
        assert cancelled.cancel()
        go.set()
        kept.result()
    assert done == ["kept"]


@pytest.mark.parametrize("cancel", [False, True])
def test_shutting_down_waits_for_what_is_queued_or_drops_it(cancel: bool) -> None:
    thread = OneThread("worker")
    begun, go = threading.Event(), threading.Event()

    def wait() -> str:
        begun.set()
        go.wait()
        return "done"

    first, second = thread.submit(wait), thread.submit(str, "also")
    begun.wait()
    threading.Timer(0.1, go.set).start()
    thread.shutdown(cancel_futures=cancel)
    assert first.result() == "done"
    assert second.cancelled() is cancel
    with pytest.raises(RuntimeError, match="takes no more calls"):
        thread.submit(str)
    thread.shutdown()  # once more is no harm


def test_a_process_does_not_wait_for_it() -> None:
    program = (
        "import time; from unprompt.serving.one_thread import OneThread; "
        "OneThread('x').submit(time.sleep, 100)"
    )
    start = time.monotonic()
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=90).returncode == 0
    assert time.monotonic() - start < 90
