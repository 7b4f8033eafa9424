"""Which ratios of `make bench` have moved from one file to another, beyond what the turns differ anyway.

    python benchmarks/compare.py OLD.json NEW.json

The files are pyperf's, and a file may hold several runs. Each comparison's ratios (our time for each second
of the peer's) are tested by Welch's t-test on their logarithms: what would differ as much by chance alone in
one of a hundred times or more is within the noise. What is printed are geometric means, which that test
compares. A single turn says nothing of its noise. Comparisons that only one of the files has are named.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyperf
from scipy.stats import ttest_ind

CHANCE = 0.01
OTHER_FILE = (ValueError, LookupError, TypeError, AttributeError)  # what pyperf raises for JSON of others

Ratios = Mapping[str, Sequence[float]]  # of each comparison, a number a turn


def read_ratios(path: Path) -> dict[str, tuple[float, ...]]:
    """The ratios of a file by the comparisons' names. Raises one of OTHER_FILE for another kind of file."""
    suite = pyperf.BenchmarkSuite.load(str(path))
    return {one.get_name(): one.get_values() for one in suite.get_benchmarks()}


def chance(old: Sequence[float], new: Sequence[float]) -> float:
    """How likely ratios of the same distribution differ as much, of two or more turns each."""
    if len({*old}) == len({*new}) == 1:  # no spread, of which there is no t
        return float({*old} == {*new})
    found = ttest_ind([math.log(one) for one in old], [math.log(one) for one in new], equal_var=False)
    return float(found.pvalue)


def describe(name: str, old: Sequence[float], new: Sequence[float]) -> str:
    """A line: what moved, and by how much."""
    before, after = statistics.geometric_mean(old), statistics.geometric_mean(new)
    found = f"{before:.3f} -> {after:.3f}"
    if min(len(old), len(new)) < 2:
        return f"{name}: {found}, of too few turns to tell"
    if chance(old, new) >= CHANCE:
        return f"{name}: {found}, within the noise"
    if after > before:
        return f"{name}: {found}, SLOWER, {after / before:.2f} times as long"
    return f"{name}: {found}, faster, {after / before:.2f} times as long"


def compare(old: Ratios, new: Ratios) -> list[str]:
    """A line for each comparison: those of both files in the order of the new one, then the others."""
    lines = [describe(name, old[name], ratios) for name, ratios in new.items() if name in old]
    lines += [f"{name}: only in the new file" for name in new if name not in old]
    return lines + [f"{name}: only in the old file" for name in old if name not in new]


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    options = parser.parse_args()
    found = []
    for path in (options.old, options.new):
        if not path.is_file():
            parser.error(f"{path} is no file; make one by: make bench")
        try:
            found.append(read_ratios(path))
        except OTHER_FILE as error:
            parser.error(f"{path} is no file of pyperf's ({error}); make one by: make bench")
    print("\n".join(compare(*found)))


if __name__ == "__main__":
    main()
