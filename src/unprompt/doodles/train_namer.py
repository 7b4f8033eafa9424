"""Teaching a network to name drawings, by words and by a teacher's answers.

    OUT/
      namer.safetensors, namer.json               the averaged weights, and all about them
      metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
      train.json                                  written last: settings, scores, seconds

Killed at any moment, a training goes on from its last save and ends with the same weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unprompt import __version__
from unprompt.datasets.seeds import derive_seed
from unprompt.doodles.drawing import Doodle, hash_drawings
from unprompt.doodles.ink import small_ink
from unprompt.doodles.name import Namer, hits, labels_of
from unprompt.doodles.namer_config import NamerConfig, NamerTraining
from unprompt.doodles.namer_files import read_namer, write_namer
from unprompt.doodles.namer_network import build
from unprompt.doodles.warps import begin, fit, lay_out, mix, warp
from unprompt.errors import ConfigError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS, Row
from unprompt.learning.loop import Batch, Examples, Loop
from unprompt.learning.parts import Part
from unprompt.learning.schedule import TrainingMachine
from unprompt.networks.weight_files import check_same_network
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, fingerprint, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_FILE = "namer.safetensors"
KIND = FolderKind(
    noun="training of a namer",
    record="train.json",
    outputs=(MODEL_FILE, "namer.json", *OUTPUTS),
)
SCORES = ("top_1", "top_5")


@dataclass(frozen=True)
class NamerLearnt:
    """What a training has come to: a row for each epoch (learning/curves.py), and its seconds in all."""

    out: Path
    rows: tuple[Row, ...]
    resumed: bool
    seconds: float
    drawings: int


def train_namer(
    doodles: Sequence[Doodle],
    out: Path,
    config: NamerTraining | None = None,
    machine: TrainingMachine | None = None,
    more: Sequence[Doodle] = (),
    held_out: Sequence[Doodle] = (),
    overwrite: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> NamerLearnt:
    """Teach a namer with drawings and their words, and leave the folder `out`.

    An epoch sees each of `doodles` `config.repeats` times, each of `more` once (drawings that nobody drew, of
    fewer words). `held_out`: drawings that are named after each epoch. `about`: whence all are, for the
    record. Raises InputError for drawings without words, ConfigError for a teacher or weights of other words
    or sizes, CheckpointError for files that are none.
    """
    config, machine = config or NamerTraining(), machine or TrainingMachine()
    taught = read_namer(config.teacher) if config.teacher else None
    begun = read_namer(config.weights) if config.weights else None
    known = next((given[0].words for given in (taught, begun) if given), None)
    words = known or tuple(sorted({doodle.word for doodle in doodles}))
    everything = (*doodles, *more)
    labels = labels_of(everything, words)
    namer = config.namer(words)
    if taught is not None and (taught[0].side, taught[0].pen, taught[0].margin) != (
        config.side,
        config.pen,
        config.margin,
    ):
        raise ConfigError(
            f"the teacher sees drawings at {taught[0].side} pixels with lines of {taught[0].pen:g}; give "
            f"--side {taught[0].side} --pen {taught[0].pen:g} --margin {taught[0].margin:g}"
        )
    if begun is not None and config.weights:
        check_same_network(config.weights, asdict(begun[0]), asdict(namer))
    accelerator = open_accelerator(machine.device)
    main = accelerator.is_main_process
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "weights": [_digest(given[1]) if given else None for given in (taught, begun)],
        "drawings": fingerprint(
            {"keys": [one.key for one in everything], "words": labels.tolist(), "first": len(doodles)}
        ),
        "points": hash_drawings([one.drawing for one in everything]),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        network = begun[1].train() if begun else build(namer)
        teacher = taught[1].to(accelerator.device).requires_grad_(False) if taught else None
        part = Part(_Naming(network, teacher, config), "namer", ema=config.ema, network=network)
        numbers = np.arange(len(doodles))
        rows = np.concatenate([np.tile(numbers, config.repeats), np.arange(len(doodles), len(everything))])
        shown = _Shown(everything, labels, namer, config, accelerator.device)
        loop = Loop(
            accelerator,
            [part],
            Examples(np.arange(len(rows)), lambda batch: shown.inputs(batch, rows)),
            config.schedule(machine.save_minutes),
            out,
            progress=progress if main else silent,
        )
        resumed = loop.resumed
        truth = labels_of(held_out, words)

        def scores() -> Row:
            if not held_out:
                return {}
            judge = Namer(namer, loop.networks["namer"], str(accelerator.device))
            found = judge.probabilities([one.drawing for one in held_out])
            return {f"held_out_{name}": value for name, value in hits(found, truth).items()}

        loop.learn("naming drawings", scores, [f"held_out_{name}" for name in SCORES] if held_out else ())
        if main:
            record = {
                "unprompt": __version__,
                "torch": torch.__version__,
                "config": config.as_dict(),
                "machine": {**asdict(machine), "device": device_of(accelerator)},
                "drawings": {"by_hand": len(doodles), "more": len(more), **(about or {})},
                "seconds": round(loop.seconds, 3),
                "steps": loop.step,
            }
            last = {**record, "last_epoch": loop.rows[-1]}
            write_namer(out / MODEL_FILE, loop.networks["namer"], namer, last, half=True)
            finish(out, KIND, {**record, "epochs": list(loop.rows)})
    return NamerLearnt(out, loop.rows, resumed, loop.seconds, len(everything))


def _digest(network: nn.Module) -> str:
    """The sha256 of the weights, wherever they were read from."""
    from safetensors.torch import save

    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    return hashlib.sha256(save(state)).hexdigest()


class _Naming(nn.Module):  # type: ignore[misc]
    """Objective: the words, and a teacher's softened answers (Hinton et al. 2015, "Distilling the Knowledge
    in a Neural Network", section 2) on the same, warped drawings (Beyer et al. 2022, "Knowledge distillation:
    a good teacher is patient and consistent")."""

    def __init__(self, network: nn.Module, teacher: nn.Module | None, config: NamerTraining) -> None:
        super().__init__()
        self.network = network
        self._teach = teacher.eval().forward if teacher else None  # no module of this one: it learns nothing
        self._config = config

    def forward(self, seen: Tensor, labels: Tensor, whole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and sums over the batch. `whole` (B,): 1 where all of one drawing is shown, else 0."""
        logits = self.network(seen)
        by_word = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self._config.smoothing
        )
        share = self._config.teacher_share if self._teach else 0.0
        loss = ((1 - share) * by_word * whole).mean()
        if self._teach:
            heat = self._config.temperature
            with torch.no_grad():
                answers = (self._teach(seen) / heat).softmax(1)
            apart = functional.kl_div((logits / heat).log_softmax(1), answers, reduction="batchmean")
            loss = loss + share * heat**2 * apart
        with torch.no_grad():
            right = ((logits.argmax(1) == labels) * whole).sum() / whole.sum().clamp(min=1)
        return loss, {"loss": loss.detach() * len(labels), "right": right * len(labels)}


class _Shown:
    """What the network is shown of a batch: each drawing by another hand."""

    def __init__(
        self,
        doodles: Sequence[Doodle],
        labels: NDArray[np.int64],
        namer: NamerConfig,
        config: NamerTraining,
        device: torch.device,
    ) -> None:
        self._strokes = [lay_out(one.drawing) for one in doodles]
        self._labels = labels
        self._namer = namer
        self._config = config
        self._device = device

    def inputs(self, batch: Batch, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Ink (B, 1, side, side), words (B,), which are whole (B,)."""
        config, namer, seen, whole = self._config, self._namer, [], []
        for row in batch.rows:
            seed = derive_seed(config.seed, "shown", batch.epoch, int(row))
            random = np.random.Generator(np.random.PCG64(seed))
            strokes = self._strokes[rows[row]]
            way = random.random()
            if way < config.partial:
                strokes = warp(begin(strokes, random), random, config.warp)
            elif way < config.partial + config.mixed:
                other = self._strokes[rows[random.integers(len(rows))]]
                strokes = mix(strokes, other, random, config.warp)
            else:
                strokes = warp(strokes, random, config.warp)
            fitted = fit(strokes, namer.side, namer.margin)
            seen.append(small_ink(*fitted.segments(), namer.side, namer.pen))
            whole.append(way >= config.partial + config.mixed)
        device = self._device
        return (
            torch.from_numpy(np.stack(seen))[:, None].to(device),
            torch.from_numpy(self._labels[rows[batch.rows]]).to(device),
            torch.tensor(whole, dtype=torch.float32, device=device),
        )
