"""Processes of their own, to be killed: forked from one that has imported the heavy packages already.

A new interpreter takes seconds of processor time to import torch and its like, a fork takes none. Where the
start of the interpreter itself is tested, tests start one.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CAPABILITIES = 0x20080522  # the version of what the system is told of them
FORKS = multiprocessing.get_context("forkserver")
# What conftest.py has the forked process import.
HEAVY = (
    *("torch", "torchvision", "timm", "open_clip", "transformers", "tests.processes"),
    *("accelerate", "matplotlib.backends.backend_agg", "torch.utils.tensorboard"),  # what trainings need
)


@contextmanager
def started(function: Callable[..., object], *given: Any) -> Iterator[BaseProcess]:
    """A process with our environment that calls a module's function; what is left of it is killed."""
    process = FORKS.Process(target=call_with, args=(dict(os.environ), function, given))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def call_with(environment: dict[str, str], function: Callable[..., object], given: Sequence[Any]) -> None:
    """Call it in a process whose environment, from its forking, may be that of another test."""
    os.environ.clear()
    os.environ.update(environment)
    function(*given)


def killed_itself(function: Callable[..., object], *given: Any) -> bool:
    """Whether a process that calls this function ends by a SIGKILL, which nobody else sends."""
    with started(function, *given) as process:
        process.join()
        return process.exitcode == -signal.SIGKILL


def run_command(arguments: Sequence[str], output: Path, rights: bool = True) -> None:
    """What `unprompt` does with these arguments, in a process of its own; it prints into the file.

    `rights`: False takes away what root may on Linux, to read and to write what is closed to its owner.
    """
    from unprompt.cli import main

    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(written, stream)
    if not rights:
        ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)())
    sys.exit(main(list(arguments)))
