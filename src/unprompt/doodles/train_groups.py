"""Teaching the captioner by groups of strokes: from single drawings to captioner.safetensors.

    OUT/
      captioner.safetensors, captioner.json       the weights, and all about them
      strokes/, joins/, names/                    how each went: metrics.csv, curves.png, tensorboard/
      train.json                                  written last: settings, scores, seconds

Scenes are composed of the drawings, and strokes are learnt to be grouped: first by themselves, then, where
that is not clear, with what the namer says of the groups. The namer names what comes out of that, and it is
learnt what that is among the others. Killed at any moment, it goes on from its last save.
"""

from __future__ import annotations

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
from unprompt.doodles.captioners import FORM
from unprompt.doodles.drawing import Doodle, Drawing, hash_drawings, take
from unprompt.doodles.group_config import GroupConfig, GroupTraining
from unprompt.doodles.group_network import JOIN, GroupNetwork, Told
from unprompt.doodles.groups import Group, gather, group_by, group_strokes, tell_groups
from unprompt.doodles.joins import Join, see_joins
from unprompt.doodles.name import Names
from unprompt.doodles.scenes import Scene, compose_scenes
from unprompt.doodles.strokes import MOST, as_traced, lengths_of, see_strokes
from unprompt.errors import InputError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import Row
from unprompt.learning.loop import Batch, Examples, Loop
from unprompt.learning.parts import Part
from unprompt.learning.schedule import TrainingMachine
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, fingerprint, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    _Changed = tuple[Drawing, tuple[int, ...]]  # strokes, and the thing that each is of

MODEL_FILE = "captioner.safetensors"
KIND = FolderKind(
    noun="training of a captioner",
    record="train.json",
    outputs=(MODEL_FILE, "captioner.json", "strokes", "joins", "names"),
)
EMA = 0.995
CROWDED = 80  # strokes up to which a sheet is shown as traced
SHUFFLED = 0.15  # how often strokes are whole but in no order
WHOLE = 0.5  # share of a thing's ink that a group has to have, and of its own ink, to be that thing
NAMED = 512  # groups that are named at once
JOINED = 2000  # scenes from which joins are learnt
AT_ONCE = 256  # scenes that are looked at together


@dataclass(frozen=True)
class CaptionerLearnt:
    """What a training has come to: of each part its `rows` (learning/curves.py), and its seconds in all."""

    out: Path
    rows: Mapping[str, tuple[Row, ...]]
    resumed: bool
    seconds: float
    scenes: int


def train_groups(
    doodles: Sequence[Doodle],
    namer: Names,
    out: Path,
    config: GroupTraining | None = None,
    machine: TrainingMachine | None = None,
    overwrite: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> CaptionerLearnt:
    """Teach a captioner with scenes of drawings and a namer's answers, and leave the folder `out`.

    `about`: whence both are, for the record. Raises InputError for drawings without words or of words that
    the namer does not know, RunError for a folder of something else.
    """
    config, machine = config or GroupTraining(), machine or TrainingMachine()
    unknown = {doodle.word for doodle in doodles if doodle.word} - set(namer.words)
    if unknown:
        raise InputError(
            f"{len(unknown)} words of these drawings are none of the namer's, first: {min(unknown)}; train "
            "a namer with them or leave them out"
        )
    accelerator = open_accelerator(machine.device)
    main = accelerator.is_main_process
    report = progress if main else silent
    some = [doodle.drawing for doodle in doodles[:: max(1, len(doodles) // 64)]]
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "drawings": fingerprint(
            {"keys": [one.key for one in doodles], "words": [one.word for one in doodles]}
        ),
        "points": hash_drawings([one.drawing for one in doodles]),
        "namer": round(float(np.log(namer.probabilities(some) + 1e-6).sum()), 1),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        network = GroupNetwork(GroupConfig(**config.sizes(), words=namer.words))
        scenes = list(compose_scenes(doodles, config.composed, report))
        loops: dict[str, Loop] = {}

        def learn(name: str, objective: nn.Module, examples: Examples, epochs: int, title: str) -> nn.Module:
            part = Part(objective, name, ema=EMA, network=objective.network)
            schedule = config.schedule(epochs, machine.save_minutes)
            loops[name] = Loop(accelerator, [part], examples, schedule, out / name, progress=report)
            loops[name].learn(title, plotted=("right",))
            return loops[name].networks[name].eval()

        device, rows = accelerator.device, np.arange(len(scenes))
        network.strokes = learn(
            "strokes",
            _Grouping(network.strokes),
            Examples(rows, _StrokesShown(scenes, config, device).inputs),
            config.stroke_epochs,
            "which strokes belong together",
        )
        network.to(device)
        shown = _changed(scenes, config, report)
        seen, right = _look_at_joins(shown[:JOINED], network, namer, report)
        if len(right):
            network.joins = learn(
                "joins",
                _Deciding(network.joins),
                Examples(
                    np.arange(len(right)),
                    lambda batch: (seen[batch.rows].to(device), right[batch.rows].to(device)),
                ),
                config.join_epochs,
                "which groups are one thing",
            )
        material = _look(scenes, shown, network, namer, report)
        network.names = learn(
            "names",
            _Calling(network.names),
            Examples(rows, lambda batch: material.inputs(batch, device)),
            config.group_epochs,
            "what groups of strokes are",
        )
        seconds = sum(loop.seconds for loop in loops.values())
        if main:
            record = {
                "unprompt": __version__,
                "torch": torch.__version__,
                "config": config.as_dict(),
                "machine": {**asdict(machine), "device": device_of(accelerator)},
                "drawings": {"learnt_from": len(doodles), **(about or {})},
                "seconds": round(seconds, 3),
                "steps": sum(loop.step for loop in loops.values()),
            }
            last = {name: loop.rows[-1] for name, loop in loops.items()}
            FORM.write(out / MODEL_FILE, network, network.config, {**record, "last_epoch": last}, half=True)
            finish(out, KIND, {**record, "epochs": {name: loop.rows for name, loop in loops.items()}})
    learnt = {name: loop.rows for name, loop in loops.items()}
    return CaptionerLearnt(out, learnt, loops["strokes"].resumed, seconds, len(scenes))


# --- strokes


class _Grouping(nn.Module):  # type: ignore[misc]
    """The objective: for each two strokes, whether they are of one thing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, told: Told, owners: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """And owners (B, S), -1 for filling -> loss, and sums over the batch."""
        loss, right = judge_pairs(self.network(told), owners)
        return loss.mean(), {"loss": loss.detach().sum(), "right": right.sum()}


def judge_pairs(same: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, T, T) and owners (B, T) -> cross entropy (B,), share of pairs that are right (B,)."""
    there = owners >= 0
    pairs = (there[:, :, None] & there[:, None]).triu(1)
    truth = (owners[:, :, None] == owners[:, None]).to(same.dtype)
    each = functional.binary_cross_entropy_with_logits(same, truth, reduction="none")
    count = pairs.sum((1, 2)).clamp(min=1)
    loss = (each * pairs).sum((1, 2)) / count
    with torch.no_grad():
        right = (((same > 0) == (truth > 0.5)) & pairs).sum((1, 2)) / count
        right = torch.where(pairs.any(2).any(1), right, 1.0)
    return loss, right


class _StrokesShown:
    """Strokes of a batch as they were drawn, in no order, or as a trace of a picture gives them."""

    def __init__(self, scenes: Sequence[Scene], config: GroupTraining, device: torch.device) -> None:
        self._scenes = scenes
        self._config = config
        self._device = device

    def inputs(self, batch: Batch) -> tuple[Told, Tensor]:
        seen, owners = [], []
        for row in batch.rows:
            random = np.random.default_rng(derive_seed(self._config.seed, "shown", batch.epoch, int(row)))
            drawing, owner = change(self._scenes[row], self._config.traced, random)
            if len(owner) > MOST:
                drawing, owner = Drawing(drawing.strokes[:MOST]), owner[:MOST]
            seen.append(see_strokes(drawing))
            owners.append(owner)
        found = np.full((len(seen), max(map(len, owners))), -1, np.int64)
        for at, owner in enumerate(owners):
            found[at, : len(owner)] = owner
        told = Told(*(tensor.to(self._device) for tensor in gather(seen)))
        return told, torch.from_numpy(found).to(self._device)


def change(scene: Scene, traced: float, random: np.random.Generator) -> tuple[Drawing, tuple[int, ...]]:
    """The strokes of a scene and their owners: cut up so often, sometimes in no order, else as drawn."""
    chance = random.random()
    if chance < traced:
        drawing, owners = as_traced(scene.drawing, scene.owners, random)
        if len(owners) <= CROWDED:
            return drawing, owners
        chance = traced
    if chance < traced + SHUFFLED * (1 - traced):
        order = random.permutation(len(scene.owners)).tolist()
        return take(scene.drawing, order), tuple(scene.owners[n] for n in order)
    return scene.drawing, scene.owners


# --- joins


class _Deciding(nn.Module):  # type: ignore[misc]
    """The objective: whether two groups are one thing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, told: Tensor, truth: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """And truth (B,), 0 or 1 -> loss, and sums over the batch."""
        scores = self.network(told)
        loss = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        return loss.mean(), {"loss": loss.detach().sum(), "right": ((scores > 0) == (truth > 0.5)).sum()}


def _look_at_joins(
    shown: Sequence[_Changed], network: GroupNetwork, namer: Names, progress: Progress
) -> tuple[Tensor, Tensor]:
    """What is to be judged where strokes of scenes are grouped: what is told of it, and the truth (N,).

    The answer is the truth each time, so all that comes later is asked about groups that are right so far.
    """
    seen, right = [np.zeros((0, JOIN), np.float32)], []
    for first in range(0, len(shown), AT_ONCE):
        some = shown[first : first + AT_ONCE]

        def judge(joins: Sequence[Join], some: Sequence[_Changed] = some) -> list[bool]:
            truth = [
                _ink(*some[join.sheet], join.one).argmax() == _ink(*some[join.sheet], join.other).argmax()
                for join in joins
            ]
            seen.append(see_joins(joins, namer))
            right.extend(truth)
            return truth

        group_by(network, [drawing for drawing, _ in some], judge)
        progress("looking at joins", min(first + AT_ONCE, len(shown)), len(shown))
    return torch.from_numpy(np.concatenate(seen)), torch.tensor(right, dtype=torch.float32)


def _changed(scenes: Sequence[Scene], config: GroupTraining, progress: Progress) -> list[_Changed]:
    """Scenes as they are shown once their strokes are grouped: each in one way."""
    shown = []
    for scene in scenes:
        rng = np.random.default_rng(derive_seed(config.seed, "named", scene.key))
        shown.append(change(scene, config.traced, rng))
        progress("changing scenes", len(shown), len(scenes))
    return shown


def _ink(drawing: Drawing, owners: Sequence[int], strokes: Sequence[int]) -> NDArray[np.float64]:
    """How much ink of some strokes is of each thing, by its number."""
    mine = np.asarray(owners)[list(strokes)]
    return np.bincount(mine, lengths_of(take(drawing, strokes))).astype(float)


# --- groups


@dataclass(frozen=True, eq=False)
class _Material:
    """All groups behind each other: `starts` (N + 1,) says which are of which scene.

    `each` (G, n), `pairs`: of each scene (g, g, m), `probabilities` (G, words), `nouns` (G,): of the words or
    their number for no thing; `kinds` (G,): equal for things of one kind, -1 for no thing.
    """

    starts: Ints
    each: NDArray[np.float32]
    pairs: Sequence[NDArray[np.float32]]
    probabilities: NDArray[np.float16]
    nouns: Ints
    kinds: Ints

    def inputs(self, batch: Batch, device: torch.device) -> tuple[Told, Tensor, Tensor, Tensor]:
        """What the network is told of scenes, and what is right: nouns and kinds (B, G), -1 for filling."""
        spans = [slice(int(self.starts[row]), int(self.starts[row + 1])) for row in batch.rows]
        most = max(span.stop - span.start for span in spans)
        each = np.zeros((len(spans), most, self.each.shape[1]), np.float32)
        pairs = np.zeros((len(spans), most, most, self.pairs[0].shape[2]), np.float32)
        probabilities = np.zeros((len(spans), most, self.probabilities.shape[1]), np.float32)
        nouns, kinds = (np.full((len(spans), most), -1, np.int64) for _ in range(2))
        for at, (row, span) in enumerate(zip(batch.rows, spans, strict=True)):
            count = span.stop - span.start
            each[at, :count], pairs[at, :count, :count] = self.each[span], self.pairs[row]
            probabilities[at, :count] = self.probabilities[span]
            nouns[at, :count], kinds[at, :count] = self.nouns[span], self.kinds[span]
        tensors = [torch.from_numpy(part).to(device) for part in (each, pairs, nouns >= 0, probabilities)]
        truth = [torch.from_numpy(part).to(device) for part in (nouns, kinds)]
        return Told(*tensors[:3]), tensors[3], truth[0], truth[1]


def _look(
    scenes: Sequence[Scene],
    shown: Sequence[_Changed],
    network: GroupNetwork,
    namer: Names,
    progress: Progress,
) -> _Material:
    """Group the strokes of scenes, as they are shown, as the captioner will, and name the groups."""
    drawings = [drawing for drawing, _ in shown]
    groups: list[list[Group]] = []
    nouns, kinds = [], []
    number_by_word = {word: number for number, word in enumerate(namer.words)}
    for first in range(0, len(scenes), AT_ONCE):
        those_shown = slice(first, first + AT_ONCE)
        groups += group_strokes(network, drawings[those_shown], namer)
        for scene, (drawing, owners), those in zip(
            scenes[those_shown], shown[those_shown], groups[those_shown], strict=True
        ):
            things = things_of(drawing, owners, those)
            nouns += [len(namer.words) if n < 0 else number_by_word[scene.nouns[n]] for n in things]
            kinds += [-1 if n < 0 else scene.nouns.index(scene.nouns[n]) for n in things]
        progress("grouping strokes", min(first + AT_ONCE, len(scenes)), len(scenes))
    everything = [
        take(drawing, group.strokes)
        for drawing, those in zip(drawings, groups, strict=True)
        for group in those
    ]
    probabilities = np.empty((len(everything), len(namer.words)), np.float16)
    for first in range(0, len(everything), NAMED):
        probabilities[first : first + NAMED] = namer.probabilities(everything[first : first + NAMED])
        progress("naming things", min(first + NAMED, len(everything)), len(everything))
    told = [tell_groups(drawing, those) for drawing, those in zip(drawings, groups, strict=True)]
    return _Material(
        np.concatenate([[0], np.cumsum([len(those) for those in groups])]),
        np.concatenate([each for each, _ in told]),
        [pairs for _, pairs in told],
        probabilities,
        np.array(nouns, np.int64),
        np.array(kinds, np.int64),
    )


def things_of(drawing: Drawing, owners: Sequence[int], groups: Sequence[Group]) -> list[int]:
    """Of each group the number of the thing that it is, -1 where it is none or a piece of one."""
    drawn = _ink(drawing, owners, range(len(drawing.strokes)))
    found = []
    for group in groups:
        ink = _ink(drawing, owners, group.strokes)
        thing = int(ink.argmax())
        whole = ink[thing] >= WHOLE * drawn[thing] and ink[thing] >= WHOLE * ink.sum()
        found.append(thing if whole else -1)
    return found


class _Calling(nn.Module):  # type: ignore[misc]
    """The objective: what each group is, and which are of one kind."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, told: Told, probabilities: Tensor, nouns: Tensor, kinds: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and sums over the batch."""
        logits, same = self.network(told, probabilities)
        there = nouns >= 0
        each = functional.cross_entropy(logits.transpose(1, 2), nouns, ignore_index=-1, reduction="none")
        count = there.sum(1)
        calling = each.sum(1) / count
        pairs, _ = judge_pairs(same, kinds)
        loss = calling + pairs
        with torch.no_grad():
            right = ((logits.argmax(2) == nouns) & there).sum(1) / count
        return loss.mean(), {"loss": loss.detach().sum(), "right": right.sum()}
