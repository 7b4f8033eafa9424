"""Work that several processes do together: how they are started, and where each keeps what it has done.

An interpreter that is begun with `-c`, as multiprocessing begins all of its own, looks for modules in the
current directory first. That may be a folder of somebody else's files, and a pickle.py there would run.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import context, resource_tracker, util
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from typing import Any

from unprompt.errors import RunError

SAFE_PATH = "PYTHONSAFEPATH"  # counts from Python 3.11 on
_STARTING = threading.Lock()


class _IsolatedSpawn(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # multiprocessing's name
        with _isolated():
            return SpawnProcess._Popen(process_obj)


class _SpawnContext(SpawnContext):
    Process = _IsolatedSpawn


if hasattr(context, "ForkServerContext"):  # not on Windows

    class _IsolatedFork(context.ForkServerProcess):
        @staticmethod
        def _Popen(process_obj: Any) -> Any:  # noqa: N802
            with _isolated():
                return context.ForkServerProcess._Popen(process_obj)

    class _ForkServerContext(context.ForkServerContext):
        Process = _IsolatedFork


def spawning() -> BaseContext:
    """A context of multiprocessing whose processes begin anew, and run nothing of the current directory."""
    _begin_tracker()
    return _SpawnContext()


def forking_from_server(*preloaded: str) -> BaseContext:
    """The same, with processes that are forked from one that has imported the modules `preloaded`.

    Where the system has no such servers, as `spawning`.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return spawning()
    _begin_tracker()
    server = _ForkServerContext()
    server.set_forkserver_preload(list(preloaded))
    return server


def _begin_tracker() -> None:
    """Start multiprocessing's own helper, which its locks would start before any process."""
    with _isolated():
        resource_tracker.ensure_running()


@contextmanager
def _isolated() -> Iterator[None]:
    """Have an interpreter that is started in this block not look for modules in the current directory."""
    with _STARTING:
        if sys.version_info < (3, 11):
            yield from _without_environment()
            return
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[SAFE_PATH]
            else:
                os.environ[SAFE_PATH] = before


def _without_environment() -> Iterator[None]:
    """As `_isolated`, by -I; where to look for modules multiprocessing tells its processes itself."""
    flags = util._args_from_interpreter_flags  # type: ignore[attr-defined]
    util._args_from_interpreter_flags = lambda: [*flags(), "-I"]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        util._args_from_interpreter_flags = flags  # type: ignore[attr-defined]


@contextmanager
def killed_worker_told() -> Iterator[None]:
    """Raise RunError, which says how to go on, where one of a pool's processes dies in this block."""
    try:
        yield
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process was killed, most likely for memory; run the same command again with fewer "
            "--workers, what is done stays done"
        ) from error


def run_code(
    code: str, arguments: Sequence[str], given: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run Python code in a process of its own, which has neither packages nor the current directory.

    `given`: its stdin. Raises subprocess.TimeoutExpired after so many `seconds`.
    """
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=seconds)
