"""`unprompt filter`: a prompt list without its near-duplicates."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import add_json, add_settings, settings_from
from unprompt.cli.printing import command
from unprompt.generate.config import FilterConfig
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.generate.filter import FilterResult

EXAMPLE = """\
  unprompt filter prompts.csv --out kept.csv
  unprompt filter prompts.csv --out kept.csv --threshold 0.9 --against held_out.csv
"""
BAR = 32  # characters of the histogram's longest bar


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "prompts",
        type=Path,
        metavar="PROMPTS",
        help="prompts as .csv, .jsonl, .txt or .parquet, or a data set's folder",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the prompts that are kept")
    add_settings(parser, FilterConfig)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Filter, then print counts and the histogram."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again to go on; embeddings that are done are kept"

    from unprompt.generate.filter import filter_prompts

    config = settings_from(options, FilterConfig)
    with StepBars("prompt") as bars:
        result = filter_prompts(options.prompts, options.out, config, bars.show)
    if options.json:
        print(json.dumps(result.numbers()))
        return
    print(
        f"{counted(result.read, 'prompt')} in {time.monotonic() - started:.0f} s: {result.kept:,} kept, "
        f"{counted(result.duplicates, 'exact duplicate')} and "
        f"{counted(result.near_duplicates, 'near-duplicate')} (cosine >= {config.threshold}) dropped"
        + (f", {result.by_against:,} too close to another list" if config.against else "")
    )
    print("\n".join(histogram_lines(result)))
    print(f"kept     {result.out}")
    print(f"dropped  {result.dropped_file}")
    print(f"next     {command('render', result.out, '--out', 'DATASET')}")


def histogram_lines(result: FilterResult) -> list[str]:
    """Two histograms side by side, before and after, from the first to the last stretch that has any."""
    before, after = result.before, result.after
    used = [place for place, count in enumerate(before.counts) if count] or [0]
    bins = len(before.counts)
    lines = ["", f"nearest neighbour's cosine   {'before':<{BAR + 8}} after"]
    for place in range(used[0], used[-1] + 1):
        bars = (
            f"{share:6.1%} {'█' * round(BAR * share):<{BAR}}"
            for histogram in (before, after)
            for share in (histogram.counts[place] / max(1, histogram.sampled),)
        )
        lines.append(f"  {place / bins:.2f} to {(place + 1) / bins:.2f}".ljust(27) + "  ".join(bars).rstrip())
    sampled = f"of {before.sampled:,} and {counted(after.sampled, 'prompt')}, each among all distinct ones"
    return [*lines, f"  ({sampled})", ""]
