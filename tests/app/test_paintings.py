"""Paintings in the thread that all visitors share, and how they are stopped."""

from __future__ import annotations

import threading

import pytest

from unprompt.painting.watch import StoppedError, Watch
from unprompt.serving.one_thread import OneThread

paintings = pytest.importorskip("unprompt.app.paintings")
PATIENCE = 240  # seconds


def test_what_is_stopped_ends_and_the_next_ones_turn_comes() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def paint(watch: Watch) -> str:
        watch.tell(3, 50)
        begun.set()
        assert go_on.wait(PATIENCE)
        watch.tell(4, 50)
        return "painted"

    thread = OneThread("test")
    first = paintings.Underway.begin(thread, "a cat", paint)
    waits = paintings.Underway.begin(thread, "a dog", lambda watch: done.append("a dog"))
    last = paintings.Underway.begin(thread, "a fox", lambda watch: "painted")
    assert begun.wait(PATIENCE)
    assert (first.told, waits.told) == ("3 of 50", "")
    waits.stop()
    first.stop()
    go_on.set()
    assert isinstance(first.future.exception(PATIENCE), StoppedError)
    assert last.future.result(PATIENCE) == "painted"
    assert (waits.future.cancelled(), done, last.wish) == (True, [], "a fox")
    thread.shutdown()
