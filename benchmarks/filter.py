"""The near-duplicate filter beside its peers, on the embeddings of clip-interrogator's 100,970 flavors.

Each peer finds the pairs at cosine 0.95 and above in its own way, from the same array, in the same run:
a blocked brute-force loop in torch, faiss' exact range search, and sentence-transformers' paraphrase mining.
Targets: 4, 5 and 10 times as fast. All of them must end with the same prompts.

`--rows N N …` filters so many vectors, each number in a process of its own, from a file that is mapped into
memory: its seconds, and the most memory that is the filter's own (a million's targets: 15 minutes, 6 GB).
Pages of the file count apart, as the system takes them back when others need room. Each vector lies between
the embeddings of two random flavors, as a prompt of two phrases does. With two numbers or more, ten million
are projected.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from timing import record
from unprompt.datasets.near_duplicates import THRESHOLD, filter_near_duplicates
from unprompt.interrogator.vocabulary import read_phrases
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.records import unit_rows

BLOCK = 2048
STRETCH = 10_000  # rows that are made at once
TEN_MILLION = 10_000_000


def by_brute_force(vectors: np.ndarray) -> np.ndarray:
    """Block by block in torch: every row with every row that was kept before it."""
    rows = torch.from_numpy(vectors)
    kept = torch.empty_like(rows)
    count = 0
    keep = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        open_rows = torch.ones(len(block), dtype=torch.bool)
        for left in range(0, count, 8 * BLOCK):
            cosines = block @ kept[left : min(left + 8 * BLOCK, count)].T
            open_rows &= cosines.amax(dim=1) < THRESHOLD
        inside = (block @ block.T >= THRESHOLD).triu(1).numpy()
        chosen = open_rows.numpy().copy()
        for column in np.flatnonzero(inside.any(axis=0)):
            chosen[column] &= not (inside[:, column] & chosen).any()
        keep[start : start + BLOCK] = chosen
        found = block[torch.from_numpy(chosen)]
        kept[count : count + len(found)] = found
        count += len(found)
    return keep


def first_come(count: int, pairs: np.ndarray) -> np.ndarray:
    """(P, 2) pairs -> (count,) which rows the greedy loop keeps."""
    keep = np.ones(count, dtype=bool)
    for earlier, later in sorted((min(pair), max(pair)) for pair in pairs.tolist()):
        if keep[earlier]:
            keep[later] = False
    return keep


def by_range_search(vectors: np.ndarray) -> np.ndarray:
    """faiss' exact index."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    borders, _, found = index.range_search(vectors, np.nextafter(np.float32(THRESHOLD), np.float32(0)))
    rows = np.repeat(np.arange(len(vectors)), np.diff(borders).astype(np.int64))
    return first_come(len(vectors), np.column_stack([rows, found])[rows < found])


def by_paraphrase_mining(vectors: np.ndarray) -> np.ndarray:
    """sentence-transformers' search, with room for all the pairs that there are."""
    from sentence_transformers.util import paraphrase_mining_embeddings

    mined = paraphrase_mining_embeddings(
        torch.from_numpy(vectors),
        top_k=100,
        max_pairs=1_000_000,
        query_chunk_size=5000,
        corpus_chunk_size=100_000,
    )
    return first_come(len(vectors), np.array([(a, b) for cosine, a, b in mined if cosine >= THRESHOLD]))


def by_us(vectors: np.ndarray) -> np.ndarray:
    return filter_near_duplicates(vectors).kept


def flavors(most: int = 0) -> np.ndarray:
    """Embeddings of all flavors, or of the first so many, (F, 384)."""
    return encode_cached(PromptEncoder.load(), read_phrases("flavors")[: most or None], "flavors")


def compare(repeats: int) -> None:
    """Time all of them in turn, `repeats` times, and print medians and ratios."""
    import faiss  # noqa: F401  imported before any is timed
    import sentence_transformers  # noqa: F401

    vectors = flavors()
    ways: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
        "unprompt": (by_us, 0),
        "torch, blocked brute force": (by_brute_force, 4),
        "faiss IndexFlatIP.range_search": (by_range_search, 5),
        "sentence-transformers paraphrase mining": (by_paraphrase_mining, 10),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        kept = {}
        for name, (way, _) in ways.items():
            start = time.perf_counter()
            kept[name] = way(vectors)
            seconds[name].append(time.perf_counter() - start)
            print(
                f"  run {repeat + 1}: {name}: {seconds[name][-1]:.1f} s, keeps {kept[name].sum():,}",
                flush=True,
            )
    ours = statistics.median(seconds["unprompt"])
    print(f"{len(vectors):,} embeddings at cosine {THRESHOLD}: {ours:.2f} s")
    for name, (_, target) in ways.items():
        if target:
            theirs = statistics.median(seconds[name])
            record(f"filter / {name}", seconds["unprompt"], seconds[name])
            differ = int((kept[name] != kept["unprompt"]).sum())
            print(
                f"{name}: {theirs:.1f} s, {theirs / ours:.1f} times as long (target: {target}); "
                f"{differ} rows decided otherwise"
            )


def write_rows(path: Path, source: np.ndarray, count: int) -> None:
    """Write an .npy file of `count` unit rows, each between two random rows of (F, 384) `source`."""
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (count, source.shape[1]))
    for start in range(0, count, STRETCH):
        size = min(STRETCH, count - start)
        first, second = rng.integers(len(source), size=(2, size))
        share = rng.uniform(0.5, 1, size=(size, 1)).astype(np.float32)
        rows[start : start + size] = unit_rows(share * source[first] + (1 - share) * source[second])
    rows.flush()


def status(name: str) -> int:
    """Bytes by a line of this process's status, such as RssAnon; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


class Filtering(NamedTuple):
    """What it took to filter so many rows: seconds, those of all cores' processors, and bytes."""

    rows: int
    kept: int
    seconds: float
    cpu_seconds: float
    own: int  # the most at a time that was not the file's
    file: int  # and of the file

    def line(self) -> str:
        """For people."""
        return (
            f"{self.rows:,} rows: {self.seconds:.0f} s, {self.cpu_seconds:.0f} s of processors; keeps "
            f"{self.kept:,}; {self.own / 1e9:.2f} GB of memory beside {self.file / 1e9:.2f} GB of the file"
        )


def filter_mapped(path: Path, answer: Connection) -> None:
    """In a process of its own, so that the peak of memory is the filter's: sends its `Filtering`."""
    vectors = np.load(path, mmap_mode="r")
    own, over = [status("RssAnon")], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            own.append(status("RssAnon"))

    looking = threading.Thread(target=look)
    looking.start()
    start = time.perf_counter(), time.process_time()
    kept = filter_near_duplicates(vectors).kept
    seconds, cpu_seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    over.set()
    looking.join()
    answer.send(Filtering(len(kept), int(kept.sum()), seconds, cpu_seconds, max(own), status("RssFile")))


def projected(sizes: Sequence[int], amounts: Sequence[float], size: int, power: int) -> float:
    """What `size` rows would take: the least squares' a + b n^power through what fewer took.

    Comparing is quadratic, memory linear; that more rows have more near-duplicates, which are not compared
    with later ones, makes the first an upper bound.
    """
    powers = np.array([[1.0, float(n) ** power] for n in sizes])
    (base, growth), *_ = np.linalg.lstsq(powers, np.array(amounts), rcond=None)
    return float(base + growth * float(size) ** power)


def grow(counts: Sequence[int], phrases: int) -> None:
    """Filter so many rows after each other, and project ten million."""
    found = []
    source = flavors(phrases)
    context = multiprocessing.get_context("spawn")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            write_rows(path, source, count)
            here, there = context.Pipe()
            process = context.Process(target=filter_mapped, args=(path, there))
            process.start()
            there.close()
            found.append(here.recv())
            process.join()
        print(found[-1].line(), flush=True)
    if len(found) > 1:
        sizes = [one.rows for one in found]
        hours = projected(sizes, [one.cpu_seconds for one in found], TEN_MILLION, 2) / 3600
        own = projected(sizes, [one.own for one in found], TEN_MILLION, 1) / 1e9
        print(f"{TEN_MILLION:,} rows, projected: {hours:.1f} hours of processors, {own:.1f} GB of memory")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", metavar="N", help="filter so many rows instead")
    parser.add_argument(
        "--phrases", type=int, default=0, metavar="N", help="these are made of so many flavors only (all)"
    )
    options = parser.parse_args()
    if options.rows:
        grow(options.rows, options.phrases)
    else:
        compare(options.repeats)


if __name__ == "__main__":
    main()
