"""Histograms for the HTML pages: which bars there are, and where everything stands on the plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.html.kit import write_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIMILARITY_BINS = 20  # bars between 0 and 1, so each is 0.05 wide
LENGTH_BINS = 30  # bars of a histogram of lengths, at most
AXIS_TICKS = 5  # steps between the numbers at an axis, at most


@dataclass(frozen=True)
class Bar:
    """How many values lie in [low, high); the last bar of a histogram also holds what is above."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Histogram:
    """Bars over an axis, with the numbers to write at both axes.

    Positions are percentages of the plot, so that the drawing stretches while its letters keep their size.
    `whole`: the values are whole numbers. `open_ended`: the last bar holds values beyond its right end.
    """

    bars: tuple[Bar, ...]
    ticks: tuple[float, ...]
    count_ticks: tuple[int, ...]
    whole: bool = False
    open_ended: bool = False

    def across(self, value: float) -> float:
        """Percent from the left edge; what is off the axis lands on its end."""
        low, high = self.bars[0].low, self.bars[-1].high
        return 100 * min(max((value - low) / (high - low), 0), 1)

    def up(self, count: int) -> float:
        """Percent of the plot's height."""
        return 100 * count / self.count_ticks[-1]

    def write_range(self, bar: Bar) -> str:
        """Which values a bar holds: "0.05 to 0.10"; "12", "10 to 14" or "60 or more" of whole numbers."""
        if not self.whole:
            return f"{write_number(bar.low, 2)} to {write_number(bar.high, 2)}"
        if self.open_ended and bar == self.bars[-1]:
            return f"{bar.low:,} or more"
        return f"{bar.low:,}" if bar.high - bar.low == 1 else f"{bar.low:,} to {bar.high - 1:,}"

    @property
    def fullest(self) -> Bar:
        """The highest bar; of several, the one that lies lowest on the axis."""
        return max(self.bars, key=lambda bar: bar.count)


def bin_similarities(similarities: NDArray[np.float64]) -> Histogram:
    """Count similarities (n,), n > 0, in bars 0.05 wide, from 0 or the lowest one below it up to 1."""
    bins = SIMILARITY_BINS
    edges = np.arange(-bins, bins) / bins  # left ends of all the bars there could be
    places = np.searchsorted(edges, np.clip(similarities, -1, 1), side="right") - 1 - bins  # (n,)
    first = min(0, int(places.min()))
    first -= first % 4  # the axis begins at a multiple of 0.2, where a tick can stand
    counts = np.bincount(places - first, minlength=bins - first)
    return Histogram(
        bars=tuple(
            Bar(place / bins, (place + 1) / bins, int(count)) for place, count in enumerate(counts, first)
        ),
        ticks=tuple(place / bins for place in range(first, bins + 1, 4)),
        count_ticks=round_ticks(int(counts.max())),
    )


def bin_lengths(lengths: NDArray[np.int64], common: int) -> Histogram:
    """Count lengths (n,), n > 0, none negative, in bars of one round width from 0 on.

    The axis reaches to the longest, but at most to twice `common`, a length that most stay below: a few
    very long values would press all others into one bar. What is beyond counts in the last bar.
    """
    longest = int(lengths.max())
    end = min(longest, max(2 * common, 1))
    width = round_step(end + 1, LENGTH_BINS)
    bars = end // width + 1
    counts = np.bincount(np.minimum(lengths // width, bars - 1), minlength=bars)
    step = max(round_step(bars * width, AXIS_TICKS), width)
    return Histogram(
        bars=tuple(Bar(place * width, (place + 1) * width, int(count)) for place, count in enumerate(counts)),
        ticks=tuple(range(0, bars * width + 1, step)),
        count_ticks=round_ticks(int(counts.max())),
        whole=True,
        open_ended=longest >= bars * width,
    )


def round_ticks(highest: int) -> tuple[int, ...]:
    """0 and up to five round numbers above it, evenly spaced, the last at or above `highest` (at least 1)."""
    step = round_step(highest, AXIS_TICKS)
    return tuple(range(0, highest + step, step))


def round_step(length: int, steps: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … of which `steps` reach as far as `length` (at least 1)."""
    magnitude = 10 ** int(math.log10(length / steps)) if length > steps else 1
    return next(step * magnitude for step in (1, 2, 5, 10) if steps * step * magnitude >= length)
