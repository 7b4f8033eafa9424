"""Where the work is done. Chosen once, at the edge, and handed in from there."""

from __future__ import annotations

import os

from unprompt.errors import ConfigError


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
