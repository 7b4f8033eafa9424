"""What a command's start costs, beside an interpreter that does nothing and beside what it cannot do without.

`--help` and `import unprompt` are wall times: under 0.5 s, and under 0.05 s more than that interpreter. The
prompt of one image by the bundle `lite` is in processor seconds too, which other work on the machine moves
less: beside the import of torch, without which nothing is seen, and of timm, which is no longer needed.
All are run in turns, once before they are timed, so that files and the cache are warm.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from unprompt.pocket.draw import draw_scene
from unprompt.pocket.samples import SIZE, sample_scenes


class Cost(NamedTuple):
    """Seconds by the clock, and of processors, of a command."""

    wall: float
    processor: float


def cost_of(arguments: Sequence[str]) -> Cost:
    """Run Python with some arguments."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def median_costs(commands: Mapping[str, Sequence[str]], repeats: int) -> dict[str, Cost]:
    """The medians of commands that are run in turns, after a turn that does not count."""
    turns = [{name: cost_of(arguments) for name, arguments in commands.items()} for _ in range(repeats + 1)][
        1:
    ]
    return {
        name: Cost(*map(statistics.median, zip(*(turn[name] for turn in turns), strict=True)))
        for name in commands
    }


def main() -> None:
    """Print all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats

    light = {
        "bare": ("-c", "pass"),
        "help": ("-m", "unprompt", "--help"),
        "import": ("-c", "import unprompt"),
    }
    costs = median_costs(light, repeats)
    bare = costs["bare"].wall
    print(f"unprompt --help: {costs['help'].wall:.3f} s; bare interpreter: {bare:.3f} s; target: under 0.5 s")
    more = costs["import"].wall - bare
    print(f"import unprompt: {more:.3f} s more than a bare interpreter; target: under 0.050 s")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "images" / "scene.png"
        picture.parent.mkdir()
        draw_scene(sample_scenes(1)[0], 0, SIZE).save(picture)
        run = ("--out", f"{folder}/run", "--overwrite")
        costs = median_costs(
            {
                "import torch": ("-c", "import torch"),
                "import timm": ("-c", "import timm"),
                "unprompt IMAGE": ("-m", "unprompt", str(picture)),
                "unprompt predict, one image": ("-m", "unprompt", "predict", str(picture.parent), *run),
            },
            repeats,
        )
    floor = costs["import torch"].processor
    for name, cost in costs.items():
        print(
            f"{name}: {cost.processor:.2f} processor seconds, {cost.processor / floor:.2f} times "
            f"import torch ({cost.wall:.2f} s by the clock)"
        )


if __name__ == "__main__":
    main()
