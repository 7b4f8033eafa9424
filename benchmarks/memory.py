"""How much memory and cache each command that takes images needs, and how both grow with their number.

    python benchmarks/memory.py [--counts 200 400] [--commands predict render …] [--out memory.json]

Each command runs twice, on few and on many images, in a process of its own with a cache of its own. Memory is
the most that the process and its children were seen to have resident at a time (pages that they share count
for each). Growth is what a thousand images more would add; where it is small beside what two runs on the same
images differ by, it says nothing. The cache is counted while the command runs, and after it. The networks of
`interrogate` and `caption` are tiny: what they need besides their parameters is measured.

`predict` and its like are given pictures of 512 x 512 pixels, `colour paint` and `doodle name` line art of
256 x 256, and `filter`, `render` and `train` prompts of the pocket world and its pictures of 128 x 128.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from PIL import Image, ImageDraw

from unprompt.storage.files import write_json

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the tiny networks that the tests make
from tests.tiny_captioners import save_tiny_blip
from tests.tiny_clip import write_tiny_clip

UNPROMPT = (sys.executable, "-m", "unprompt")
LITTLE_TRAINING = {
    "--backbone": "tf_efficientnet_lite0",
    "--size": "128",
    "--batch": "32",
    "--epochs": "1",
    "--probe": "1",
}
LOOK = 0.05  # seconds between two looks at a running command
LINE_ART = 256  # pixels
MIB = 2**20


# --- what the commands are given


def write_line_art(folder: Path, count: int) -> None:
    """Balls with windows, of thin lines, and the orders to colour them."""
    folder.mkdir()
    rows = ["image,words,out"]
    for number in range(count):
        sheet = Image.new("RGB", (LINE_ART, LINE_ART), "white")
        pen = ImageDraw.Draw(sheet)
        left, size = 20 + number % 40, 120 + number % 60
        pen.ellipse((left, 40, left + size, 40 + size), outline="black", width=3)
        window = (left + size // 3, 60 + size // 3, left + size // 2, 60 + size // 2)
        pen.rectangle(window, outline="black", width=3)
        sheet.save(folder / f"{number:04d}.png")
        rows.append(f"{number:04d}.png,a red ball with a blue window,{number:04d}.png")
    (folder / "orders.csv").write_text("\n".join(rows) + "\n")


def write_material(folder: Path, count: int) -> None:
    """All that the commands take, for so many images."""
    from predict import write_images

    (folder / "images").mkdir(parents=True)
    write_images(folder / "images", count)
    write_line_art(folder / "lines", count)
    for command in (
        ["prompts", "--count", str(count), "--out", str(folder / "prompts.csv")],
        ["render", str(folder / "prompts.csv"), "--out", str(folder / "DATASET")],
    ):
        subprocess.run([*UNPROMPT, *command], check=True, capture_output=True)
    save_tiny_blip(folder / "blip")
    write_tiny_clip(folder / "clip")


def commands_on(folder: Path, work: Path) -> dict[str, list[str]]:
    """The commands on the material of a folder, writing into another, by the name that the table has."""
    out = str(work / "out")
    images, lines, prompts, dataset = (
        str(folder / name) for name in ("images", "lines", "prompts.csv", "DATASET")
    )
    training = [word for option in LITTLE_TRAINING.items() for word in option]
    tiny = ["--checkpoint", str(folder / "clip"), "--mode", "fast", "--caption", "a picture"]
    return {
        "predict": ["predict", images, "--out", out],
        "interrogate": ["interrogate", images, *tiny, "--out", f"{out}.csv"],
        "caption": ["caption", images, "--model", str(folder / "blip"), "--out", f"{out}.csv"],
        "page make": ["page", "make", images, "--out", out],
        "colour paint": ["colour", "paint", "--csv", f"{lines}/orders.csv", "--out", out],
        "doodle name": ["doodle", "name", lines, "--out", f"{out}.csv"],
        "filter": ["filter", prompts, "--out", f"{out}.csv"],
        "render": ["render", prompts, "--out", out],
        "train": ["train", dataset, "--out", out, *training, "--fold-norms", "--keep-decoded"],
    }


# --- measuring


@dataclass(frozen=True)
class Used:
    """What one command needed, in bytes, and how long it took."""

    images: int
    seconds: float
    memory: int  # resident at a time, process and children
    cache: int  # in the cache at a time
    cache_left: int  # after its end


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children have resident; those that just ended have none."""
    total = 0
    for one in [process, *children_of(process)]:
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Its children and theirs."""
    with suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = process.children(recursive=True)
        return found
    return []


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, some of which may be going."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def use(command: Sequence[str], images: int, cache: Path) -> Used:
    """Run a command with a cache of its own, and look at it until it ends."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    start, memory, most = time.perf_counter(), 0, 0
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen([*UNPROMPT, *command], env=environment, stdout=told, stderr=told)
        seen = psutil.Process(process.pid)
        while process.poll() is None:
            memory = max(memory, resident(seen))
            most = max(most, size_of(cache))
            time.sleep(LOOK)
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{' '.join(command)}: {told.read()[-500:].decode()}")
    return Used(images, time.perf_counter() - start, memory, most, size_of(cache))


@dataclass(frozen=True)
class Row:
    """A command's memory and cache for the fewer images, and what a thousand more would add; bytes."""

    command: str
    images: int
    memory: int
    memory_growth: float
    cache: int
    cache_growth: float
    cache_left: int

    @classmethod
    def of(cls, command: str, few: Used, many: Used) -> Row:
        """Of two runs, with fewer and with more images."""
        thousands = (many.images - few.images) / 1000
        return cls(
            command,
            few.images,
            few.memory,
            (many.memory - few.memory) / thousands,
            few.cache,
            (many.cache - few.cache) / thousands,
            many.cache_left,
        )

    def line(self) -> str:
        """As a row of a table in Markdown, in MiB."""
        numbers = (self.memory, self.memory_growth, self.cache, self.cache_growth, self.cache_left)
        return f"| {self.command} | " + " | ".join(f"{number / MIB:,.0f}" for number in numbers) + " |"


def main() -> None:
    """Parse, measure, print a table, and write what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs=2, default=(200, 400), metavar=("FEW", "MANY"))
    names = tuple(commands_on(Path(), Path()))
    parser.add_argument(
        "--commands", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="what each run needed")
    options = parser.parse_args()
    if len(set(options.counts)) < 2:
        parser.error("--counts are the same twice, and what an image costs is their difference")
    used: dict[str, list[Used]] = {name: [] for name in options.commands}
    with tempfile.TemporaryDirectory() as scratch:
        for count in sorted(options.counts):
            folder = Path(scratch) / str(count)
            write_material(folder, count)
            for name in options.commands:
                work = Path(scratch) / "work"
                (work / "cache").mkdir(parents=True)
                used[name].append(use(commands_on(folder, work)[name], count, work / "cache"))
                shutil.rmtree(work)
                print(f"{name}: {used[name][-1]}", file=sys.stderr, flush=True)
    few = min(options.counts)
    print(f"| MiB | memory, {few} images | 1,000 more | cache, {few} images | 1,000 more | cache left |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, runs in used.items():
        print(Row.of(name, *runs).line())
    if options.out:
        write_json(options.out, {name: [asdict(run) for run in runs] for name, runs in used.items()})


if __name__ == "__main__":
    main()
