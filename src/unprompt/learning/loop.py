"""The loop in which every network here learns: AdamW over batches of examples, saved on the way.

It runs unchanged on one CPU, one GPU, or under `accelerate launch` on several of them. A batch is the
optimiser's batch wherever it is computed. What a step does depends on the state before it, the seed and its
number alone, so a training that was killed goes on from its last save and ends with the same bits.

What learns is one *part* or several: a GAN's two take turns in each step, on the same examples.

    loop = Loop(accelerator, [Part(objective)], Examples(rows, inputs), schedule, out)
    for row in loop.epochs():
        row = {**row, "score": score(loop.networks["network"])}
        loop.finish_epoch(row)  # what was written about the epoch before this comes again after a kill

`Loop.learn` is that with tables and curves, and `learn` makes its loop too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unprompt.datasets.batches import epoch_batches, share_of
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError, RunError
from unprompt.learning.curves import Row, plot_curves, write_tables
from unprompt.learning.parts import Learner, Part
from unprompt.learning.schedule import Schedule
from unprompt.learning.state import Standing, read_state, write_state
from unprompt.progress import Progress, silent
from unprompt.storage.files import writing
from unprompt.storage.resumable import WORK

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Ints = NDArray[np.int64]
    Sums = dict[str, torch.Tensor]

CHECK = 25  # steps between two looks at the losses, where processes also agree whether to save
DRAWN_SECONDS = 30.0  # between two drawings of curves: epochs may be short


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples that are computed together: their rows (B,), what was loaded of them, and the epoch."""

    rows: Ints
    loaded: Any
    epoch: int


def nothing_loaded(plan: Sequence[Ints]) -> Generator[tuple[Ints, None], None, None]:
    """Batches of which `Examples.inputs` needs to know nothing but the rows."""
    yield from ((rows, None) for rows in plan)


@dataclass(frozen=True, eq=False)
class Examples:
    """What is learnt from.

    `rows`: the numbers of all examples. `inputs`: a batch -> what the objectives' forward takes, on their
    device; asked for anew by each part. `load`: the rows of batches to come -> each with what is loaded of
    it, in their order, as `datasets.batches` does ahead of the network.
    """

    rows: Ints
    inputs: Callable[[Batch], tuple[Any, ...]]
    load: Callable[[Sequence[Ints]], Generator[tuple[Ints, Any], None, None]] = nothing_loaded


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures of how far a training is: samples/STEP.png in its folder, each so many steps.

    `draw`: the networks by the names of their parts, averaged where they are, in evaluation mode, and the
    steps done -> a picture. It has no gradients and random numbers of its own, the same after a kill.
    """

    every: int
    draw: Callable[[Mapping[str, torch.nn.Module], int], Image.Image]

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"samples come every step at most, got every {self.every}")


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """What is kept of the networks on the way, each so many steps.

    `keep`: the networks as `Samples.draw` gets them, and the steps done. It is asked again for what it has
    kept before where a training goes on after a kill, with the same weights.
    """

    every: int
    keep: Callable[[Mapping[str, torch.nn.Module], int], None]

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"checkpoints come every step at most, got every {self.every}")


@dataclass(frozen=True)
class Learnt:
    """What a training has come to: its seconds over all starts, and the mean loss in the last epoch."""

    seconds: float
    loss: float


def learn(
    accelerator: Any,
    parts: Sequence[Part],
    examples: Examples,
    schedule: Schedule,
    out: Path,
    title: str,
    samples: Samples | None = None,
    progress: Progress = silent,
) -> Row:
    """Train the networks of `parts` in place, and leave `curves.OUTPUTS` in the folder `out`.

    Returns the last epoch's row. `progress` is told the epoch, examples done and in all. Raises RunError for
    a loss that is not a number and a state that is damaged.
    """
    loop = Loop(accelerator, parts, examples, schedule, out, samples=samples, progress=progress)
    loop.learn(title)
    return loop.rows[-1]


class Loop:
    """One start of a training: its parts, and how far they have come."""

    def __init__(
        self,
        accelerator: Any,
        parts: Sequence[Part],
        examples: Examples,
        schedule: Schedule,
        out: Path,
        accumulate: int = 1,
        start: Standing | None = None,
        samples: Samples | None = None,
        remedy: str = "start again with a lower learning_rate",
        progress: Progress = silent,
        most_steps: int | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Take up an earlier start's work from `out`/.work where there is any, else begin at `start`.

        `accumulate`: parts that a process cuts its share of a batch into, one after the other in memory.
        `remedy`: what to do where the loss is not a number. `most_steps`: the end, where it comes before that
        of all epochs; the last epoch is then cut short.
        """
        if len({part.name for part in parts}) < len(parts):
            raise ConfigError(f"parts need names of their own, got {', '.join(part.name for part in parts)}")
        self._accelerator = accelerator
        self._examples = examples
        self._schedule = schedule
        self._out = out
        self._accumulate = accumulate
        self._samples = samples
        self._checkpoints = checkpoints
        self._remedy = remedy
        self._report = progress if accelerator.is_main_process else silent
        self._batch = min(schedule.batch, len(examples.rows))
        whole = len(self._all_batches(1))
        self._steps = schedule.epochs * whole
        if most_steps is not None and most_steps < self._steps:
            self._steps = most_steps
        self._epochs = -(-self._steps // whole)
        found = read_state(out / WORK)  # before `prepare`, where processes meet: later one may have saved
        self._learners = [Learner(part, schedule, accelerator) for part in parts]
        self._standing = start or Standing()
        self._saved = self._began = self._drawn = time.monotonic()
        self.resumed = found is not None
        if found is not None:
            self._standing, tensors = found
            for learner in self._learners:
                learner.load(tensors[learner.name])
            if accelerator.scaler is not None:
                accelerator.scaler.load_state_dict(tensors["scaler"])

    @property
    def rows(self) -> tuple[Row, ...]:
        """The epochs that are finished."""
        return self._standing.rows

    @property
    def last_epoch(self) -> int:
        """The number of the epoch that ends the training."""
        return self._epochs

    @property
    def step(self) -> int:
        """The optimiser's steps so far."""
        return self._standing.step

    @property
    def seconds(self) -> float:
        """Training time so far, over all starts."""
        return self._standing.seconds

    @property
    def networks(self) -> dict[str, torch.nn.Module]:
        """By the names of their parts: the networks, averaged where they are."""
        return {learner.name: learner.average for learner in self._learners}

    def epochs(self) -> Iterator[Row]:
        """Learn, epoch by epoch; each has to be finished by `finish_epoch` before the next is asked for."""
        while self._standing.epoch <= self._epochs:
            self._learn_epoch()
            standing = self._standing
            images = standing.batches * self._batch
            share = self._schedule.share(standing.step - 1, self._steps)
            yield {
                "epoch": standing.epoch,
                "step": standing.step,
                **{name: total / images for name, total in standing.sums.items()},
                "learning_rate": self._schedule.learning_rate * share,
                "images_per_second": images / max(standing.epoch_seconds, 1e-9),
                "seconds": standing.seconds,
            }
            assert self._standing.epoch > standing.epoch, "an epoch was not finished"

    def learn(
        self,
        title: str,
        scores: Callable[[], Row] | None = None,
        plotted: Sequence[str] = (),
        on_epoch: Callable[[Row], None] | None = None,
    ) -> None:
        """Learn to the end, with tables and curves in the folder.

        `scores`: what to add to each epoch's row, of the networks as they are then; every process asks for
        them. `plotted`: those of them that the curves show. `on_epoch` is told each row, once it is saved, in
        the main process.
        """
        main = self._accelerator.is_main_process
        for measured in self.epochs():
            row = {**measured, **scores()} if scores else measured
            if main and self.draws_after(row["epoch"]):
                rows = (*self.rows, row)
                write_tables(self._out, rows)
                plot_curves(self._out / "curves.png", rows, title, plotted)
            self.finish_epoch(row)
            if main and on_epoch:
                on_epoch(row)

    def draws_after(self, epoch: int) -> bool:
        """Whether curves are to be drawn after this epoch: the last, or where the time has come for it."""
        now = time.monotonic()
        due = epoch == self.last_epoch or now - self._drawn >= DRAWN_SECONDS
        if due:
            self._drawn = now
        return due

    def finish_epoch(self, row: Row) -> None:
        """Keep what `epochs` gave, with scores that the caller adds, as a finished epoch; and save."""
        self._standing = replace(
            self._standing,
            epoch=self._standing.epoch + 1,
            batches=0,
            sums={},
            rows=(*self._standing.rows, row),
            epoch_seconds=0.0,
        )
        self.save()

    def save(self) -> None:
        """Keep on disk where the training stands."""
        if self._accelerator.is_main_process:
            tensors = {learner.name: learner.state() for learner in self._learners}
            if self._accelerator.scaler is not None:
                tensors["scaler"] = self._accelerator.scaler.state_dict()
            write_state(self._out / WORK, self._standing, tensors)
        self._saved = time.monotonic()

    def _all_batches(self, epoch: int) -> list[Ints]:
        return epoch_batches(self._examples.rows, self._batch, self._schedule.seed, epoch)

    def _epoch_batches(self, epoch: int) -> list[Ints]:
        """The batches of an epoch, of the last one no more than there are steps left."""
        whole = self._all_batches(epoch)
        return whole[: self._steps - (epoch - 1) * len(whole)]

    def _learn_epoch(self) -> None:
        epoch, first = self._standing.epoch, self._standing.batches
        process, processes = self._accelerator.process_index, self._accelerator.num_processes
        whole = self._epoch_batches(epoch)
        mine = [share_of(rows, process, processes, self._accumulate) for rows in whole[first:]]
        plan = [part for parts in mine for part in parts]
        sums: Sums = {}
        self._began = time.monotonic()
        for learner in self._learners:
            learner.objective.train()
        self._report(f"epoch {epoch}", first * self._batch, len(whole) * self._batch)
        every = 1 if self._schedule.save_minutes == 0 else CHECK
        with closing(self._examples.load(plan)) as loader:
            for number, parts in enumerate(mine, start=first + 1):
                batches = [Batch(*pair, epoch) for pair in islice(loader, len(parts))]
                sums = _added(sums, self._step(batches))
                self._standing = replace(self._standing, batches=number, step=self._standing.step + 1)
                self._draw()  # before a save: a training that goes on from there does not look back
                self._keep()
                if number % every == 0 or number == len(whole) or self._is_late():
                    self._check(sums)
                    sums = {}
                self._report(f"epoch {epoch}", number * self._batch, len(whole) * self._batch)

    def _step(self, batches: Sequence[Batch]) -> Sums:
        """One step of every part; gives the sums of what they measure in this process's examples."""
        accelerator, step = self._accelerator, self._standing.step
        torch.manual_seed(derive_seed(self._schedule.seed, "step", step, accelerator.process_index))
        share = self._schedule.share(step, self._steps)
        measured: Sums = {}
        for learner in self._learners:
            with self._turn_of(learner):
                sums: Sums = {}
                for number, batch in enumerate(batches, start=1):
                    last = number == len(batches)
                    with nullcontext() if last else accelerator.no_sync(learner.objective):
                        loss, found = learner.objective(*self._examples.inputs(batch))
                        # Gradients are averaged over processes, and are to be the mean over all examples.
                        weight = len(batch.rows) * accelerator.num_processes / self._batch
                        accelerator.backward(loss * weight)
                    sums = _added(sums, found)
                learner.step(share, self._schedule.clip, step)
            assert not measured.keys() & sums.keys(), f"two parts measure one of {', '.join(sums)}"
            measured |= sums
        return measured

    @contextmanager
    def _turn_of(self, learner: Learner) -> Iterator[None]:
        """Let the gradient of one part's loss pass through the others, and leave nothing in them."""
        others = [other for other in self._learners if other is not learner]
        for other in others:
            other.want_gradients(False)
        try:
            yield
        finally:
            for other in others:
                other.want_gradients(True)

    def _is_due(self, now: float) -> bool:
        return now - self._saved >= 60 * self._schedule.save_minutes

    def _is_late(self) -> bool:
        """Whether a save is due and need not be agreed on: CHECK steps of a CPU may take an hour."""
        return self._accelerator.num_processes == 1 and self._is_due(time.monotonic())

    def _check(self, sums: Sums) -> None:
        """Add what all processes have summed up; end a training that has come to nothing; save where due."""
        now = time.monotonic()
        spent = now - self._began
        self._began = now
        due = self._is_due(now) and self._accelerator.is_main_process
        first = next(iter(sums.values()))
        mine = torch.stack([*sums.values(), first.new_tensor(float(due))])
        *totals, saving = self._accelerator.reduce(mine, "sum").tolist()
        before = self._standing.sums
        self._standing = replace(
            self._standing,
            sums={name: before.get(name, 0.0) + more for name, more in zip(sums, totals, strict=True)},
            seconds=self._standing.seconds + spent,
            epoch_seconds=self._standing.epoch_seconds + spent,
        )
        if not np.isfinite(totals).all():
            raise RunError(
                f"the loss is not a number, at step {self._standing.step} in epoch {self._standing.epoch}: "
                f"the learning rate {self._schedule.learning_rate:g} is too high, or numbers in "
                f"{self._accelerator.mixed_precision} overflowed; {self._remedy}"
            )
        if saving:
            self.save()

    def _draw(self) -> None:
        """Draw a sample where one is due; one that is there was drawn of the same weights before a kill."""
        samples, step = self._samples, self._standing.step
        if samples is None or step % samples.every or not self._accelerator.is_main_process:
            return
        path = self._out / "samples" / f"{step:07d}.png"
        if path.exists():
            return
        torch.manual_seed(derive_seed(self._schedule.seed, "samples", step))
        with self._at_rest() as networks:
            picture = samples.draw(networks, step)
        with writing(path) as stream:
            picture.save(stream, format="PNG")

    def _keep(self) -> None:
        """Keep a checkpoint where one is due."""
        checkpoints, step = self._checkpoints, self._standing.step
        if checkpoints is None or step % checkpoints.every or not self._accelerator.is_main_process:
            return
        with self._at_rest() as networks:
            checkpoints.keep(networks, step)

    @contextmanager
    def _at_rest(self) -> Iterator[dict[str, torch.nn.Module]]:
        """The networks as they are used: in evaluation mode and without gradients."""
        networks = self.networks
        for network in networks.values():
            network.eval()
        with torch.no_grad():
            yield networks
        for learner in self._learners:
            learner.objective.train()


def _added(sums: Sums, more: Mapping[str, torch.Tensor]) -> Sums:
    """Sums by name (the first time: what comes), in float64 but where the device has none."""
    added = {}
    for name, value in more.items():
        exact = value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)
        added[name] = sums[name] + exact if sums else exact
    return added
