"""The near-duplicate filter beside its peers, on the embeddings of clip-interrogator's 100,970 flavors.

Each peer finds the pairs at cosine 0.95 and above in its own way, from the same array, in the same run:
a blocked brute-force loop in torch, faiss' exact range search, and sentence-transformers' paraphrase mining.
Targets: 4, 5 and 10 times as fast. All of them must end with the same prompts.

`--million` filters a million vectors in a process of its own, for its time and its peak of memory (targets:
15 minutes, 6 GB). Each lies between the embeddings of two random flavors, as a prompt of two phrases does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable

import faiss
import numpy as np
import torch
from sentence_transformers.util import paraphrase_mining_embeddings

from timing import record
from unprompt.datasets.near_duplicates import THRESHOLD, filter_near_duplicates
from unprompt.interrogator.vocabulary import read_phrases
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.records import unit_rows

BLOCK = 2048
MILLION = 1_000_000


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
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    borders, _, found = index.range_search(vectors, np.nextafter(np.float32(THRESHOLD), np.float32(0)))
    rows = np.repeat(np.arange(len(vectors)), np.diff(borders).astype(np.int64))
    return first_come(len(vectors), np.column_stack([rows, found])[rows < found])


def by_paraphrase_mining(vectors: np.ndarray) -> np.ndarray:
    """sentence-transformers' search, with room for all the pairs that there are."""
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


def flavors() -> np.ndarray:
    """Embeddings of all flavors, (F, 384)."""
    return encode_cached(PromptEncoder.load(), read_phrases("flavors"), "flavors")


def compare(repeats: int) -> None:
    """Time all of them in turn, `repeats` times, and print medians and ratios."""
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


def filter_a_million(path: str) -> None:
    """In a process of its own, so that the peak of memory is the filter's."""
    source = np.load(path, mmap_mode="r")
    rng = np.random.default_rng(0)
    vectors = np.empty((MILLION, source.shape[1]), dtype=np.float32)
    for start in range(0, MILLION, 10_000):
        first, second = rng.integers(len(source), size=(2, 10_000))
        share = rng.uniform(0.5, 1, size=(10_000, 1)).astype(np.float32)
        vectors[start : start + 10_000] = unit_rows(share * source[first] + (1 - share) * source[second])
    print(f"a million vectors of {vectors.nbytes / 1e9:.1f} GB are made", flush=True)
    start_time = time.perf_counter()
    kept = filter_near_duplicates(vectors).kept
    taken = time.perf_counter() - start_time
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"a million: {taken / 60:.1f} minutes (target: 15), keeps {kept.sum():,}; "
        f"at most {peak / 1e9:.1f} GB of memory (target: 6)"
    )


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="filter a million vectors instead")
    options = parser.parse_args()
    if not options.million:
        compare(options.repeats)
        return
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, flavors())
        file.flush()
        process = multiprocessing.get_context("spawn").Process(target=filter_a_million, args=(file.name,))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
