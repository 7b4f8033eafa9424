"""Work for several cores: what is begun ahead, and torch with one thread for each core that works alone.

Threads that share one matrix product wait for each other at its end, and all wait for the one whose core is
taken by another program. Cores with work of their own do not.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Begun = TypeVar("Begun")
Result = TypeVar("Result")


def keep_ahead(
    items: Iterable[Item], begin: Callable[[Item], Begun], ahead: int
) -> Iterator[tuple[Item, Begun]]:
    """Items in their order with what `begin` gave for each, so that `ahead` later ones are begun by then."""
    under_way: deque[tuple[Item, Begun]] = deque()
    for item in items:
        under_way.append((item, begin(item)))
        if len(under_way) > ahead:
            yield under_way.popleft()
    while under_way:
        yield under_way.popleft()


def use_one_thread() -> None:
    """Let torch compute with one thread where the calling thread asks it to, if it is loaded."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Torch computes with one thread in this block, and then with as many as before.

    For workers that compute each by itself, and for many small tensors, over each of which the threads would
    wait for one another longer than they compute.
    """
    if "torch" not in sys.modules:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def each_on_a_core(call: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What a call that computes with torch gives for each item, in order.

    Each core takes items of its own, where there are enough for all that torch may use in this thread;
    else the items come one after the other, with all of them at each.
    """
    import torch

    cores = torch.get_num_threads()
    if cores == 1 or len(items) < cores:
        yield from map(call, items)
        return
    with (
        torch_on_one_thread(),
        ThreadPoolExecutor(cores, "unprompt-cores", initializer=use_one_thread) as pool,
    ):
        for _, begun in keep_ahead(items, lambda item: pool.submit(call, item), cores):
            yield begun.result()
