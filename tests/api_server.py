"""Servers for tests: the real app behind a real uvicorn on a free port, in a thread or a process.

with serving(create_app(loaded, PocketPainter())) as url:
    httpx.get(f"{url}/healthz")
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from tests.silence import offline
from unprompt.api.server import bind
from unprompt.serving.connections import CarefulConnection

PATIENCE = 120  # seconds; far more than anything takes on a machine that is not overloaded


def until(condition: Callable[[], object], what: str) -> None:
    """Return when a condition holds; fail where it does not come to hold."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        threading.Event().wait(0.005)


@contextmanager
def serving(app: FastAPI, grace: int = 10, keep_alive: int = 5) -> Iterator[str]:
    """Serve an app in a thread as long as the block lasts; gives http://127.0.0.1:PORT.

    `keep_alive`: seconds after an answer for which a connection waits for another request, uvicorn's own.
    """
    with bind("127.0.0.1", 0) as listening:
        config = uvicorn.Config(
            app,
            log_level="critical",
            lifespan="on",
            http=CarefulConnection,
            ws="none",
            timeout_graceful_shutdown=grace,
            timeout_keep_alive=keep_alive,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started, "the server listens")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


@dataclass(frozen=True)
class ServerProcess:
    """A running `unprompt serve`, and where it listens."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def server_process(*arguments: str, **environment: str) -> Iterator[ServerProcess]:
    """Run `unprompt serve` on a free port, with further arguments, until the block ends.

    It ends by itself where it tries to reach another machine.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "unprompt", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=offline({**os.environ, **environment}),
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.readline()
        assert told.startswith("serving http"), told + process.stderr.read()
        yield ServerProcess(process, told.split()[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
