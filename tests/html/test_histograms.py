"""Histograms: bars hold the right values, axes end at round numbers, everything adds up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.html.histograms import bin_lengths, bin_similarities, round_ticks


def test_bars_hold_the_counts_worked_by_hand() -> None:
    histogram = bin_similarities(np.array([0.0, 0.049, 0.05, 0.5, 0.51, 1.0, 0.999]))
    counts = {bar.low: bar.count for bar in histogram.bars if bar.count}
    assert counts == {0.0: 2, 0.05: 1, 0.5: 2, 0.95: 2}
    assert histogram.ticks == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert histogram.count_ticks == (0, 1, 2)
    assert histogram.across(0.25) == 25
    assert histogram.up(1) == 50


def test_axis_reaches_down_to_a_tick_below_the_lowest_similarity() -> None:
    histogram = bin_similarities(np.array([-0.21, 0.3]))
    assert histogram.bars[0].low == -0.4
    assert [bar.low for bar in histogram.bars if bar.count] == [-0.25, 0.3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1.0000001, 1.0000001), min_size=1, max_size=60))
def test_bar_counts_add_up_and_each_value_lies_in_its_bar(similarities: list[float]) -> None:
    histogram = bin_similarities(np.array(similarities))
    assert sum(bar.count for bar in histogram.bars) == len(similarities)
    assert histogram.bars[-1].high == 1
    for bar in histogram.bars[:-1]:
        assert bar.count == sum(bar.low <= max(value, -1) < bar.high for value in similarities)


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (1, (0, 1)),
        (3, (0, 1, 2, 3)),
        (5, (0, 1, 2, 3, 4, 5)),
        (6, (0, 2, 4, 6)),
        (99, (0, 20, 40, 60, 80, 100)),
    ],
)
def test_count_ticks_are_round(highest: int, ticks: tuple[int, ...]) -> None:
    assert round_ticks(highest) == ticks


@given(st.integers(1, 10**9))
def test_count_ticks_reach_the_highest_bar_in_few_steps(highest: int) -> None:
    ticks = round_ticks(highest)
    assert highest <= ticks[-1] < highest + ticks[1]
    assert 2 <= len(ticks) <= 6


def test_lengths_are_counted_in_bars_of_a_round_width() -> None:
    # 61 lengths from 0 to 60 need bars 5 wide, since 30 bars of 2 reach to 59 only.
    histogram = bin_lengths(np.array([0, 4, 5, 17, 60, 60]), common=60)
    counts = {bar.low: bar.count for bar in histogram.bars if bar.count}
    assert counts == {0: 2, 5: 1, 15: 1, 60: 2}
    assert histogram.bars[-1].high == 65
    assert histogram.ticks == (0, 20, 40, 60)
    assert not histogram.open_ended
    assert histogram.write_range(histogram.bars[-1]) == "60 to 64"
    assert histogram.across(13) == 20


def test_very_long_lengths_count_in_the_last_bar() -> None:
    histogram = bin_lengths(np.array([3, 4, 5, 10, 11, 5000]), common=5)
    assert [(bar.low, bar.count) for bar in histogram.bars if bar.count] == [(3, 1), (4, 1), (5, 1), (10, 3)]
    assert histogram.open_ended
    assert histogram.write_range(histogram.bars[-1]) == "10 or more"
    assert histogram.write_range(histogram.bars[3]) == "3"


def test_ranges_of_similarities_have_two_decimals() -> None:
    histogram = bin_similarities(np.array([-0.03, 0.5]))
    assert histogram.write_range(histogram.bars[3]) == "−0.05 to 0.00"


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(0, 10**6))
def test_length_bars_hold_each_value_once_and_are_few(lengths: list[int], common: int) -> None:
    histogram = bin_lengths(np.array(lengths), common)
    bars = histogram.bars
    assert sum(bar.count for bar in bars) == len(lengths)
    assert 1 <= len(bars) <= 30
    assert 2 <= len(histogram.ticks) <= 6
    for bar in bars[:-1]:
        assert bar.count == sum(bar.low <= length < bar.high for length in lengths)
    assert bars[-1].high > min(max(lengths), 2 * common)
    assert histogram.open_ended == (max(lengths) >= bars[-1].high)
