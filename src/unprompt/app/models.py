"""The one thread that asks the models, for all visitors, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from unprompt.serving.one_thread import OneThread

if TYPE_CHECKING:
    from unprompt.bundle.loaded import Reader

Answer = TypeVar("Answer")


class Models:
    """A bundle that is loaded with the first question, and then stays.

    The thread is a daemon: a server that is told to stop does not wait for an answer that nobody will see.
    """

    def __init__(self, load: Callable[[], Reader]) -> None:
        """`load` is called until it once succeeds; what it raises is the answer to the question."""
        self._load = load
        self._reader: Reader | None = None
        self._thread = OneThread("unprompt-models")

    @property
    def are_loaded(self) -> bool:
        """Whether a question has no loading to wait for."""
        return self._reader is not None

    def ask(self, question: Callable[[Reader], Answer]) -> Future[Answer]:
        """Queue a question. A future that is cancelled before its turn costs nothing."""
        return self._thread.submit(self._answer, question)

    def _answer(self, question: Callable[[Reader], Answer]) -> Answer:
        if self._reader is None:
            self._reader = self._load()
        return question(self._reader)
