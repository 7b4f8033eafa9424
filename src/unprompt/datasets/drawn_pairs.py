"""Pairs that are drawn, not read: written part by part, by several processes, gone on with after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unprompt import __version__
from unprompt.datasets.pairs import PROBLEMS, RECORD
from unprompt.datasets.write_pairs import WrittenPairs
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage import resumable as folders
from unprompt.storage.files import write_problems
from unprompt.storage.images import encode_png
from unprompt.storage.parts import PairPart, part_name, write_pair_part
from unprompt.storage.processes import killed_worker_told, spawning


@dataclass(frozen=True)
class MadePair:
    """One pair: `source` and `target` as a network is given and should make them, with words about it."""

    image_id: str
    source: Image.Image
    target: Image.Image
    caption: str


@dataclass(frozen=True)
class Amount:
    """How many pairs, how many in a file, by how many processes, and whether another set is replaced."""

    count: int
    part: int
    workers: int = 1
    overwrite: bool = False


def drawn_kind(noun: str) -> folders.FolderKind:
    """The kind of folder that drawn pairs are written into, by what one is called."""
    return folders.FolderKind(noun, RECORD, ("part-*.parquet", PROBLEMS))


def write_drawn_pairs(
    out: Path,
    kind: folders.FolderKind,
    draw: Callable[[int], MadePair],
    amount: Amount,
    plan: Mapping[str, Any],
    made: Mapping[str, Any],
    progress: Progress = silent,
    problems: Sequence[Problem] = (),
) -> WrittenPairs:
    """Write the pairs `draw` gives for 0 .. count - 1 as parts of Pairs into the folder `out`.

    `draw`: no pair may depend on another; it is pickled where there are several workers. `plan`: all that
    decides the pairs; `made`: what of it the record tells. `problems`: drawings that were left out. Killed
    at any moment and called again with the same, it goes on and ends with the same bytes. Raises RunError for
    a folder that is finished or belongs to something else, and where a worker is killed.
    """
    plan = {"unprompt": __version__, "count": amount.count, "part": amount.part, **plan}
    starts = range(0, amount.count, amount.part)
    with folders.open_folder(out, kind, plan, amount.overwrite):
        missing = [number for number in range(len(starts)) if not (out / part_name(number)).exists()]
        done = amount.count - sum(min(amount.part, amount.count - starts[number]) for number in missing)
        progress("drawing pairs", done, amount.count)
        for drawn in _in_turn(_Drawer(out, draw, amount), missing, amount.workers):
            done += drawn
            progress("drawing pairs", done, amount.count)
        if problems:
            write_problems(out / PROBLEMS, problems)
        record = {
            "pairs": amount.count,
            "problems": len(problems),
            "captions": True,
            "layout": "parts",
            "made": dict(made),
            "versions": {"unprompt": __version__},
        }
        folders.finish(out, kind, record)
    return WrittenPairs(out, amount.count, tuple(problems))


@dataclass(frozen=True)
class _Drawer:
    """Draws one part of a set of pairs, and writes it."""

    out: Path
    draw: Callable[[int], MadePair]
    amount: Amount

    def __call__(self, number: int) -> int:
        start = number * self.amount.part
        rows = range(start, min(start + self.amount.part, self.amount.count))
        return write_made_part(self.out / part_name(number), map(self.draw, rows))


def write_made_part(path: Path, pairs: Iterable[MadePair]) -> int:
    """Write pairs as one part; how many there were. A part without pairs is not written."""
    made = [(pair.image_id, encode_png(pair.source), encode_png(pair.target), pair.caption) for pair in pairs]
    if made:
        ids, sources, targets, captions = zip(*made, strict=True)
        files = [f"{image_id}.png" for image_id in ids]
        part = PairPart(
            ids,
            tuple(zip(sources, files, strict=True)),
            tuple(zip(targets, files, strict=True)),
            captions,
        )
        write_pair_part(path, part)
    return len(made)


def _in_turn(draw: Callable[[int], int], numbers: Sequence[int], workers: int) -> Iterator[int]:
    """What `draw` gives for each number, made by this process or by several."""
    if workers == 1 or len(numbers) < 2:
        yield from map(draw, numbers)
        return
    with ProcessPoolExecutor(min(workers, len(numbers)), spawning()) as pool:
        try:
            with killed_worker_told():
                yield from pool.map(draw, numbers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
