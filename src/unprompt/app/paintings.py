"""Pictures that take their time: painted in one thread for all visitors, while their pages go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from unprompt.painting.watch import Watch
from unprompt.serving.one_thread import OneThread

Made = TypeVar("Made")

STEP = 0.2  # seconds within which a click is noticed


@dataclass(frozen=True, eq=False)
class Underway(Generic[Made]):
    """What is painted for a visitor. `wish`: what was asked for."""

    wish: Any
    future: Future[Made]
    watch: Watch

    @classmethod
    def begin(cls, thread: OneThread, wish: Any, paint: Callable[[Watch], Made]) -> Underway[Made]:
        """Have a thread paint when its turn has come."""
        watch = Watch()
        return cls(wish, thread.submit(paint, watch), watch)

    def stop(self) -> None:
        """End it, wherever it is: nobody waits for it any more, and the next one's turn comes."""
        self.future.cancel()
        self.watch.stop()

    @property
    def told(self) -> str:
        """How far it is, as far as that is known."""
        done, total = self.watch.done, self.watch.total
        return f"{done} of {total}" if done else ""


@st.cache_resource(show_spinner=False)
def _thread() -> OneThread:
    """Where pictures are painted, for all visitors."""
    return OneThread("paintings")


def begin(key: str, wish: Any, paint: Callable[[Watch], Made]) -> None:
    """Begin to paint for this visitor; `await_painting` of the same key waits for it."""
    st.session_state[key] = Underway.begin(_thread(), wish, paint)


def is_painting(key: str) -> bool:
    """Whether something of this key was begun, and neither shown nor stopped."""
    return key in st.session_state


def await_painting(key: str, place: st.delta_generator.DeltaGenerator) -> tuple[Any, Any] | None:
    """The wish that was begun under a key, and what was made of it; None where there is none.

    Meanwhile `place` says how far it is, with a button to stop, and a click or a line can end this script.
    Raises what the painting raised.
    """
    painting: Underway[Any] | None = st.session_state.get(key)
    if painting is None:
        return None

    def stop() -> None:
        if key in st.session_state:  # else it was clicked twice
            st.session_state.pop(key).stop()

    with place.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key=f"{key}-stop", on_click=stop)
        pulse = st.empty()
        with st.spinner("Painting.", show_time=True):
            while not wait([painting.future], timeout=STEP).done:
                pulse.text(painting.told)
    del st.session_state[key]
    return painting.wish, painting.future.result()
