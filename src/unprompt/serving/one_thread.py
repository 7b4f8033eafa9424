"""One thread that does one thing after the other, for models that two threads must not ask at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class OneThread(Executor):
    """An executor whose one thread is a daemon: a process that ends does not wait for what it is doing.

    ThreadPoolExecutor's are waited for, so that Ctrl-C would end a program only after its models are loaded.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._order = threading.Lock()  # nothing is queued behind the sign to end
        self._ended = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[..., Answer], /, *arguments: Any, **named: Any) -> Future[Answer]:
        """Queue a call; a future that is cancelled before its turn costs nothing.

        Raises RuntimeError after `shutdown`, as executors do.
        """
        future: Future[Answer] = Future()
        with self._order:
            if self._ended:
                raise RuntimeError(f"the thread '{self._thread.name}' takes no more calls")
            self._calls.put((future, partial(call, *arguments, **named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread when all that is queued is done, or, with `cancel_futures`, the call in hand."""
        with self._order:
            self._ended = True
            while cancel_futures:
                try:
                    waiting = self._calls.get_nowait()
                except queue.Empty:  # or the thread was quicker
                    break
                if waiting:
                    waiting[0].cancel()
            self._calls.put(None)
        if wait:
            self._thread.join()

    def _work(self) -> None:
        while (given := self._calls.get()) is not None:
            future, call = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  raised again where the answer is awaited
                future.set_exception(error)
            del given, future, call  # an answer may be large, and the next call far away
