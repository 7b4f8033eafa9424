"""How long work tells how far it is: one kind of function for all of the package."""

from __future__ import annotations

from collections.abc import Callable

# Told the step of the work ("embedding prompts"), how much of it is done, and how much there is in all:
# 0 where nobody knows yet.
Progress = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """For callers who do not want to know."""
