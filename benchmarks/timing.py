"""What the benchmarks share: medians of repeated runs, and a line that says the ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Median wall time of `repeats` calls."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def line(name: str, ours: float, peer_name: str, peer: float, target: str) -> None:
    """Print one comparison: seconds of both, and how many times faster ours is."""
    print(
        f"{name}: {ours:.2f} s; {peer_name}: {peer:.2f} s; {peer / ours:.1f} times as fast (target: {target})"
    )
