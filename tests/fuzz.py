"""`make fuzz`: every attack in turn for minutes, from a seed that is new each time or given.

Prints inputs a second and each escape, whose input is kept in a file; ends with 1 where there was one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.doodles import attacks as doodles
from tests.fuzzing import Attack, run, try_one
from tests.metadata import attacks as metadata
from tests.networks import test_hostile as networks
from tests.storage import attacks as storage
from tests.storage import test_array_headers as arrays
from tests.storage import test_mat_files as matlab
from tests.storage import test_tables_attacked as tables

TURN = 200  # inputs of one attack before the next has its turn


def main() -> int:
    """Attack for `--minutes`, or repeat one input with `--repeat`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="folder for the inputs of escapes")
    parser.add_argument("--repeat", type=Path, help="a file that an earlier call kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        attacks = [
            *storage.attacks(),
            *metadata.attacks(),
            *doodles.attacks(here),
            *arrays.attacks(here),
            *matlab.attacks(here),
            *tables.attacks(here),
            *networks.attacks(here),
        ]
        if options.repeat:
            return repeat(attacks, options.repeat)
        seed = int(time.time()) if options.seed is None else options.seed
        print(f"seed {seed}", flush=True)
        return attack_all(attacks, Random(seed), 60 * options.minutes, options.out)


def attack_all(attacks: list[Attack], random: Random, seconds: float, out: Path) -> int:
    """Attack in turns; 1 where anything escaped."""
    counts = dict.fromkeys((attack.name for attack in attacks), 0)
    escaped, end, started = 0, time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        for attack in attacks:
            for escape in run(attack, random, TURN):
                counts[attack.name] += 1
                if escape:
                    escaped += 1
                    out.mkdir(exist_ok=True)
                    kept = out / f"{attack.name.replace(' ', '-')}-{escaped}-{escape.name.replace(' ', '-')}"
                    kept.write_bytes(escape.content)
                    print(f"{kept}: {escape.what}", flush=True)
                if time.monotonic() > end:
                    break
    total, taken = sum(counts.values()), time.monotonic() - started
    for name, count in counts.items():
        print(f"{name}: {count:,} inputs")
    print(f"{total:,} inputs in {taken:.0f} s, {total / taken:.0f} a second; {escaped} escaped")
    return int(escaped > 0)


def repeat(attacks: list[Attack], kept: Path) -> int:
    """Try one kept input again."""
    for attack in attacks:
        beginning = f"{attack.name.replace(' ', '-')}-"
        _, _, name = kept.name.removeprefix(beginning).partition("-")
        if kept.name.startswith(beginning):
            escape = try_one(attack, name, kept.read_bytes())
            print(escape.what if escape else "nothing escaped")
            return int(escape is not None)
    print(f"{kept} is no file that this command kept")
    return 2


if __name__ == "__main__":
    result = main()
    sys.stdout.flush()
    os._exit(result)  # decoders of damaged files may have left threads behind
