"""What a training run learns from: images at the network's size, their targets, and the split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.datasets.dataset import Dataset, read_what_is_there
from unprompt.datasets.pixels import Pixels, open_pixels
from unprompt.datasets.split import first_of_shuffled, split_rows
from unprompt.datasets.targets import embed_targets
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.devices import choose_device
from unprompt.networks.preprocess import Preprocess
from unprompt.progress import Progress
from unprompt.regression.config import MachineConfig, TrainConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray


@dataclass(frozen=True, eq=False)
class Material:
    """N images with targets (N, 384), unit rows; `train` and `validation` are rows of them, sorted.

    `groups`: how many groups of near-duplicate prompts the split kept together. `constant`: the validation
    score of the best constant of the training prompts. `fingerprint`: changes with ids, prompts and split.
    """

    dataset: Dataset
    pixels: Pixels
    targets: FloatArray
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    groups: int
    constant: float
    fingerprint: str

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """The prompts of some rows."""
        return [self.dataset.prompts.texts[row] for row in rows]


def read_material(
    path: Path,
    preprocess: Preprocess,
    config: TrainConfig,
    machine: MachineConfig,
    progress: Progress,
) -> Material:
    """Read a data set, embed its prompts, split it, and open its images at the network's size.

    Of a data set that is not finished what is there is taken, with a warning. Raises InputError for one that
    cannot be read or split, and for images that cannot be decoded.
    """
    dataset = read_what_is_there(path)
    device = choose_device(machine.device)
    targets = embed_targets(dataset, device, progress)
    split = split_rows(targets, config.validation, config.group_cosine, config.seed, device, progress)
    pixels = open_pixels(
        dataset,
        preprocess,
        machine.decoded,
        cache_folder() / "pixels",
        progress,
    )
    train = first_of_shuffled(split.train, config.limit, config.seed)
    digest = hashlib.sha256(targets.tobytes())
    digest.update("\n".join((*dataset.prompts.ids, *dataset.prompts.texts)).encode("utf-8", "surrogatepass"))
    digest.update(np.concatenate([train, split.validation]).tobytes())
    return Material(
        dataset=dataset,
        pixels=pixels,
        targets=targets,
        train=train,
        validation=split.validation,
        groups=split.groups,
        constant=constant_score(targets[train], targets[split.validation]),
        fingerprint=digest.hexdigest()[:20],
    )


def constant_score(train: FloatArray, validation: FloatArray) -> float:
    """The score on (m, 384) validation rows of the mean of (n, 384) training rows."""
    mean = train.mean(axis=0, dtype=np.float64)
    return float((validation.astype(np.float64) @ (mean / np.linalg.norm(mean))).mean())
