"""Which images train and which validate: near prompts stay on one side, so that the score is honest.

A network that has seen "a red fox, oil painting" has an easy time with "red fox in oil". Two prompts whose
cosine is at or above a threshold are therefore never divided, and neither is anything that hangs together
by such pairs: the groups are the connected components (single linkage).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.datasets.near_duplicates import GATHERED, SLACK, check_unit, dot_rows
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError, InputError
from unprompt.progress import Progress, silent
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

    Ints = NDArray[np.int64]

BLOCK = 1024  # rows that are compared at once on a CPU: a tile of products is 4 MB
GPU_BLOCK = 8192
SAME = 1 - 1e-6  # cosine from which two rows are those of one text, made in different batches
OVERSHOOT = 0.05  # of the validation part: so much larger it may become
LEAST = 2  # images on either side


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set on either side, sorted.

    `train`: (n,) and `validation`: (m,) int64, all rows in one or the other. `groups`: how many groups of
    near prompts the data set has.
    """

    train: Ints
    validation: Ints
    groups: int


def split_rows(
    vectors: FloatArray,
    share: float,
    cosine: float,
    seed: int,
    device: str = "cpu",
    progress: Progress = silent,
) -> Split:
    """Put about `share` of the rows aside for validation, group by group in a seeded random order.

    `vectors`: (N, D) float32 unit rows. No validation row has a cosine at or above `cosine` with a training
    row. The validation part has round(share * N) rows, at most 5% more, or as many as the small groups give.

    Raises InputError where either side would have fewer than two rows, where all rows are one group, and
    where the small groups do not reach half the share.
    """
    wanted = round(share * len(vectors))
    if not LEAST <= wanted <= len(vectors) - LEAST:
        raise InputError(
            f"a validation share of {share:g} of {counted(len(vectors), 'image')} is {wanted:,}, and "
            "both sides need "
            f"at least {LEAST}; change the share or add images"
        )
    labels = group_rows(vectors, cosine, device, progress)
    names, group_of_row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) == 1:
        raise InputError(
            f"all {counted(len(vectors), 'prompt')} form one group of prompts at cosine {cosine:g} or "
            "nearer, which "
            "cannot be divided; raise group_cosine or add prompts of other kinds"
        )
    chosen = _choose_groups(sizes, wanted, random_order(len(names), derive_seed(seed, "split")))
    taken = int(sizes[chosen].sum())
    if taken < max(LEAST, wanted / 2):
        raise InputError(
            f"groups of near prompts are too large to put {wanted:,} of {counted(len(vectors), 'image')} "
            f"aside: {counted(len(names), 'group')} at cosine {cosine:g}, the largest of "
            f"{counted(sizes.max(), 'image')}, and those that fit give {taken:,}; raise group_cosine or "
            "change the share"
        )
    validates = chosen[group_of_row]
    return Split(np.flatnonzero(~validates), np.flatnonzero(validates), len(names))


def _choose_groups(sizes: Ints, wanted: int, order: Ints) -> NDArray[np.bool_]:
    """Sizes (G,) of groups -> (G,) which validate: in `order`, until `wanted` rows are reached."""
    chosen = np.zeros(len(sizes), dtype=bool)
    most, taken = wanted + int(OVERSHOOT * wanted), 0
    for group in order:
        if taken >= wanted:
            break
        # Single linkage can make one huge group, prompts of a common kind linked from one to the next. It
        # would be all there is to validate on; in training it does what it can.
        if sizes[group] <= wanted and taken + sizes[group] <= most:
            chosen[group] = True
            taken += int(sizes[group])
    return chosen


def random_order(count: int, seed: int) -> Ints:
    """A permutation of `count` rows, (count,) int64: the same in every version of numpy."""
    # Generator.permutation may change between versions, a bit generator's stream may not.
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def group_rows(
    vectors: FloatArray,
    cosine: float,
    device: str = "cpu",
    progress: Progress = silent,
    block: int | None = None,
) -> Ints:
    """Groups of rows that hang together by pairs whose cosine is at or above `cosine`.

    `vectors`: (N, D) float32 unit rows. Returns (N,) the smallest row of each row's group. The cosine of two
    rows is their dot product in double precision; rows that differ by rounding alone are always together.
    `progress` is told rows done and in all. Memory beside the vectors: some tiles of `block` x `block` pairs
    (None: as many as suit the device), however many pairs are near.

    Raises ConfigError for a cosine outside (0, 1], InputError for rows that are not of unit length.
    """
    if not 0 < cosine <= 1:
        raise ConfigError(f"group_cosine is a cosine, above 0 and up to 1, got {cosine}")
    check_unit(vectors)
    import torch

    labels = np.arange(len(vectors))
    threshold = min(cosine, SAME)
    block = block or (BLOCK if device == "cpu" else GPU_BLOCK)
    there = torch.from_numpy(np.ascontiguousarray(vectors)).to(device)
    with _full_precision():
        for top in range(0, len(vectors), block):
            for left in range(top, len(vectors), block):
                products = there[top : top + block] @ there[left : left + block].T  # (b, b)
                likely = products >= threshold - SLACK
                # What is together already needs no second reason: most pairs of a dense set go here.
                known = torch.from_numpy(labels).to(device)
                likely &= known[top : top + block, None] != known[None, left : left + block]
                rows, columns = torch.nonzero(likely, as_tuple=True)
                sure = (products[rows, columns] >= threshold + SLACK).cpu().numpy()
                first, second = rows.cpu().numpy() + top, columns.cpu().numpy() + left
                sure[~sure] = _near(vectors, first[~sure], second[~sure], threshold)
                labels = _joined(labels, first[sure], second[sure])
            progress("grouping", min(top + block, len(vectors)), len(vectors))
    return labels


def _near(vectors: FloatArray, first: Ints, second: Ints, threshold: float) -> NDArray[np.bool_]:
    """(P,) whether the cosine of each pair of rows is at or above the threshold, in double precision."""
    near = np.empty(len(first), dtype=bool)
    for start in range(0, len(first), GATHERED):
        part = slice(start, start + GATHERED)
        near[part] = dot_rows(vectors[first[part]], vectors[second[part]]) >= threshold
    return near


def _joined(labels: Ints, first: Ints, second: Ints) -> Ints:
    """Labels (N,) once the groups of each pair of rows are one; a label is the smallest row of its group."""
    while True:
        ends = labels[first], labels[second]
        apart = ends[0] != ends[1]
        if not apart.any():
            return labels
        first, second = first[apart], second[apart]
        low, high = np.minimum(*ends)[apart], np.maximum(*ends)[apart]
        labels = labels.copy()
        np.minimum.at(labels, high, low)
        while not np.array_equal(labels, labels[labels]):  # until each label is its own
            labels = labels[labels]


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products in whole single precision, whatever a training has chosen for its own."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def first_of_shuffled(rows: NDArray[np.int64], limit: int, seed: int) -> NDArray[np.int64]:
    """So many rows, chosen at random but sorted; a larger limit (0: none) gives a superset."""
    if not 0 < limit < len(rows):
        return rows
    return np.sort(rows[random_order(len(rows), derive_seed(seed, "limit"))[:limit]])
