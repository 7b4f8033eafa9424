"""Fine-tuning a backbone to prompt embeddings: from a DATASET to a RUN with checkpoints and curves.

The same code runs on one CPU, one GPU, or under `accelerate launch` on several of them and on several
machines. A batch is the optimiser's batch wherever it is computed, so the number of processes does not change
what is learnt. Killed at any moment, a run goes on from its last save and ends with the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unprompt import __version__
from unprompt.datasets.batches import batches, epoch_batches, share_of
from unprompt.datasets.pixels import Pixels, images_fingerprint
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.split import first_of_shuffled
from unprompt.errors import RunError
from unprompt.learning.curves import EpochScores, best_epoch
from unprompt.learning.frozen_stages import frozen_stages, open_activations
from unprompt.learning.schedule import learning_rate_share
from unprompt.learning.state import Progress, read_state, write_state
from unprompt.networks.backbones import freeze, own_preprocess, parameter_groups, set_checkpointing
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.devices import choose_device, core_count
from unprompt.regression.augment import augment, check_augmentations
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.material import Material, read_material
from unprompt.regression.model import EmbeddingRegressor, new_backbone, with_head
from unprompt.regression.objective import Objective, loss_of
from unprompt.regression.outputs import write_epoch, write_outputs
from unprompt.regression.probe import fit_mlp, fit_ridge, fit_words
from unprompt.regression.words import vocabulary_of, word_rows
from unprompt.storage.resumable import WORK, FolderKind, finish, open_folder

RECORD = "train.json"
KIND = FolderKind(
    noun="training run",
    record=RECORD,
    outputs=(
        "*.safetensors",
        "metrics.csv",
        "curves.png",
        "gallery.png",
        "tensorboard",
        "bundle.toml",
        "config.toml",
    ),
    inputs="settings, or another data set,",
)
CHECK = 25  # steps between two looks at the loss, where processes also agree whether to save
PROBE_IMAGES = 30_000  # more do not make a better start
PATIENCE = timedelta(hours=12)  # of processes that wait while the first one decodes or embeds
LOOK_BATCH = 64  # images that are looked at together where nothing is learnt
BETAS = (0.9, 0.99)
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

StepProgress = Callable[[str, int, int], None]


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
    progress: StepProgress = lambda step, done, total: None,
    on_epoch: Callable[[EpochScores], None] = lambda scores: None,
) -> TrainResult:
    """Fine-tune a backbone on a data set, and leave a RUN folder.

    RUN/best.safetensors has the (averaged) weights of the epoch with the highest validation score and all
    that prediction needs; RUN/bundle.toml names it for `unprompt predict --bundle`. `progress` is told the
    step of the work, and images done and in all; `on_epoch` the scores of each epoch, once it is saved.

    Raises InputError for a data set that cannot be used or split, CheckpointError for missing weights,
    RunError for a RUN folder of something else, a loss that is not a number, and memory or disk used up.
    """
    config = config or TrainConfig()
    machine = machine or MachineConfig()
    check_augmentations(config.augment)
    accelerator = open_accelerator(config, machine)
    main = accelerator.is_main_process
    report = progress if main else _silent
    backbone = new_backbone(config)
    with accelerator.local_main_process_first():
        seen = own_preprocess(config.backbone, config.size)
        material = read_material(dataset, seen, config, machine, report)
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
    with ExitStack() as stack:
        if main:
            stack.enter_context(open_folder(out, KIND, plan, overwrite))
        accelerator.wait_for_everyone()
        with memory_told(machine, out):
            run = _Run(accelerator, network, material, config, machine, out, report)
            resumed = run.go_on()
            run.learn(on_epoch if main else lambda scores: None)
        result = TrainResult(
            out=out,
            epochs=run.progress.rows,
            best=best_epoch(run.progress.rows),
            resumed=resumed,
            seconds=run.progress.seconds,
            train_images=len(material.train),
            validation_images=len(material.validation),
        )
        if main:
            write_outputs(out, material, config, device_of(accelerator), result.epochs)
            finish(out, KIND, _record(result, material, config, machine, accelerator))
        accelerator.wait_for_everyone()
    return result


def open_accelerator(config: TrainConfig, machine: MachineConfig) -> Any:
    """Accelerate's view of the machine, in the precision that `config` asks for."""
    from accelerate import Accelerator, InitProcessGroupKwargs
    from accelerate.state import AcceleratorState

    device = choose_device(machine.device)
    precision = choose_precision(config.precision, device)
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state()  # of an earlier run in this process: it would insist on its precision
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        dynamo_backend="inductor" if machine.compile else None,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )


def choose_precision(wanted: str, device: str) -> str:
    """ "auto" -> bf16 on a GPU that computes in it, fp16 on one that does not (P100, T4), else fp32."""
    if wanted != "auto":
        return wanted
    if not device.startswith("cuda"):
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def device_of(accelerator: Any) -> str:
    """The device of this process, as torch names it."""
    return str(accelerator.device)


@contextmanager
def memory_told(machine: MachineConfig, out: Path) -> Iterator[None]:
    """Turn memory used up, on a device or here, into a RunError that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        message = str(error)
        used_up = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            words in message for words in OUT_OF_MEMORY
        )
        if not used_up:
            raise
        raise RunError(
            f"out of memory ({message.splitlines()[0] if message else 'no more said'}); run the same command "
            f"with --accumulate {2 * machine.accumulate} or --checkpointing: the result stays the same, and "
            f"{out} goes on from its last save"
        ) from error


def _silent(step: str, done: int, total: int) -> None:
    """Progress of the processes that are not the main one."""


class _Run:
    """One start of a run: a network, its average and its optimiser, and how far they have come."""

    def __init__(
        self,
        accelerator: Any,
        network: EmbeddingRegressor,
        material: Material,
        config: TrainConfig,
        machine: MachineConfig,
        out: Path,
        report: StepProgress,
    ) -> None:
        self.accelerator = accelerator
        self.network = network.to(accelerator.device)
        self.material = material
        self.config = config
        self.machine = machine
        self.out = out
        self.report = report
        self.batch = min(config.batch, len(material.train))
        self.steps = config.epochs * len(epoch_batches(material.train, self.batch, config.seed, 1))
        self.targets = torch.from_numpy(material.targets)
        self.words: torch.Tensor | None = None
        if network.spec.words:
            self.words = torch.from_numpy(word_rows(material.dataset.prompts.texts, network.spec.words))
        self.stages = 0  # of the backbone, that are run once for each image
        if config.keep_frozen:
            self.stages = frozen_stages(config.backbone, network.backbone, config.freeze)
        self.loaded: Pixels = material.pixels  # what batches are made of
        self.progress = Progress(1, 0, 0, (0.0, 0.0, 0), (), 0.0, 0.0)
        self._saved = self._began = time.monotonic()
        if machine.channels_last:
            self.network.to(memory_format=torch.channels_last)

    def go_on(self) -> bool:
        """Take up an earlier start's work where there is one, else fit the head; says which it was."""
        from timm.utils import ModelEmaV3

        if self.stages:
            self._keep_frozen()
        found = read_state(self.out / WORK)
        if found is None and self.config.probe:
            self._probe()
        freeze(self.network, self.config.freeze)
        if self.machine.checkpointing:
            set_checkpointing(self.network)
        self._ema = ModelEmaV3(self.network, self.config.ema, use_warmup=True) if self.config.ema else None
        self.average = self._ema.module if self._ema else self.network
        groups = parameter_groups(
            self.network,
            self.config.learning_rate,
            self.config.head_learning_rate or self.config.learning_rate,
            self.config.layer_decay,
            self.config.weight_decay,
        )
        self._peaks = [group["lr"] for group in groups]
        optimizer = torch.optim.AdamW(groups, betas=BETAS, fused=self.accelerator.device.type != "mps")
        objective = Objective(
            self.network, self.config.mse, self.config.word_share, self.machine.channels_last, self.stages
        )
        self._objective, self._optimizer = self.accelerator.prepare(objective, optimizer)
        if found is None:
            if self.accelerator.is_main_process and self.progress.rows:
                write_epoch(self.out, self.progress.rows, self.average)
            self._save()
            return False
        self.progress, tensors = found
        self.network.load_state_dict(tensors["network"])
        if self._ema:
            self.average.load_state_dict(tensors["average"])
        self._optimizer.load_state_dict(tensors["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(tensors["scaler"])
        return True

    def learn(self, on_epoch: Callable[[EpochScores], None]) -> None:
        """Train to the end, saving on the way."""
        if self.progress.step == 0:
            for row in self.progress.rows:
                on_epoch(row)
        while self.progress.epoch <= self.config.epochs:
            self._learn_epoch()
            row = self._score_epoch()
            rows = (*self.progress.rows, row)
            if self.accelerator.is_main_process:
                write_epoch(self.out, rows, self.average)
            self.progress = replace(
                self.progress,
                epoch=self.progress.epoch + 1,
                batches=0,
                sums=(0.0, 0.0, 0),
                rows=rows,
                epoch_seconds=0.0,
            )
            self._save()
            on_epoch(row)

    def _learn_epoch(self) -> None:
        epoch, first = self.progress.epoch, self.progress.batches
        whole = epoch_batches(self.material.train, self.batch, self.config.seed, epoch)
        mine = [
            share_of(
                rows, self.accelerator.process_index, self.accelerator.num_processes, self.machine.accumulate
            )
            for rows in whole[first:]
        ]
        plan = [part for parts in mine for part in parts]
        sums = torch.zeros(3, dtype=torch.float64, device=self.accelerator.device)
        self._began = time.monotonic()
        self._objective.train()
        self.report(f"epoch {epoch}", first * self.batch, len(whole) * self.batch)
        every = 1 if self.machine.save_minutes == 0 else CHECK
        with closing(batches(self.loaded, plan, self._workers())) as loader:
            for number, parts in enumerate(mine, start=first + 1):
                sums += self._step(list(islice(loader, len(parts))), len(whole[number - 1]))
                self.progress = replace(self.progress, batches=number, step=self.progress.step + 1)
                if number % every == 0 or number == len(whole):
                    self._check(sums)
                    sums.zero_()
                self.report(f"epoch {epoch}", number * self.batch, len(whole) * self.batch)

    def _step(self, parts: list[tuple[np.ndarray, torch.Tensor]], images: int) -> torch.Tensor:
        """One step of the optimiser; gives the sums of losses and cosines of this process, and the images."""
        accelerator, config = self.accelerator, self.config
        step = self.progress.step
        torch.manual_seed(derive_seed(config.seed, "step", step, accelerator.process_index))
        share = learning_rate_share(step, self.steps, config.warmup)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share
        sums = torch.zeros(3, dtype=torch.float64, device=accelerator.device)
        for number, (rows, pixels) in enumerate(parts, start=1):
            seen = augment(
                pixels.to(accelerator.device, non_blocking=True),
                config.augment,
                config.seed,
                self.progress.epoch,
                rows,
            )
            targets = self.targets[rows].to(accelerator.device, non_blocking=True)
            words = None if self.words is None else self.words[rows].to(accelerator.device, non_blocking=True)
            last = number == len(parts)
            with nullcontext() if last else accelerator.no_sync(self._objective):
                losses, cosines = self._objective(seen, targets, words)
                # Gradients are averaged over processes, and this is to be the mean over all the images.
                accelerator.backward(losses.sum() * (accelerator.num_processes / images))
            sums += torch.stack([losses.detach().sum(), cosines.sum(), losses.new_tensor(len(rows))])
        if config.clip:
            accelerator.clip_grad_norm_(self._objective.parameters(), config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._ema:
            self._ema.update(self.network, step + 1)
        return sums

    def _check(self, sums: torch.Tensor) -> None:
        """Add what all processes have summed up; end a run that has come to nothing; save where it is due."""
        now = time.monotonic()
        spent = now - self._began
        self._began = now
        due = now - self._saved >= 60 * self.machine.save_minutes and self.accelerator.is_main_process
        joint = self.accelerator.reduce(torch.cat([sums, sums.new_tensor([float(due)])]), "sum").tolist()
        losses, cosines, images = self.progress.sums
        self.progress = replace(
            self.progress,
            sums=(losses + joint[0], cosines + joint[1], images + round(joint[2])),
            seconds=self.progress.seconds + spent,
            epoch_seconds=self.progress.epoch_seconds + spent,
        )
        if not np.isfinite(joint[0]):
            raise RunError(
                f"the loss is not a number, at step {self.progress.step} in epoch {self.progress.epoch}: the "
                f"learning rate {self.config.learning_rate:g} is too high, or numbers in "
                f"{self.accelerator.mixed_precision} overflowed; start again with a lower --learning-rate or "
                f"--precision fp32. {self.out} keeps the checkpoints of the {len(self.progress.rows)} "
                f"epochs before"
            )
        if joint[3]:
            self._save()

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            tensors = {"network": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}
            if self._ema:
                tensors["average"] = self.average.state_dict()
            if self.accelerator.scaler is not None:
                tensors["scaler"] = self.accelerator.scaler.state_dict()
            write_state(self.out / WORK, self.progress, tensors)
        self._saved = time.monotonic()

    def _score_epoch(self) -> EpochScores:
        losses, cosines, images = self.progress.sums
        shown = self._over(self.material.validation, self.average, "validation")
        return EpochScores(
            epoch=self.progress.epoch,
            step=self.progress.step,
            loss=losses / images,
            train=cosines / images,
            validation=self._validation_score(shown),
            constant=self.material.constant,
            learning_rate=self.config.learning_rate
            * learning_rate_share(self.progress.step - 1, self.steps, self.config.warmup),
            images_per_second=images / max(self.progress.epoch_seconds, 1e-9),
            seconds=self.progress.seconds,
        )

    def _validation_score(self, raw: torch.Tensor) -> float:
        truth = self.targets[self.material.validation]
        return float(torch.cosine_similarity(raw.double(), truth.double()).mean())

    def _keep_frozen(self) -> None:
        """Load what the frozen stages make of images, from now on, instead of images; its time counts."""
        start = time.monotonic()
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
        self.progress = replace(self.progress, seconds=self.progress.seconds + time.monotonic() - start)

    def _probe(self) -> None:
        """Fit the head to the frozen backbone's features."""
        start = time.monotonic()
        validation = self.material.validation
        train = first_of_shuffled(self.material.train, PROBE_IMAGES, self.config.seed)
        features = self._over(train, self.network.features, "features")
        held_out = self._over(validation, self.network.features, "features of validation images")
        targets = self.targets[train]
        head = self.network.head
        if self.config.head == "linear":
            ridge = fit_ridge(features, targets, held_out, self.targets[validation])
            with torch.no_grad():
                head.weight.copy_(ridge.weight)
                head.bias.copy_(ridge.bias)
        elif self.words is not None:
            fit_words(
                head,
                features,
                targets,
                self.words[train],
                held_out,
                self.targets[validation],
                self.config.probe,
                derive_seed(self.config.seed, "probe"),
                device_of(self.accelerator),
            )
        else:
            fit_mlp(
                head,
                features,
                targets,
                lambda raw, truth: loss_of(raw, truth, self.config.mse).mean(),
                self.config.probe,
                derive_seed(self.config.seed, "probe"),
                device_of(self.accelerator),
            )
        head.eval()
        with torch.no_grad():
            raw, raw_held_out = (
                torch.cat([head(part.to(self.accelerator.device)).cpu() for part in rows.split(4096)])
                for rows in (features, held_out)
            )
        spent = time.monotonic() - start
        seconds = self.progress.seconds + spent
        row = EpochScores(
            epoch=0,
            step=0,
            loss=float(loss_of(raw, targets, self.config.mse).mean()),
            train=float(torch.cosine_similarity(raw, targets).mean()),
            validation=self._validation_score(raw_held_out),
            constant=self.material.constant,
            learning_rate=0.0,
            images_per_second=(len(train) + len(validation)) / spent,
            seconds=seconds,
        )
        self.progress = replace(self.progress, rows=(row,), seconds=seconds)

    def _over(
        self, rows: np.ndarray, look: Callable[[torch.Tensor, int], torch.Tensor], step: str
    ) -> torch.Tensor:
        """What `look` gives for images as they are: (n,) rows -> (n, D) float32 on the CPU.

        Each process takes one stretch of the rows; the last one fills up with its last row.
        """
        accelerator = self.accelerator
        stretch = -(-len(rows) // accelerator.num_processes)
        places = np.arange(stretch) + stretch * accelerator.process_index
        mine = rows[np.minimum(places, len(rows) - 1)]
        plan = [mine[start : start + LOOK_BATCH] for start in range(0, stretch, LOOK_BATCH)]
        found = []
        self.network.eval()
        with torch.inference_mode(), accelerator.autocast():
            for _, loaded in batches(self.loaded, plan, self._workers()):
                batch = self.network.inputs(loaded.to(accelerator.device), self.stages)
                found.append(look(batch, self.stages).float())
                self.report(step, sum(map(len, found)), stretch)
        return accelerator.gather(torch.cat(found)).cpu()[: len(rows)]

    def _workers(self) -> int:
        if self.machine.workers >= 0:
            return self.machine.workers
        return 0 if self.loaded.decoded else core_count()


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
