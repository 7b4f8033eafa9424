"""Drills of networks at full size, each in a process of its own, so that its memory is its own peak."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any


def run_drills(drill: Callable[..., None], names: Sequence[str], *arguments: Any) -> None:
    """Run `drill(name, *arguments, pipe)` for each name; print what it sends, at the end all as JSON."""
    context = multiprocessing.get_context("spawn")
    found = {}
    width = max(map(len, names))
    for name in names:
        here, there = context.Pipe()
        process = context.Process(target=drill, args=(name, *arguments, there))
        process.start()
        there.close()
        try:
            found[name] = here.recv()
        except EOFError:  # the system ended it
            found[name] = {"failed": "ended without an answer, as where memory runs out"}
        process.join()
        print(f"{name:{width}s} {found[name]}", flush=True)
    print(json.dumps(found))
