"""Rows of numbers of different lengths -> one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Integer = TypeVar("Integer", np.int32, np.int64)


def padded(rows: Sequence[Sequence[int]], fill: int, dtype: type[Integer]) -> NDArray[Integer]:
    """N rows of numbers -> (N, T), T that of the longest, with `fill` behind the shorter ones."""
    found = np.full((len(rows), max(map(len, rows), default=0)), fill, dtype)
    for row, numbers in zip(found, rows, strict=True):
        row[: len(numbers)] = numbers
    return found
