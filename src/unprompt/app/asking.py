"""How a page asks the models: it stays alive meanwhile, can be told to stop, and asks nothing twice.

A visitor's answers are kept in the visitor's session, so that going back to a page shows what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from unprompt.app.looks import plain, trouble
from unprompt.app.settings import current_settings
from unprompt.errors import UnpromptError
from unprompt.serving.batch_runs import BatchRuns
from unprompt.serving.models import Models
from unprompt.storage.files import read_prompts

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle

Answer = TypeVar("Answer")

KEPT = 100  # answers in a session, beside those to the pictures of a page
EACH = 4  # questions that a page asks of a picture
STEP = 0.2  # seconds within which a click is noticed


@st.cache_resource(show_spinner=False)
def _models(bundle: str, device: str, known: str | None) -> Models:
    def load() -> LoadedBundle:
        from unprompt.bundle.loaded import LoadedBundle  # here: it imports torch, and pages are shown before

        return LoadedBundle.load(bundle, device, read_prompts(Path(known)) if known else None)

    return Models(load)


def models() -> Models:
    """The models that all visitors share."""
    settings = current_settings()
    return _models(settings.bundle, settings.device, str(settings.known) if settings.known else None)


@st.cache_resource(show_spinner=False)
def _batch_runs(out: str, root: str, _models: Models) -> BatchRuns:
    return BatchRuns(Path(out), _models, Path(root))


def batch_runs() -> BatchRuns:
    """The runs that all visitors share, of a server that has a root."""
    settings = current_settings()
    assert settings.root is not None
    return _batch_runs(str(settings.out), str(settings.root), models())


def ask(key: Hashable, doing: str, question: Callable[[LoadedBundle], Answer]) -> Answer | None:
    """The answer to a question, from the session where it has been asked before under this `key`.

    Meanwhile the page says what it is `doing` and has a button to stop. None where the visitor pressed it:
    then the page shows a button to go on. An UnpromptError becomes a message, and ends the page. What is
    being answered when the page is drawn anew is not asked again.
    """
    answers: dict[Hashable, Answer] = st.session_state.setdefault("answers", {})
    if key in answers:
        answers[key] = answers.pop(key)  # the last to be forgotten
        return answers[key]
    stopped: set[Hashable] = st.session_state.setdefault("stopped", set())
    place = st.empty()
    if key in stopped:
        with place.container(horizontal=True, vertical_alignment="center"):
            st.text("Stopped.", width="content")  # where the button was that may be clicked twice
            st.button("Go on", key=f"go-on-{key}", on_click=stopped.discard, args=(key,))
        return None
    last: dict[Hashable, Future[Answer]] = st.session_state.setdefault("last-asked", {})
    future = last.get(key)
    if future is None or future.cancelled() or (future.done() and future.exception()):
        future = models().ask(question)
    last.clear()
    last[key] = future
    with place.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key=f"stop-{key}", on_click=stopped.add, args=(key,))
        answer = _await(doing, future)
    keep(answers, key, answer, current_settings().most_files)
    last.clear()
    place.empty()
    return answer


def keep(answers: dict[Hashable, Answer], key: Hashable, answer: Answer, pictures: int) -> None:
    """Keep an answer, and forget the oldest, but none to a page of so many pictures.

    Each of a page's questions comes again whenever it is drawn: with room for fewer, all would be asked anew.
    """
    answers[key] = answer
    while len(answers) > KEPT + EACH * pictures:
        del answers[next(iter(answers))]


def await_answer(doing: str, question: Callable[[LoadedBundle], Answer]) -> Answer:
    """The answer to a question that is quick and not worth keeping; others are for `ask`."""
    return _await(doing, models().ask(question))


def _await(doing: str, future: Future[Answer]) -> Answer:
    """Wait for an answer.

    The wait is cut into steps, and Streamlit can end this script between two of them: with a click, or when
    the page is closed. A question whose turn has not come by then is dropped.
    """
    if not models().are_loaded:
        doing = f"{doing} The models are loaded first, once for all visitors."
    pulse = st.empty()
    try:
        with st.spinner(plain(doing), show_time=True):
            while not wait([future], timeout=STEP).done:
                pulse.empty()
        return future.result()
    except UnpromptError as error:
        trouble(str(error))
        st.stop()
    finally:
        future.cancel()
