"""What the benchmarks share: work timed in turns with a peer's, and the ratios of both, told and kept.

Ours and its peer run one after the other, turn by turn, so that whatever else the machine does meets both. A
ratio is taken within a turn: our seconds for each second of the peer's, so less is better. With a file's name
in BENCH_JSON, `record` adds the ratios of this run to that file, in the format of pyperf; compare.py says
which of them have moved from one file to another.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyperf

KEEP_IN = "BENCH_JSON"  # the environment's name of the file


@dataclass(frozen=True)
class Taken:
    """Seconds of one piece of work, a number a turn: on the clock, and of processors: those of
    all threads of this process, and of children that it waited for."""

    walls: tuple[float, ...]
    cpus: tuple[float, ...]

    @property
    def wall(self) -> float:
        """Median on the clock."""
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        """Median of the processor seconds."""
        return statistics.median(self.cpus)


def in_turns(*works: Callable[[], object], repeats: int = 3) -> list[Taken]:
    """Call all works one after the other, so many times, and time each call."""
    taken: list[list[tuple[float, float]]] = [[] for _ in works]
    for _ in range(repeats):
        for work, found in zip(works, taken, strict=True):
            start = time.perf_counter(), processor_seconds()
            work()
            found.append((time.perf_counter() - start[0], processor_seconds() - start[1]))
    return [Taken(*zip(*found, strict=True)) for found in taken]


def processor_seconds() -> float:
    """What this process and its finished children have used."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def median_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Median wall time of `repeats` calls, of what has no peer."""
    return in_turns(work, repeats=repeats)[0].wall


def line(name: str, ours: Taken, peer_name: str, peer: Taken, target: str) -> None:
    """Print one comparison, seconds of both and how many times faster ours is, and record it."""
    print(
        f"{name}: {ours.wall:.2f} s; {peer_name}: {peer.wall:.2f} s; "
        f"{peer.wall / ours.wall:.1f} times as fast (target: {target})"
    )
    record(f"{name} / {peer_name}", ours.walls, peer.walls)


def record(name: str, ours: Sequence[float], peer: Sequence[float]) -> tuple[float, ...]:
    """Print and keep how long ours takes for each second of the peer's, turn by turn.

    `ours`, `peer`: what each turn cost, in the same unit, at least two turns. `name` is the comparison's in
    the file: a run that is added to a file must call it the same. Raises ValueError for a single turn, which
    says nothing of its noise.
    """
    ratios = tuple(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
    if len(ratios) < 2:
        raise ValueError(f"{name} has {len(ratios)} turns, and a spread needs at least 2")
    print(
        f"  {name}: {statistics.median(ratios):.3f} of its time, "
        f"{min(ratios):.3f} to {max(ratios):.3f} in {len(ratios)} turns",
        flush=True,
    )
    if path := os.environ.get(KEEP_IN):
        pyperf.add_runs(path, pyperf.Benchmark([pyperf.Run(ratios, metadata={"name": name})]))
    return ratios
