"""Pocket scenes to learn from and to score on: prompt lists without near-duplicates, and their pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.datasets.embedded import read_beside, write_beside
from unprompt.errors import RunError
from unprompt.generate.config import FilterConfig, RenderConfig
from unprompt.generate.filter import filter_prompts
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompts import extend_prompts
from unprompt.generate.render.run import render_prompts
from unprompt.networks.minilm import encoder_identity
from unprompt.pocket.engine import PocketEngine
from unprompt.pocket.version import VERSION, WORLD
from unprompt.progress import Progress, silent
from unprompt.regression import train as training
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.storage.files import read_json, read_prompts, write_table
from unprompt.storage.images import DATASET_RECORD
from unprompt.storage.toml_files import read_config

if TYPE_CHECKING:
    from unprompt.datasets.dataset import Dataset
    from unprompt.records import Embeddings
    from unprompt.regression.scores import EpochScores

TRAIN_SEED, HELD_OUT_SEED, TOLD_SEED = 0, 1, 2


@dataclass(frozen=True)
class Scenes:
    """Where a prompt list is, and the data set that is drawn from it. Made by `write_list` and `draw`."""

    folder: Path
    count: int
    seed: int

    @property
    def prompts(self) -> Path:
        """The prompts.csv of the scenes."""
        return self.folder / "list.csv"

    @property
    def dataset(self) -> Path:
        """The DATASET."""
        return self.folder / "DATASET"

    def write_list(self, against: tuple[Path, ...] = (), progress: Progress = silent) -> None:
        """Write `count` prompts without near-duplicates, none near to the lists `against`, if not there.

        Raises RunError for a list of another length, and where the filter leaves too few.
        """
        if not self.prompts.exists():
            _write_list(self.prompts, self.count, self.seed, against, progress)
        there = len(read_prompts(self.prompts))
        if there != self.count:
            raise RunError(
                f"{self.prompts} has {there:,} prompts, not {self.count:,}; name another folder with --out"
            )

    def draw(self, workers: int, progress: Progress = silent, size: int = PocketEngine.size) -> None:
        """Draw the scenes, `size` pixels a side, if that is not done; a killed call goes on where it was.

        Raises RunError where another version of the pocket world has drawn them.
        """
        record = self.dataset / DATASET_RECORD
        if record.exists() and read_json(record)["settings"].get(WORLD) != VERSION:
            raise RunError(
                f"{self.dataset} was drawn by another version of the pocket world; name another folder with "
                "--out"
            )
        if not record.exists():
            render_prompts(
                self.prompts,
                self.dataset,
                PocketEngine(size),
                RenderConfig(workers=workers),
                progress,
            )


def _write_list(path: Path, count: int, seed: int, against: tuple[Path, ...], progress: Progress) -> None:
    drafts, kept = path.with_name("prompts.csv"), path.with_name("kept.csv")
    asked = count + 100 + count // 50  # the filter drops 1 in 200, and 1 in 50 against 20,000 others
    extend_prompts(drafts, PocketPrompts(seed), asked, progress=progress)
    # Where a kill came before the list, the filtered one is there already.
    filter_prompts(drafts, kept, FilterConfig(against=against, overwrite=True), progress)
    found = read_prompts(kept)
    if len(found) < count:
        raise RunError(
            f"the filter left {len(found):,} of {asked:,} prompts in {kept}, and {count:,} are needed"
        )
    first = found.at(found.ids[:count])
    vectors = read_beside(kept, found, encoder_identity())
    assert vectors is not None  # the filter has just written them
    write_beside(path, first, vectors[:count], encoder_identity())
    write_table(path, ("imgId", "prompt"), zip(first.ids, first.texts, strict=True))


def embeddings_of(dataset: Dataset) -> Embeddings:
    """The prompts' embeddings that `render` wrote."""
    assert dataset.embeddings is not None
    return dataset.embeddings


def train_once(
    dataset: Path,
    run: Path,
    config: TrainConfig,
    overwrite: bool,
    progress: Progress = silent,
    on_epoch: Callable[[EpochScores], None] = lambda scores: None,
) -> dict[str, Any]:
    """Train a regression unless `run` is finished with these settings; its train.json.

    Raises RunError where it is finished with others, unless `overwrite`.
    """
    record = run / training.RECORD
    done = record.exists() and TrainConfig(**read_config(run / "config.toml", TrainConfig)) == config
    if not done:
        machine = MachineConfig(keep_decoded=True)  # for what learns of the same pictures next
        training.train(dataset, run, config, machine, overwrite, progress, on_epoch)
    return read_json(record)
