"""The one thread that asks the models, for all visitors and runs, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from unprompt.serving.one_thread import OneThread

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle

Answer = TypeVar("Answer")


class Models:
    """A bundle that is loaded with the first question, and then stays.

    The thread is a daemon: a server that is told to stop does not wait for an answer that nobody will see.
    """

    def __init__(self, load: Callable[[], LoadedBundle]) -> None:
        """`load` is called until it once succeeds; what it raises is the answer to the question."""
        self._load = load
        self._loaded: LoadedBundle | None = None
        self._thread = OneThread("unprompt-models")

    @property
    def are_loaded(self) -> bool:
        """Whether a question has no loading to wait for."""
        return self._loaded is not None

    def ask(self, question: Callable[[LoadedBundle], Answer]) -> Future[Answer]:
        """Queue a question. A future that is cancelled before its turn costs nothing."""
        return self._thread.submit(self._answer, question)

    def _answer(self, question: Callable[[LoadedBundle], Answer]) -> Answer:
        if self._loaded is None:
            self._loaded = self._load()
        return question(self._loaded)
