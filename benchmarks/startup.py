"""What a command's start costs, beside an interpreter that does nothing and beside what it cannot do without.

`--help` and `import unprompt` are wall times: under 0.5 s, and under 0.05 s more than that interpreter. The
prompt of one image by the bundle `lite` is in processor seconds too, which other work on the machine moves
less: beside the import of torch, without which nothing is seen, and of timm, which is no longer needed.
All are run in turns, once before they are timed, so that files and the cache are warm.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import in_turns, record
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.samples import SIZE, sample_scenes


def run(*arguments: str) -> None:
    """Run Python with some arguments."""
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Print all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats

    bare, help_page, imported = in_turns(
        lambda: run("-c", "pass"),
        lambda: run("-m", "unprompt", "--help"),
        lambda: run("-c", "import unprompt"),
        repeats=max(9, repeats),
    )
    alone, more = bare.wall, imported.wall - bare.wall
    print(f"unprompt --help: {help_page.wall:.3f} s; bare interpreter: {alone:.3f} s; target: under 0.5 s")
    print(f"import unprompt: {more:.3f} s more than a bare interpreter; target: under 0.050 s")
    record("unprompt --help / bare interpreter", help_page.walls, bare.walls)
    record("import unprompt / bare interpreter", imported.walls, bare.walls)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "images" / "scene.png"
        picture.parent.mkdir()
        draw_scene(sample_scenes(1)[0], 0, SIZE).save(picture)
        out = ("--out", f"{folder}/run", "--overwrite")
        works = (
            lambda: run("-c", "import torch"),
            lambda: run("-c", "import timm"),
            lambda: run("-m", "unprompt", str(picture)),
            lambda: run("-m", "unprompt", "predict", str(picture.parent), *out),
        )
        in_turns(*works, repeats=1)  # warms files and the cache
        torch, timm, one, predicted = in_turns(*works, repeats=repeats)
    for name, cost in (("import timm", timm), ("unprompt IMAGE", one), ("unprompt predict", predicted)):
        print(
            f"{name}: {cost.cpu:.2f} processor seconds, {cost.cpu / torch.cpu:.2f} times "
            f"import torch ({cost.wall:.2f} s by the clock)"
        )
        record(f"{name} / import torch, processor seconds", cost.cpus, torch.cpus)


if __name__ == "__main__":
    main()
