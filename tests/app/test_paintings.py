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


def test_what_a_visitor_began_who_leaves_is_stopped_and_begun_anew_for_one_who_comes_back() -> None:
    """Streamlit empties a session's caches when its connection ends, and lets the visitor come back to it."""
    testing = pytest.importorskip("streamlit.testing.v1")
    from streamlit.runtime.caching import clear_session_resource_cache

    def script() -> None:
        import streamlit as st

        from unprompt.app.paintings import await_painting, begin

        if "begun" not in st.session_state:
            st.session_state.begun = True
            begin("key", "a cat", st.session_state.paint)
        elif done := await_painting("key", st.empty()):
            st.text(" ".join(done))

    begun: list[Watch] = []
    thread_is_in_it, go_on = threading.Event(), threading.Event()

    def paint(watch: Watch) -> str:
        begun.append(watch)
        thread_is_in_it.set()
        assert go_on.wait(PATIENCE)
        watch.check()
        return "painted"

    at = testing.AppTest.from_function(script, default_timeout=PATIENCE)
    at.session_state["paint"] = paint
    at.run()
    assert thread_is_in_it.wait(PATIENCE)
    clear_session_resource_cache("test session id")
    with pytest.raises(StoppedError):
        begun[0].check()
    go_on.set()
    at.run()
    assert not at.exception
    assert at.text[-1].value == "a cat painted"
    assert len(begun) == 2
