"""Ways to guess beside each other, as a table for people."""

from __future__ import annotations

import numpy as np

from unprompt.recipes.comparison import Way, compare, table_lines

SPREAD = np.array([0.1, 0.5, 0.9])


def test_targets_are_told_where_there_are_any() -> None:
    ours = Way("ours", SPREAD + 0.06)
    head, first, other = table_lines(compare(ours, [Way("ridge", SPREAD, 0.05)]))
    assert head.endswith("target")
    assert first.split()[:2] == ["ours", "0.5600"]
    assert other.endswith("+0.0600 to +0.0600   0.05 met")
    head, _, other = table_lines(compare(ours, [Way("ridge", SPREAD)]))
    assert "target" not in head
    assert other.endswith("+0.0600            +0.0600 to +0.0600")
