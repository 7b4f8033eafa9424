"""Ways to guess beside each other, as a table for people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from unprompt.recipes.comparison import Way, compare, table_lines, write_rows

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


def test_a_single_image_has_no_intervals(tmp_path: Path) -> None:
    rows = compare(Way("ours", SPREAD[:1] + 0.06), [Way("ridge", SPREAD[:1], 0.05), Way("other", SPREAD[:1])])
    assert {row[end] for row in rows for end in ("low", "high")} == {None}
    assert [line.split() for line in table_lines(rows)[1:]] == [
        ["ours", "0.1600"],
        ["ridge", "0.1000", "+0.0600", "0.05", "met"],
        ["other", "0.1000", "+0.0600", "0.00", "met"],
    ]
    json.dumps(rows, allow_nan=False)
    write_rows(tmp_path / "rows.csv", rows)
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("ours,0.16,,,")
