"""Fine-tuning a backbone to prompt embeddings: from a DATASET to a RUN with checkpoints and curves.

The same code runs on one CPU, one GPU, or under `accelerate launch` on several of them and on several
machines. A batch is the optimiser's batch wherever it is computed, so the number of processes does not change
what is learnt. Killed at any moment, a run goes on from its last save and ends with the same weights.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unprompt import __version__
from unprompt.datasets.batches import batches, share_of
from unprompt.datasets.pixels import Pixels, images_fingerprint
from unprompt.datasets.split import first_of_shuffled
from unprompt.errors import ConfigError, NoMemoryError, RunError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.frozen_stages import frozen_stages, open_activations
from unprompt.learning.loop import Batch, Examples, Loop
from unprompt.learning.parts import Part
from unprompt.learning.schedule import Schedule
from unprompt.learning.state import Standing, has_state
from unprompt.networks.backbones import freeze, own_preprocess, parameter_groups, set_checkpointing
from unprompt.networks.checkpoints import cache_folder, files_of
from unprompt.networks.devices import core_count, is_out_of_memory
from unprompt.progress import Progress, silent
from unprompt.regression.augment import augment, check_augmentations
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.material import Material, read_material
from unprompt.regression.model import EmbeddingRegressor, new_backbone, with_head
from unprompt.regression.objective import Objective, loss_of
from unprompt.regression.outputs import write_epoch, write_outputs
from unprompt.regression.probe import fit_head
from unprompt.regression.scores import EpochScores, best_epoch
from unprompt.regression.words import vocabulary_of, word_rows
from unprompt.storage.files import read_arrays, write_arrays
from unprompt.storage.resumable import WORK, FolderKind, check_folder, finish
from unprompt.storage.sources import Sources
from unprompt.text.english import part_of

RECORD = "train.json"
KIND = FolderKind(
    noun="training run",
    record=RECORD,
    outputs=(
        "*.safetensors",
        *OUTPUTS,
        "gallery.png",
        "bundle.toml",
        "config.toml",
    ),
)
PROBE_IMAGES = 30_000  # more do not make a better start
LOOK_BATCH = 64  # images that are looked at together where nothing is learnt
KEPT_BATCHES = 8  # of features between two files: what a kill can cost before anything is learnt
FEATURES = "features"  # a folder in .work, until the head is fitted to them and saved
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class TrainResult:
    """What a finished run has come to: the scores of its `epochs`, and the one whose weights are kept."""

    out: Path
    epochs: tuple[EpochScores, ...]
    best: EpochScores
    resumed: bool
    seconds: float
    train_images: int
    validation_images: int


def train(
    dataset: Path,
    out: Path,
    config: TrainConfig | None = None,
    machine: MachineConfig | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[EpochScores], None] = lambda scores: None,
) -> TrainResult:
    """Fine-tune a backbone on a data set, and leave a RUN folder.

    RUN/best.safetensors has the (averaged) weights of the epoch with the highest validation score and all
    that prediction needs; RUN/bundle.toml names it for `unprompt predict --bundle`. `progress` is told the
    step of the work, and images done and in all; `on_epoch` the scores of each epoch, once it is saved.

    Raises InputError for a data set that cannot be used or split, CheckpointError for missing weights,
    ConfigError for settings that the backbone or the data set cannot have, RunError for a RUN folder of
    something else, a loss or score that is not a number, and memory or disk used up.
    """
    config = config or TrainConfig()
    machine = machine or MachineConfig()
    check_augmentations(config.augment)
    check_folder(out, KIND, overwrite)  # images are decoded, and prompts embedded, before it is opened
    accelerator = open_accelerator(machine.device, config.precision, machine.compile)
    main = accelerator.is_main_process
    report = progress if main else silent
    backbone = new_backbone(config)
    with accelerator.local_main_process_first():
        seen = own_preprocess(config.backbone, config.size)
        material = read_material(dataset, seen, config, machine, report)
    check_parts(config, machine, len(material.train), accelerator.num_processes)
    words: tuple[str, ...] = ()
    if config.head == "words":
        words = vocabulary_of(material.texts(material.train), config.word_count)
    network = with_head(config, backbone, words)
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "precision": accelerator.mixed_precision,
        "data": material.fingerprint,
    }
    sources = Sources(material.dataset.images, files_of([config.weights] if config.weights else []))
    with shared_folder(accelerator, out, KIND, plan, overwrite, sources):
        smaller = f"with --accumulate {2 * machine.accumulate} or --checkpointing: the result stays the same"
        with memory_told(f"run the same command {smaller}, and {out} goes on from its last save"):
            run = _Run(accelerator, network, material, config, machine, out, report)
            loop = run.begin()
            rows = run.learn(loop, on_epoch if main else lambda scores: None)
        result = TrainResult(
            out=out,
            epochs=rows,
            best=best_epoch(rows),
            resumed=loop.resumed,
            seconds=loop.seconds,
            train_images=len(material.train),
            validation_images=len(material.validation),
        )
        if main:
            again = f"close what else uses it and run the same command again: {out} keeps all that was learnt"
            with memory_told(again, NoMemoryError):
                write_outputs(out, material, config, device_of(accelerator), result.epochs)
            finish(out, KIND, _record(result, material, config, machine, accelerator))
    if not machine.keep_decoded:
        accelerator.wait_for_everyone()
        run.discard()
    return result


def check_parts(config: TrainConfig, machine: MachineConfig, images: int, processes: int) -> None:
    """Raise ConfigError where a batch has fewer images than parts, or batch norm would get a single one."""
    share_of(np.arange(min(config.batch, images)), 0, processes, machine.accumulate)
    if config.head == "mlp" and min(config.batch, images) // (processes * machine.accumulate) == 1:
        raise ConfigError(
            "the batch norm of the head mlp needs 2 images in each part of a batch, and a part has 1; raise "
            "batch, lower accumulate, give more images, or choose another head"
        )


@contextmanager
def memory_told(remedy: str, kind: type[RunError] = RunError) -> Iterator[None]:
    """Turn memory used up, on a device or here, into an error of ours that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = str(error)
        said = message.splitlines()[0] if message else "no more said"
        raise kind(f"out of memory ({said}); {remedy}") from error


class _Run:
    """One start of a run: its network, and how images come to it."""

    def __init__(
        self,
        accelerator: Any,
        network: EmbeddingRegressor,
        material: Material,
        config: TrainConfig,
        machine: MachineConfig,
        out: Path,
        report: Progress,
    ) -> None:
        self.accelerator = accelerator
        self.network = network.to(accelerator.device)
        self.material = material
        self.config = config
        self.machine = machine
        self.out = out
        self.report = report
        self.targets = torch.from_numpy(material.targets)
        self.words: torch.Tensor | None = None
        if network.spec.words:
            self.words = torch.from_numpy(word_rows(material.dataset.prompts.texts, network.spec.words))
        self.stages = 0  # of the backbone, that are run once for each image
        if config.keep_frozen:
            self.stages = frozen_stages(config.backbone, network.backbone, config.freeze)
        self.loaded: Pixels = material.pixels  # what batches are made of
        if machine.channels_last:
            self.network.to(memory_format=torch.channels_last)

    def begin(self) -> Loop:
        """The loop, where an earlier start left it; else at its beginning, with the head fitted."""
        config, began = self.config, time.monotonic()
        freeze(self.network, config.freeze)
        if self.machine.checkpointing:
            set_checkpointing(self.network)
        if self.stages:
            self._keep_frozen()
        start = Standing(seconds=time.monotonic() - began)
        if config.probe and not has_state(self.out / WORK):
            row = self._probe(start.seconds)
            start = Standing(rows=(asdict(row),), seconds=row.seconds)
        groups = parameter_groups(
            self.network,
            config.learning_rate,
            config.head_learning_rate or config.learning_rate,
            config.layer_decay,
            config.weight_decay,
        )
        return Loop(
            self.accelerator,
            [
                Part(
                    Objective(
                        self.network, config.mse, config.word_share, self.machine.channels_last, self.stages
                    ),
                    groups=groups,
                    betas=BETAS,
                    ema=config.ema,
                    network=self.network,
                )
            ],
            Examples(
                self.material.train,
                self._inputs,
                lambda plan: batches(self.loaded, plan, self._workers()),
            ),
            Schedule(
                epochs=config.epochs,
                batch=config.batch,
                learning_rate=config.learning_rate,
                weight_decay=config.weight_decay,
                warmup=config.warmup,
                clip=config.clip,
                seed=config.seed,
                save_minutes=self.machine.save_minutes,
            ),
            self.out,
            accumulate=self.machine.accumulate,
            start=start,
            remedy=self._remedy,
            progress=self.report,
        )

    def learn(self, loop: Loop, on_epoch: Callable[[EpochScores], None]) -> tuple[EpochScores, ...]:
        """Train to the end, saving on the way; gives the scores of all epochs."""
        (average,) = loop.networks.values()
        main = self.accelerator.is_main_process
        rows = tuple(EpochScores(**row) for row in loop.rows)
        if not loop.resumed:
            if main and rows:
                write_epoch(self.out, rows, average, drawn=loop.draws_after(0))
            loop.save()
            self._forget_features()
        if loop.step == 0:
            for row in rows:
                on_epoch(row)
        for measured in loop.epochs():
            shown = self._over(self.material.validation, average, "validation")
            row = EpochScores(
                **measured, validation=self._validation_score(shown), constant=self.material.constant
            )
            rows = (*rows, row)
            if main:
                write_epoch(self.out, rows, average, drawn=loop.draws_after(row.epoch))
            loop.finish_epoch(asdict(row))
            on_epoch(row)
        return rows

    def discard(self) -> None:
        """Remove what was kept in the cache to learn from; an interrupted run never comes here."""
        for pixels in {id(one): one for one in (self.loaded, self.material.pixels)}.values():
            pixels.discard()

    def _inputs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """A batch of what is loaded of images, as the objective takes it."""
        device, rows = self.accelerator.device, batch.rows
        seen = augment(
            batch.loaded.to(device, non_blocking=True),
            self.config.augment,
            self.config.seed,
            batch.epoch,
            rows,
        )
        words = None if self.words is None else self.words[rows].to(device, non_blocking=True)
        return seen, self.targets[rows].to(device, non_blocking=True), words

    @property
    def _remedy(self) -> str:
        """What to do where numbers overflow."""
        return (
            "start again with a lower --learning-rate or --precision fp32. "
            f"{self.out} keeps the checkpoints of the epochs before"
        )

    def _validation_score(self, raw: torch.Tensor) -> float:
        return validation_score(raw, self.targets[self.material.validation], self._remedy)

    def _keep_frozen(self) -> None:
        """Load what the frozen stages make of images, from now on, instead of images."""
        with self.accelerator.local_main_process_first():
            self.loaded = open_activations(
                self.material.pixels,
                images_fingerprint(self.material.dataset, self.network.spec.preprocess),
                self.network.backbone,
                self.stages,
                self.network.spec.preprocess,
                cache_folder() / "pixels",
                self._workers(),
                self.report,
            )

    def _probe(self, seconds: float) -> EpochScores:
        """Fit the head to the frozen backbone's features, after so many seconds of training."""
        start = time.monotonic()
        validation = self.material.validation
        train = first_of_shuffled(self.material.train, PROBE_IMAGES, self.config.seed)
        features = self._over(train, self.network.features, "features", "train")
        held_out = self._over(
            validation, self.network.features, "features of validation images", "validation"
        )
        try:
            check_finite(torch.cat([features, held_out]), self._remedy)
        except RunError:
            self._forget_features()  # with these nothing goes on
            raise
        targets = self.targets[train]
        raw, raw_held_out = fit_head(
            self.network.head,
            self.config,
            features,
            targets,
            None if self.words is None else self.words[train],
            held_out,
            self.targets[validation],
            device_of(self.accelerator),
        )
        spent = time.monotonic() - start
        return EpochScores(
            epoch=0,
            step=0,
            loss=float(loss_of(raw, targets, self.config.mse).mean()),
            train=float(torch.cosine_similarity(raw, targets).mean()),
            validation=self._validation_score(raw_held_out),
            constant=self.material.constant,
            learning_rate=0.0,
            images_per_second=(len(train) + len(validation)) / spent,
            seconds=seconds + spent,
        )

    def _over(
        self,
        rows: np.ndarray,
        look: Callable[[torch.Tensor, int], torch.Tensor],
        step: str,
        kept_as: str = "",
    ) -> torch.Tensor:
        """What `look` gives for images as they are: (n,) rows -> (n, D) float32 on the CPU.

        Each process takes one stretch of the rows; the last one fills up with its last row. `kept_as`: keep
        it under this name as it comes, and take what an earlier start of as many processes has kept. Those
        keep nothing that do not see the folder which the main one has opened: it is on another machine.
        """
        accelerator = self.accelerator
        stretch = -(-len(rows) // accelerator.num_processes)
        places = np.arange(stretch) + stretch * accelerator.process_index
        mine = rows[np.minimum(places, len(rows) - 1)]
        kept = None
        if kept_as and (self.out / WORK).is_dir():
            own = f"{kept_as}-{accelerator.process_index}-of-{accelerator.num_processes}"
            kept = self.out / WORK / FEATURES / own
        found = [] if kept is None else [part.to(accelerator.device) for part in read_features(kept)]
        done = sum(map(len, found))
        plan = [mine[start : start + LOOK_BATCH] for start in range(done, stretch, LOOK_BATCH)]
        new: list[torch.Tensor] = []
        self.network.eval()
        with torch.inference_mode(), accelerator.autocast():
            for _, loaded in batches(self.loaded, plan, self._workers()):
                batch = self.network.inputs(loaded.to(accelerator.device), self.stages)
                new.append(look(batch, self.stages).float())
                done += len(loaded)
                if kept is not None and len(new) == KEPT_BATCHES:
                    write_arrays(kept / f"{done:09d}.npz", features=torch.cat(new).cpu().numpy())
                    found, new = [*found, *new], []
                self.report(step, done, stretch)
        return accelerator.gather(torch.cat([*found, *new])).cpu()[: len(rows)]

    def _forget_features(self) -> None:
        """Remove what `_over` has kept; all processes have gathered it."""
        if self.accelerator.is_main_process:
            shutil.rmtree(self.out / WORK / FEATURES, ignore_errors=True)

    def _workers(self) -> int:
        if self.machine.workers >= 0:
            return self.machine.workers
        return 0 if self.loaded.decoded else core_count()


def read_features(kept: Path) -> list[torch.Tensor]:
    """What an earlier start has kept in a folder, in the order of the rows: they were looked at in it."""
    return [
        torch.from_numpy(read_arrays(path, ("features",))["features"]) for path in sorted(kept.glob("*.npz"))
    ]


def check_finite(features: torch.Tensor, remedy: str) -> None:
    """Raise RunError, with a count, where rows of features (n, d) are infinite or not numbers."""
    bad = int((~torch.isfinite(features).all(1)).sum())
    if bad:
        raise RunError(
            f"the backbone's features of {part_of(bad, len(features), 'image')} are infinite or not numbers; "
            f"{remedy}"
        )


def validation_score(raw: torch.Tensor, truth: torch.Tensor, remedy: str) -> float:
    """The mean cosine of (m, 384) guesses of any length with the truth. Raises RunError for no number."""
    score = float(torch.cosine_similarity(raw.double(), truth.double()).mean())
    if not math.isfinite(score):
        raise RunError(f"the score of the validation images is not a number; {remedy}")
    return score


def _record(
    result: TrainResult, material: Material, config: TrainConfig, machine: MachineConfig, accelerator: Any
) -> dict[str, Any]:
    return {
        "unprompt": __version__,
        "torch": torch.__version__,
        "dataset": str(material.dataset.path),
        "config": config.as_dict(),
        "machine": {
            **asdict(machine),
            "device": device_of(accelerator),
            "precision": accelerator.mixed_precision,
            "processes": accelerator.num_processes,
        },
        "images": {"train": result.train_images, "validation": result.validation_images},
        "groups": material.groups,
        "seconds": round(result.seconds, 3),
        "best": asdict(result.best),
        "epochs": [asdict(row) for row in result.epochs],
    }
