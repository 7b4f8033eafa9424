"""Teaching the small painter: from triples to painter.safetensors.

    OUT/
      painter.safetensors, painter.json           the averaged weights, and all about them
      metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
      train.json                                  written last: settings, scores, seconds

Killed at any moment, a training goes on from its last save and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unprompt import __version__
from unprompt.colouring.examples import Heard, Seen
from unprompt.colouring.material import Material, open_material, rows_of
from unprompt.colouring.network import Inputs, Painter, loss_of
from unprompt.colouring.network_config import PainterTraining
from unprompt.colouring.painter import choose, gather, settle
from unprompt.colouring.painter_files import begin_painter, write_painter
from unprompt.colouring.palette import CLASSES
from unprompt.colouring.scores import SHARES, mean_scores, score_drawing
from unprompt.datasets.pairs import Pairs
from unprompt.datasets.seeds import derive_seed
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS, Row
from unprompt.learning.loop import Batch, Examples, Loop
from unprompt.learning.parts import Part
from unprompt.learning.schedule import TrainingMachine
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.minilm import PromptEncoder
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, check_folder, fingerprint, finish
from unprompt.storage.sources import Sources

MODEL_FILE = "painter.safetensors"
KIND = FolderKind(
    noun="training of a painter",
    record="train.json",
    outputs=(MODEL_FILE, "painter.json", *OUTPUTS),
)
HELD_OUT = tuple(f"held_out_{name}" for name in SHARES)
LOOKED_AT = 300  # held-out triples that are looked at after each epoch
THICKER = 0.3  # how often lines are shown wider than they are
LEAST_WEIGHT = 0.01  # a region counts as the root of its area's share, and this


@dataclass(frozen=True)
class PainterLearnt:
    """What a training has come to: a row for each epoch (learning/curves.py), and its seconds in all."""

    out: Path
    rows: tuple[Row, ...]
    resumed: bool
    seconds: float
    triples: int


def train_painter(
    pairs: Pairs,
    out: Path,
    config: PainterTraining | None = None,
    machine: TrainingMachine | None = None,
    held_out: Pairs | None = None,
    overwrite: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> PainterLearnt:
    """Teach a small painter with triples (line art, colour, words), and leave the folder `out`.

    `held_out`: triples of other drawings, of which up to LOOKED_AT are scored after each epoch (scores.py).
    `about`: whence the triples are, for the record. Raises InputError for triples that cannot be read,
    CheckpointError where MiniLM is missing, RunError for a folder of something else and a loss that is not a
    number.
    """
    config, machine = config or PainterTraining(), machine or TrainingMachine()
    check_folder(out, KIND, overwrite)  # before captions are embedded, and pictures decoded
    accelerator = open_accelerator(machine.device)
    main = accelerator.is_main_process
    report = progress if main else silent
    with accelerator.local_main_process_first():
        encoder = PromptEncoder.load()
        material = open_material(pairs, config.side, encoder, report)
        looked_at = None
        if held_out is not None:
            looked_at = open_material(held_out.at(held_out.ids[:LOOKED_AT]), config.side, encoder, report)
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "weights": sha256_of(config.weights) if config.weights else None,
        "triples": fingerprint({"ids": pairs.ids, "captions": pairs.captions}),
        "targets": int(material.targets.astype(np.int64).sum()),
    }
    sources = Sources([*pairs.sources, *pairs.targets])
    with shared_folder(accelerator, out, KIND, plan, overwrite, sources), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        network = begin_painter(config)
        part = Part(Painting(network), "painter", ema=config.ema, network=network)
        examples = Examples(np.arange(len(material)), _Shown(material, config, accelerator.device).inputs)
        loop = Loop(
            accelerator, [part], examples, config.schedule(machine.save_minutes), out, progress=report
        )  # fmt: skip
        resumed = loop.resumed

        def scores() -> Row:
            if looked_at is None:
                return {}
            found = mean_scores(score_material(loop.networks["painter"], looked_at), SHARES)
            return {f"held_out_{name}": value for name, value in found.items()}

        loop.learn("text-guided colouring", scores, HELD_OUT if looked_at else ())
        if main:
            record = {
                "unprompt": __version__,
                "torch": torch.__version__,
                "config": config.as_dict(),
                "machine": {**asdict(machine), "device": device_of(accelerator)},
                "triples": {"learnt_from": len(pairs), **(about or {})},
                "seconds": round(loop.seconds, 3),
                "steps": loop.step,
            }
            made = loop.networks["painter"]
            assert isinstance(made, Painter)
            write_painter(out / MODEL_FILE, made, {**record, "last_epoch": loop.rows[-1]}, half=True)
            finish(out, KIND, {**record, "epochs": list(loop.rows)})
    return PainterLearnt(out, loop.rows, resumed, loop.seconds, len(pairs))


class Painting(nn.Module):  # type: ignore[misc]
    """The painter's objective: right choices for the regions, and how many are."""

    def __init__(self, network: Painter) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Inputs, targets: Tensor, weights: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and sums over the batch."""
        logits = self.network(inputs)
        loss = loss_of(logits, targets, weights)
        with torch.no_grad():
            hits = (logits.argmax(2) == targets) & (targets >= 0)
            share = hits.sum(1) / (targets >= 0).sum(1).clamp(min=1)
        return loss, {"loss": loss.detach() * len(targets), "right": share.sum()}


class _Shown:
    """What the network is shown of a batch: mirrored, with wider lines or with other colours named."""

    def __init__(self, material: Material, config: PainterTraining, device: torch.device) -> None:
        self._material = material
        self._config = config
        self._device = device

    def inputs(self, batch: Batch) -> tuple[Inputs, Tensor, Tensor]:
        rows, material = batch.rows, self._material
        those = []
        for row, (seen, order, heard) in zip(rows, rows_of(material, rows), strict=True):
            seed = derive_seed(self._config.seed, "shown", batch.epoch, int(row))
            random = np.random.Generator(np.random.PCG64(seed))
            if random.random() < 0.5 and not material.sided[row]:
                seen = _mirrored(seen)
            if random.random() < THICKER:
                seen = _thicker(seen)
            if random.random() < self._config.other_colours:
                heard = _other_colours(heard, random)
            those.append((seen, order, heard))
        most = max(1, *(len(order) for _, order, _ in those))
        targets = np.full((len(rows), most), -1, np.int64)
        weights = np.zeros((len(rows), most), np.float32)
        for number, row in enumerate(rows):
            right, areas = material.right(int(row))
            targets[number, : len(right)] = right
            weights[number, : len(right)] = np.sqrt(areas) + LEAST_WEIGHT
        shown = gather(those, self._config.side)
        device = self._device
        return (
            Inputs(*(tensor.to(device) for tensor in shown)),
            torch.from_numpy(targets).to(device),
            torch.from_numpy(weights).to(device),
        )


def _mirrored(seen: Seen) -> Seen:
    points = seen.points * np.array([-1, 1], np.float32)
    shapes = seen.shapes.copy()
    shapes[:, 1] *= -1  # its middle
    shapes[:, [3, 5]] = -seen.shapes[:, [5, 3]]  # left and right
    return Seen(np.ascontiguousarray(seen.ink[:, ::-1]), points, shapes, seen.order)


def _thicker(seen: Seen) -> Seen:
    ink = seen.ink.copy()
    ink[1:] = np.maximum(ink[1:], seen.ink[:-1])
    ink[:, 1:] = np.maximum(ink[:, 1:], ink[:, :-1])
    return Seen(ink, seen.points, seen.shapes, seen.order)


def _other_colours(heard: Heard, random: np.random.Generator) -> Heard:
    """The same text about other colours: what were two stays two."""
    others = np.concatenate([[0], 1 + random.permutation(len(CLASSES) - 1)])
    return Heard(heard.states, heard.slots, others[heard.basics], heard.mentions)


def score_material(network: nn.Module, material: Material) -> list[dict[str, float]]:
    """Scores of each triple; see `score_drawing`."""
    assert isinstance(network, Painter)
    found = []
    for row in range(len(material)):
        heard = material.heard(row)
        right, areas = material.right(row)
        choices = settle(choose(network, material.seen(row), heard), areas)
        found.append(score_drawing(choices, right.astype(np.int64), areas, heard.basics))
    return found
