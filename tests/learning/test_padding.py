"""Rows of different lengths as one array."""

from __future__ import annotations

import numpy as np

from unprompt.learning.padding import padded


def test_shorter_rows_are_filled_up() -> None:
    found = padded([[5, 6, 7], [], [8]], 9, np.int32)
    assert found.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert found.dtype == np.int32


def test_no_rows_and_rows_of_nothing() -> None:
    assert padded([], 0, np.int64).shape == (0, 0)
    assert padded([[], []], 0, np.int64).shape == (2, 0)
