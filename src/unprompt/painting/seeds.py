"""The seeds of pictures that are painted together."""

from __future__ import annotations

SEEDS = 1 << 32  # seeds are from 0 to this, exclusive


def seeds_in_row(first: int, count: int) -> tuple[int, ...]:
    """So many seeds that follow each other; behind the largest comes 0."""
    return tuple((first + number) % SEEDS for number in range(count))
