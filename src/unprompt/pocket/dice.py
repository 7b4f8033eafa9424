"""Decisions from a seed, in whole numbers: the same on every machine and every Python."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of decisions. Only `getrandbits` of the standard generator is used: its stream is fixed."""

    def __init__(self, seed: int) -> None:
        self._bits = random.Random(seed).getrandbits

    def below(self, count: int) -> int:
        """A whole number in [0, count)."""
        return self._bits(32) * count >> 32

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` of a hundred cases."""
        return self.below(100) < percent

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all alike likely."""
        return options[self.below(len(options))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """One of the keys, as likely as its weight."""
        number = self.below(sum(weights.values()))
        for option, weight in weights.items():
            number -= weight
            if number < 0:
                return option
        raise AssertionError("weights are whole numbers and one of them is positive")
