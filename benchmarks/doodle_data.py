"""How much memory `unprompt doodle data` takes, by how many drawings its set has: drawings -> a table.

    python benchmarks/doodle_data.py DRAWINGS [--counts 10000 40000]

The drawings are repeated, each time with one stroke more, until there are as many as wanted. Strokes alone,
no pictures and no copies; all drawings of each word.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path


def repeated(path: Path) -> Iterator[str]:
    """Lines of Quick, Draw!'s ndjson without end, no two drawings alike."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        drawings = [json.loads(line) for line in lines]
    for turn in count():
        more = [[turn % 256, turn // 256 % 256], [0, 255]]
        for entry in drawings:
            named = {**entry, "key_id": f"{entry['key_id']}-{turn}", "drawing": [*entry["drawing"], more]}
            yield json.dumps(named) + "\n"


def measure(source: Path, out: Path) -> tuple[float, float]:
    """Seconds of processor time, and MB at most, of a process that makes a set."""
    command = [sys.executable, "-m", "unprompt", "doodle", "data", str(source), "--out", str(out)]
    made = subprocess.Popen(
        [*command, "--size", "0", "--copies", "0", "--most", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(made.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> None:
    """Print a line for each size of set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("drawings", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 40_000], metavar="N")
    options = parser.parse_args()
    for number in options.counts:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "drawings.ndjson"
            with source.open("w") as lines:
                lines.writelines(islice(repeated(options.drawings), number))
            began = time.monotonic()
            seconds, megabytes = measure(source, Path(name) / "set")
            size = source.stat().st_size / 1e6
        print(
            f"{number:,} drawings, {size:.0f} MB: {megabytes:,.0f} MB at most, {seconds:.0f} CPU s, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
