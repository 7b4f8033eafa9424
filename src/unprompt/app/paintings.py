"""Pictures that take their time: painted in one thread for all visitors, while their pages go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar
from weakref import WeakSet

import streamlit as st

from unprompt.errors import UnpromptError
from unprompt.painting.watch import StoppedError, Watch
from unprompt.serving.one_thread import OneThread

Made = TypeVar("Made")

STEP = 0.2  # seconds within which a click is noticed

# What paints: it tells the watch its steps, and the other the file of each picture as soon as that is done.
Paint: TypeAlias = Callable[[Watch, Callable[[bytes], None]], Made]


@dataclass(frozen=True, eq=False)
class Ended:
    """What was painted of a wish.

    `files`: of all its pictures, or, where it ended early, of those that were done. `made`: what the painting
    gave; None where it was stopped or failed. `wrong`: why it failed.
    """

    wish: Any
    files: tuple[bytes, ...]
    made: Any = None
    wrong: str = ""


@dataclass(frozen=True, eq=False)
class Underway(Generic[Made]):
    """What is painted for a visitor. `wish`: what was asked for; `paint`: what paints it.

    `files`: of the pictures that are done.
    """

    wish: Any
    paint: Paint[Made]
    future: Future[Made]
    watch: Watch
    files: list[bytes]

    @classmethod
    def begin(cls, thread: OneThread, wish: Any, paint: Paint[Made]) -> Underway[Made]:
        """Have a thread paint when its turn has come."""
        watch, files = Watch(), list[bytes]()
        return cls(wish, paint, thread.submit(paint, watch, files.append), watch, files)

    def stop(self) -> None:
        """End it, wherever it is: nobody waits for it any more, and the next one's turn comes."""
        self.future.cancel()
        self.watch.stop()

    @property
    def told(self) -> str:
        """How far it is, as far as that is known."""
        done, total = self.watch.done, self.watch.total
        return f"{done} of {total}" if done else ""

    @property
    def ended(self) -> Ended:
        """What there is of it now, whether it came to its end or not."""
        future = self.future
        is_whole = future.done() and not future.cancelled() and future.exception() is None
        return Ended(self.wish, tuple(self.files), future.result() if is_whole else None)


@st.cache_resource(show_spinner=False)
def _thread() -> OneThread:
    """Where pictures are painted, for all visitors."""
    return OneThread("paintings")


def _stop_all(begun: WeakSet[Underway[Any]]) -> None:
    for painting in list(begun):
        painting.stop()


@st.cache_resource(scope="session", on_release=_stop_all, show_spinner=False)
def _begun() -> WeakSet[Underway[Any]]:
    """What was begun for this visitor; all of it is stopped when the visitor's connection ends."""
    return WeakSet()


def begin(key: str, wish: Any, paint: Paint[Made]) -> None:
    """Begin to paint for this visitor; `await_painting` of the same key waits for it.

    Nothing is begun while something of this key is under way: a button can be clicked twice.
    """
    if is_painting(key):
        return
    st.session_state[key] = painting = Underway.begin(_thread(), wish, paint)
    _begun().add(painting)


def is_painting(key: str) -> bool:
    """Whether something of this key was begun, and neither shown nor stopped."""
    return key in st.session_state


def await_painting(key: str, place: st.delta_generator.DeltaGenerator) -> Ended | None:
    """What was painted of the wish that was begun under a key; None where there is none.

    Meanwhile `place` says how far it is, with a button to stop, and a click or a line can end this script.
    What was stopped since the visitor's connection broke is begun anew. Raises what the painting raised,
    unless that is an UnpromptError.
    """
    stopped = f"{key}-stopped"
    if stopped in st.session_state:
        ended: Ended = st.session_state.pop(stopped)
        return ended
    painting: Underway[Any] | None = st.session_state.get(key)
    if painting is None:
        return None

    def stop() -> None:
        if key in st.session_state:  # else it was clicked twice
            st.session_state.pop(key).stop()
            st.session_state[stopped] = painting.ended

    with place.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key=f"{key}-stop", on_click=stop)
        pulse = st.empty()
        with st.spinner("Painting.", show_time=True):
            while not wait([painting.future], timeout=STEP).done:
                pulse.text(painting.told)
    del st.session_state[key]
    try:
        painting.future.result()
    except (CancelledError, StoppedError):
        begin(key, painting.wish, painting.paint)
        st.rerun()
    except UnpromptError as error:
        return replace(painting.ended, wrong=str(error))
    return painting.ended
