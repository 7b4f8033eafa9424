"""Paintings in the thread that all visitors share, and how they are stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from unprompt.errors import InputError
from unprompt.painting.watch import StoppedError, Watch
from unprompt.serving.one_thread import OneThread

paintings = pytest.importorskip("unprompt.app.paintings")
PATIENCE = 240  # seconds
Take = Callable[[bytes], None]


def test_what_is_stopped_ends_and_the_next_ones_turn_comes() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def paint(watch: Watch, take: Take) -> str:
        watch.tell(3, 50)
        begun.set()
        assert go_on.wait(PATIENCE)
        watch.tell(4, 50)
        return "painted"

    thread = OneThread("test")
    first = paintings.Underway.begin(thread, "a cat", paint)
    waits = paintings.Underway.begin(thread, "a dog", lambda watch, take: done.append("a dog"))
    last = paintings.Underway.begin(thread, "a fox", lambda watch, take: "painted")
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
        elif ended := await_painting("key", st.empty()):
            st.text(f"{ended.wish} {ended.made}")

    begun: list[Watch] = []
    thread_is_in_it, go_on = threading.Event(), threading.Event()

    def paint(watch: Watch, take: Take) -> str:
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


def pages_of(paint: Any) -> Any:
    """A page that begins to paint when it is drawn first, and then waits for it."""
    testing = pytest.importorskip("streamlit.testing.v1")

    def script() -> None:
        import streamlit as st

        from unprompt.app.paintings import await_painting, begin

        if "begun" not in st.session_state:
            st.session_state.begun = True
            begin("key", "two cats", st.session_state.paint)
            begin("key", "clicked twice", st.session_state.paint)
        elif ended := await_painting("key", st.empty()):
            st.session_state.ended = ended

    at = testing.AppTest.from_function(script, default_timeout=PATIENCE)
    at.session_state["paint"] = paint
    return at.run()


def test_what_is_stopped_leaves_the_pictures_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    one_is_done, go_on = threading.Event(), threading.Event()

    def paint(watch: Watch, take: Take) -> None:
        take(b"one")
        one_is_done.set()
        assert go_on.wait(PATIENCE)
        watch.check()
        take(b"two")

    at = pages_of(paint)
    assert one_is_done.wait(PATIENCE)
    monkeypatch.setattr(paintings, "wait", lambda *given, **named: st.stop())  # a click ends the script
    at = at.run().button(key="key-stop").click().run()
    go_on.set()
    assert not at.exception
    ended = at.session_state["ended"]
    assert (ended.wish, ended.files, ended.made, ended.wrong) == ("two cats", (b"one",), None, "")


def test_what_fails_leaves_the_pictures_that_are_done_and_says_why() -> None:
    begun = []

    def paint(watch: Watch, take: Take) -> None:
        begun.append(watch)
        take(b"one")
        raise InputError("the second cannot be painted")

    at = pages_of(paint).run()
    assert not at.exception
    ended = at.session_state["ended"]
    assert (ended.wish, ended.files, ended.made) == ("two cats", (b"one",), None)
    assert ended.wrong == "the second cannot be painted"
    assert len(begun) == 1
