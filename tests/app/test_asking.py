"""What a visitor's session remembers of the models' answers."""

from __future__ import annotations

import threading
from collections.abc import Hashable

import pytest

pytest.importorskip("streamlit", reason="the app's pages need it")

from unprompt.app import asking
from unprompt.app.asking import KEPT, keep
from unprompt.app.settings import AppSettings
from unprompt.errors import InputError
from unprompt.serving.models import Models

PATIENCE = 240  # seconds


def test_a_page_full_of_pictures_is_drawn_again_without_asking_anything() -> None:
    pictures = AppSettings().most_files
    page = [
        ("modes", 0),
        *((what, n) for n in range(pictures) for what in ("prompt", "place", "measured", "no")),
    ]
    answers: dict[Hashable, str] = {}
    for key in page:
        keep(answers, key, "an answer", pictures)
    assert all(key in answers for key in page)


def test_the_oldest_answers_are_forgotten() -> None:
    answers: dict[Hashable, int] = {}
    for number in range(1000):
        keep(answers, number, number, 1)
    assert KEPT <= len(answers) <= 200
    assert list(answers) == list(range(1000 - len(answers), 1000))


def test_what_is_being_answered_while_the_page_is_drawn_anew_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    testing = pytest.importorskip("streamlit.testing.v1")
    import streamlit as st

    asked, begun, go_on = [], threading.Event(), threading.Event()

    def question(loaded: object) -> str:
        asked.append(loaded)
        begun.set()
        assert go_on.wait(PATIENCE)
        return "an answer"

    def script() -> None:
        import streamlit as st

        from unprompt.app.asking import ask

        st.text(ask("key", "Looking.", st.session_state.question))

    def end_script(*given: object, **named: object) -> None:
        """A click, while it is answered."""
        assert begun.wait(PATIENCE)
        st.stop()

    models = Models(lambda: "a bundle")  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(asking, "models", lambda: models)
    at = testing.AppTest.from_function(script, default_timeout=PATIENCE)
    at.session_state["question"] = question
    with monkeypatch.context() as clicked:
        clicked.setattr(asking, "wait", end_script)
        assert not at.run().exception
    go_on.set()
    at = at.run()
    assert not at.exception
    assert [text.value for text in at.text] == ["an answer"]
    assert asked == ["a bundle"]


def test_what_failed_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    testing = pytest.importorskip("streamlit.testing.v1")
    answers = iter((InputError("not now"), "an answer"))

    def question(loaded: object) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def script() -> None:
        import streamlit as st

        from unprompt.app.asking import ask

        st.text(ask("key", "Looking.", st.session_state.question))

    models = Models(lambda: "a bundle")  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(asking, "models", lambda: models)
    at = testing.AppTest.from_function(script, default_timeout=PATIENCE)
    at.session_state["question"] = question
    assert [error.value for error in at.run().error] == ["not now"]
    at = at.run()
    assert [text.value for text in at.text] == ["an answer"]


def test_the_second_click_of_two_on_stop_does_not_go_on() -> None:
    """No button lies where the one to stop was."""
    testing = pytest.importorskip("streamlit.testing.v1")

    def script() -> None:
        import streamlit as st

        from unprompt.app.asking import ask

        st.session_state["stopped"] = {"key"}
        ask("key", "Looking.", str)

    at = testing.AppTest.from_function(script, default_timeout=PATIENCE).run()
    assert [one.type for one in at.main if one.type in ("text", "button")] == ["text", "button"]
