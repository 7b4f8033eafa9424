"""Where the work is done, and how it is known that there is no room there.

A device is chosen once, at the edge, and handed in from there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from unprompt.errors import ConfigError, NoMemoryError

# What errors say where memory is short: torch's of CUDA and MPS, of allocators of Linux and Windows, of
# mapped files and of cuBLAS, and Python's of a thread that gets no stack.
NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "STATUS_ALLOC_FAILED",
    "can't start new thread",
)


def choose_device(wanted: str) -> str:
    """ "auto" -> "cuda", "mps" or "cpu", whichever is there.

    Raises ConfigError for a device that this machine does not have.
    """
    try:
        import torch
    except ImportError:
        return "cpu"
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.append("mps")
    there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.cuda.is_available():
        there.append("cuda")
    if wanted == "auto":
        return there[-1]
    if wanted not in there:
        raise ConfigError(f"there is no device '{wanted}' on this machine; there are: {', '.join(there)}")
    return wanted


def device_here(wanted: str) -> str:
    """The same where this machine has the device that others compute on, else what it has itself."""
    try:
        return choose_device(wanted)
    except ConfigError:
        return choose_device("auto")


def nth_gpu(number: int) -> str:
    """The CUDA device of worker `number`, where workers take the GPUs in turn."""
    import torch

    return f"cuda:{number % torch.cuda.device_count()}"


def core_count() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, of torch's on any device, Python's or the system's, says that memory is short."""
    if isinstance(error, (MemoryError, NoMemoryError)) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    ):
        return True
    # torch.OutOfMemoryError is a RuntimeError too, and says the first of these.
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_MEMORY)


@contextmanager
def within_memory(what: str, device: str, advice: str) -> Iterator[None]:
    """Raise NoMemoryError where the device has too little memory for what is done at once in this block."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        told = f"{what} at once do not fit into the memory of {device}; give {advice}"
        raise NoMemoryError(told) from error
