"""The one thread that asks the models, for all visitors, in the order in which they came."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from unprompt.reading import Reader

Answer = TypeVar("Answer")


class Models:
    """A bundle that is loaded with the first question, and then stays.

    The thread is a daemon: a server that is told to stop does not wait for an answer that nobody will see.
    """

    def __init__(self, load: Callable[[], Reader]) -> None:
        """`load` is called until it once succeeds; what it raises is the answer to the question."""
        self._load = load
        self._reader: Reader | None = None
        self._questions: queue.SimpleQueue[tuple[Future[Any], Callable[[Reader], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="unprompt-models", daemon=True).start()

    @property
    def are_loaded(self) -> bool:
        """Whether a question has no loading to wait for."""
        return self._reader is not None

    def ask(self, question: Callable[[Reader], Answer]) -> Future[Answer]:
        """Queue a question. A future that is cancelled before its turn costs nothing."""
        future: Future[Answer] = Future()
        self._questions.put((future, question))
        return future

    def _work(self) -> None:
        while True:
            future, question = self._questions.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if self._reader is None:
                    self._reader = self._load()
                future.set_result(question(self._reader))
            except BaseException as error:  # noqa: BLE001  raised again where the answer is awaited
                future.set_exception(error)
