"""Training an InstructPix2Pix to colour: of pairs of line art and pictures with captions.

    OUT/
      model/                                      what paints: a diffusers folder with the (averaged) weights
      lora/                                       with --lora: the updates and the first convolution alone
      checkpoints/STEP/                           the newest on the way
      metrics.csv, curves.png, tensorboard/       how the training went
      samples/STEP.png                            drawing, made and truth side by side, while it learns
      train.json                                  written last: settings, losses, seconds

The text encoder and the autoencoder stay as they are. What is random in an example is of the seed, its number
and the epoch alone, so neither how a batch is cut nor a kill changes what is learnt.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from unprompt import __version__
from unprompt.colouring.instruct_config import InstructMachine, InstructPaint, InstructTraining
from unprompt.colouring.instruct_model import InstructModel, fused, open_model, save_lora
from unprompt.colouring.instruct_paint import paint_once
from unprompt.colouring.line_art import fitting
from unprompt.colouring.material import SIDED
from unprompt.datasets.batches import batches
from unprompt.datasets.pairs import Pairs
from unprompt.datasets.pixels import Pixels, images_fingerprint, open_pixels
from unprompt.datasets.seeds import derive_seed
from unprompt.diffusion.instruct import Chances, add_lora, draw_chances, instruct_losses
from unprompt.errors import ConfigError, InputError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS, Row
from unprompt.learning.loop import Batch, Checkpoints, Examples, Loop, Samples
from unprompt.learning.parts import Part, PartlyFrozen
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.preprocess import Preprocess
from unprompt.progress import Progress, silent
from unprompt.storage.images import image_of
from unprompt.storage.packages import needed_for
from unprompt.storage.resumable import (
    WORK,
    FolderKind,
    check_folder,
    fill_array,
    fingerprint,
    finish,
    write_folder,
)
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Ints = NDArray[np.int64]

MODEL, LORA, CHECKPOINTS = "model", "lora", "checkpoints"
KIND = FolderKind(
    noun="training of colouring",
    record="train.json",
    outputs=(MODEL, LORA, CHECKPOINTS, "samples", *OUTPUTS),
)
BETAS = (0.9, 0.999)  # of AdamW, as in diffusers' script
EPOCH_STEPS = 500  # an epoch takes so many steps at least: each ends with a save, which may be of gigabytes
ENCODED_AT_ONCE = 8
ENCODED_SAVE = 64  # pairs between two saves
SHOWN = 4  # pairs on a sheet of samples
GAP = 4  # pixels between pictures on it


@dataclass(frozen=True)
class InstructLearnt:
    """What a training has come to: a row for each epoch (learning/curves.py), and its seconds in all."""

    out: Path
    rows: tuple[Row, ...]
    resumed: bool
    steps: int
    seconds: float
    pairs: int


def train_instruct(
    pairs: Pairs,
    out: Path,
    config: InstructTraining,
    machine: InstructMachine | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> InstructLearnt:
    """Teach an InstructPix2Pix to make pairs' targets of sources and captions, and leave the folder `out`.

    Of each picture the central square is seen. A call that was killed goes on where it was. `progress` is
    told the step of the work, pairs done and in all; `on_epoch` the row of each epoch, once it is saved.

    Raises InputError for pairs without captions or that cannot be read, CheckpointError for a model that is
    not there or of another kind, RunError for a folder of something else and a loss that is not a number.
    """
    machine = machine or InstructMachine()
    check_folder(out, KIND, overwrite)  # before the model is loaded, and pictures decoded
    captions = _captions_of(pairs)
    if config.lora:
        with needed_for("low-rank updates", "train"):
            import peft  # noqa: F401  # before minutes of reading
    accelerator = open_accelerator(machine.device, config.precision)
    main, device = accelerator.is_main_process, accelerator.device
    report = progress if main else silent
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        model = open_model(config, device_of(accelerator))
        model.unet.requires_grad_(True)
        if config.lora:
            add_lora(model.unet, config.lora)
    if machine.gradient_checkpointing:
        model.unet.enable_gradient_checkpointing()
    model.to(device)
    model.reader.warn_of_long(captions)
    sides = _open(pairs, config)
    batch = config.batch * config.accumulate * accelerator.num_processes
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "model": model.identity,
        "batch": batch,
        "precision": accelerator.mixed_precision,
        "captions": fingerprint({"captions": captions}),
        "images": [side.fingerprint for side in sides],
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        shown = _Shown(pairs, captions, sides, model, config, accelerator)
        if _encodes_first(config, machine):
            with accelerator.main_process_first():
                shown.encode_all(out / WORK / "latents.npy", report)
        loop = _loop(accelerator, model, shown, batch, config, machine, out, report)
        resumed = loop.resumed
        loop.learn("colouring by words", on_epoch=on_epoch)
        learnt = InstructLearnt(out, loop.rows, resumed, loop.step, loop.seconds, len(pairs))
        if main:
            unet = loop.networks["network"].eval()
            if config.lora:
                write_folder(out / LORA, lambda folder: save_lora(folder, unet))
                unet = fused(unet)
            write_folder(out / MODEL, lambda folder: model.save(folder, unet))
            record = {
                "unprompt": __version__,
                "torch": torch.__version__,
                "config": config.as_dict(),
                "machine": {
                    **{
                        name: str(value) if isinstance(value, Path) else value
                        for name, value in asdict(machine).items()
                    },
                    "device": device_of(accelerator),
                    "precision": accelerator.mixed_precision,
                    "processes": accelerator.num_processes,
                },
                "pairs": learnt.pairs,
                "steps": learnt.steps,
                "pairs_a_step": batch,
                "seconds": round(learnt.seconds, 3),
                "epochs": list(loop.rows),
            }
            finish(out, KIND, record)
    return learnt


def _captions_of(pairs: Pairs) -> tuple[str, ...]:
    """The captions. Raises InputError where there are no pairs, no captions, or empty ones."""
    if not len(pairs):
        raise InputError("there are no pairs to learn from")
    captions = pairs.captions or ("",) * len(pairs)
    empty = [one for one, caption in zip(pairs.ids, captions, strict=True) if not caption.strip()]
    if empty:
        raise InputError(
            f"{part_of(len(empty), len(pairs), 'pair')} {agreed(len(empty), 'have')} no caption, first: "
            f"'{empty[0]}'; instruct learns to colour by words, so each pair needs some"
        )
    return captions


@dataclass(frozen=True, eq=False)
class _Side:
    """The sources or the targets at the size that is learnt from, decoded when they are asked for."""

    pixels: Pixels
    fingerprint: str


def _open(pairs: Pairs, config: InstructTraining) -> tuple[_Side, _Side]:
    preprocess = Preprocess(config.resolution)
    sides = []
    for name in ("source", "target"):
        side = pairs.side(name)
        pixels = open_pixels(side, preprocess, "no", cache_folder())
        sides.append(_Side(pixels, images_fingerprint(side, preprocess)))
    return sides[0], sides[1]


def _encodes_first(config: InstructTraining, machine: InstructMachine) -> bool:
    if machine.latents == "yes" and config.flip:
        raise ConfigError("pictures that are mirrored anew each time cannot be encoded before: latents no")
    return machine.latents == "yes" or (machine.latents == "auto" and not config.flip)


class _Shown:
    """What the objective is shown of pairs: their latents, words and chances, by the numbers of examples.

    An example is a pair in one of an epoch's passes: number n of N pairs is pair n % N.
    """

    def __init__(
        self,
        pairs: Pairs,
        captions: Sequence[str],
        sides: tuple[_Side, _Side],
        model: InstructModel,
        config: InstructTraining,
        accelerator: Any,
    ) -> None:
        self.count = len(pairs)
        self.captions = captions
        self.sources, self.targets = (side.pixels for side in sides)
        self._model = model
        self._config = config
        self._accelerator = accelerator
        self._device = accelerator.device
        self._times = int(model.noise.get("num_train_timesteps", 1000))
        self._latents: NDArray[np.float32] | None = None
        with torch.no_grad():
            self._no_words = model.reader.states([""], self._device)

    def encode_all(self, path: Path, report: Progress) -> None:
        """Encode all pairs into an array, or take the one that an earlier start made."""
        codec, side = self._model.codec, self._config.resolution // self._model.codec.factor
        channels = 2 * codec.channels + codec.picture_channels

        def make(done: int) -> Iterator[tuple[int, NDArray[Any] | str]]:
            rows = np.arange(done, self.count)
            plan = [rows[start : start + ENCODED_AT_ONCE] for start in range(0, len(rows), ENCODED_AT_ONCE)]
            with closing(self._pictures(plan, 0)) as pictures:
                for some, (sources, targets) in pictures:
                    latents = torch.cat(self._encode(sources, targets), dim=1)
                    yield int(some[0]), latents.cpu().numpy()

        if not path.exists():
            shape = (self.count, channels, side, side)
            instead = "encode pairs as they are needed (--latents no)"
            fill_array(path, shape, np.float32, make, ENCODED_SAVE, instead, "encoding", report)
        self._latents = np.load(path, mmap_mode="r")

    def load(self, workers: int) -> Callable[[Sequence[Ints]], Generator[tuple[Ints, Any], None, None]]:
        """How batches come: with their pictures (B, S, S, 3) uint8, or with nothing where all are encoded."""

        def load(plan: Sequence[Ints]) -> Generator[tuple[Ints, Any], None, None]:
            if self._latents is not None:
                yield from ((rows, None) for rows in plan)
                return
            with closing(self._pictures([rows % self.count for rows in plan], workers)) as pictures:
                yield from ((rows, both) for rows, (_, both) in zip(plan, pictures, strict=True))

        return load

    def inputs(self, batch: Batch) -> tuple[Any, ...]:
        """What `_Objective.forward` takes."""
        codec = self._model.codec
        if self._latents is not None:
            stored = torch.from_numpy(self._latents[batch.rows % self.count]).to(self._device)
            sizes = (codec.channels, codec.channels, codec.picture_channels)
            mean, spread, picture = stored.split(sizes, dim=1)
        else:
            mean, spread, picture = self._encode(*self._flipped(batch))
        seeds = [derive_seed(self._config.seed, "instruct", batch.epoch, int(row)) for row in batch.rows]
        chances = draw_chances(seeds, mean.shape[1:], self._times).to(self._device)
        edited = (mean + spread * chances.spread) * codec.scale
        words = self._model.reader.states(
            [self.captions[row % self.count] for row in batch.rows], self._device
        )
        return edited, picture, words, self._no_words, chances

    def _pictures(self, plan: Sequence[Ints], workers: int) -> Generator[tuple[Ints, Any], None, None]:
        with (
            closing(batches(self.sources, plan, workers)) as sources,
            closing(batches(self.targets, plan, workers)) as targets,
        ):
            for (rows, source), (_, target) in zip(sources, targets, strict=True):
                yield rows, (source, target)

    def _flipped(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sources and targets, of some pairs both mirrored where that was asked for and no side is named."""
        sources, targets = batch.loaded
        if not self._config.flip:
            return sources, targets
        mirrored = [
            derive_seed(self._config.seed, "flip", batch.epoch, int(row)) & 1
            and not SIDED.search(self.captions[row % self.count])
            for row in batch.rows
        ]
        choose = torch.tensor(mirrored, dtype=torch.bool)[:, None, None, None]
        return torch.where(choose, sources.flip(2), sources), torch.where(choose, targets.flip(2), targets)

    def _encode(self, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, S, S, 3) uint8 -> mean and deviation of what is learnt, and the drawing's latents."""
        source, target = (
            (pictures.to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1)
            for pictures in (sources, targets)
        )
        with torch.no_grad(), self._accelerator.autocast():
            mean, spread = self._model.codec.encode(target, source)
            return mean.float(), spread.float(), self._model.codec.encode_picture(source).float()


class _Objective(PartlyFrozen):
    """A U-Net with its loss."""

    def __init__(self, model: InstructModel, share: float) -> None:
        super().__init__(model.unet)
        self._scheduler = model.scheduler()
        self._share = share

    def forward(
        self, edited: Tensor, picture: Tensor, words: Tensor, no_words: Tensor, chances: Chances
    ) -> tuple[Tensor, dict[str, Tensor]]:
        losses = instruct_losses(
            self.network, self._scheduler, edited, picture, words, no_words, chances, self._share
        )
        return losses.mean(), {"loss": losses.detach().sum()}


def _loop(
    accelerator: Any,
    model: InstructModel,
    shown: _Shown,
    batch: int,
    config: InstructTraining,
    machine: InstructMachine,
    out: Path,
    report: Progress,
) -> Loop:
    wanted = min(config.steps, EPOCH_STEPS) * batch  # examples of an epoch
    examples = ceil(wanted / shown.count) * shown.count
    objective = _Objective(model, config.drop)
    learning = [value for value in objective.parameters() if value.requires_grad]
    return Loop(
        accelerator,
        [
            Part(
                objective,
                groups=[
                    {"params": learning, "lr": config.learning_rate, "weight_decay": config.weight_decay}
                ],
                betas=BETAS,
                ema=config.ema,
                network=model.unet,
            )
        ],
        Examples(np.arange(examples), shown.inputs, shown.load(machine.workers)),
        config.schedule(batch, ceil(config.steps / (examples // batch)), machine.save_minutes),
        out,
        accumulate=config.accumulate,
        samples=_samples(accelerator, model, shown, config, machine),
        remedy="start again with a lower --learning-rate, or --precision bf16 or fp32",
        progress=report,
        most_steps=config.steps,
        checkpoints=_checkpoints(model, config, machine, out),
    )


def _checkpoints(
    model: InstructModel, config: InstructTraining, machine: InstructMachine, out: Path
) -> Checkpoints | None:
    """The newest models on the way; of low-rank updates these alone."""
    if not machine.checkpoint_steps:
        return None
    folder = out / CHECKPOINTS

    def keep(networks: Mapping[str, torch.nn.Module], step: int) -> None:
        unet = networks["network"]
        target = folder / f"{step:07d}"
        if not target.exists():
            earlier = sorted(folder.iterdir()) if folder.exists() else []
            for old in earlier[: max(0, len(earlier) + 1 - machine.checkpoints)]:
                shutil.rmtree(old)  # before the new one: a disk may hold no two
            write_folder(target, lambda at: save_lora(at, unet) if config.lora else model.save(at, unet), out)

    return Checkpoints(machine.checkpoint_steps, keep)


def _samples(
    accelerator: Any, model: InstructModel, shown: _Shown, config: InstructTraining, machine: InstructMachine
) -> Samples | None:
    """Sheets of some pairs that are learnt from, below the picture that was asked for where there is one."""
    if not machine.samples:
        return None
    rows = np.unique(np.linspace(0, shown.count - 1, SHOWN).astype(int))
    cases: list[tuple[Image.Image, str, Image.Image | None]] = []
    if machine.sample_image is not None and machine.sample_prompt is not None:
        drawing = image_of(machine.sample_image)
        size = fitting(drawing.size, config.resolution, max(8, model.codec.factor))
        cases.append((drawing.resize(size, Image.Resampling.LANCZOS), machine.sample_prompt, None))
    for row in rows:
        source, truth = (Image.fromarray(side[int(row)]) for side in (shown.sources, shown.targets))
        cases.append((source, shown.captions[row], truth))
    settings = InstructPaint(steps=machine.sample_steps)

    def draw(networks: Mapping[str, torch.nn.Module], step: int) -> Image.Image:
        pipeline = model.pipeline(networks["network"])
        with accelerator.autocast():
            return sheet_of(
                [
                    [source, paint_once(pipeline, model, source, words, config.seed, settings), truth]
                    for source, words, truth in cases
                ]
            )

    return Samples(machine.samples, draw)


def sheet_of(rows: Sequence[Sequence[Image.Image | None]]) -> Image.Image:
    """Rows of pictures on one white sheet; None leaves a place empty."""
    width = max(picture.width for row in rows for picture in row if picture) + GAP
    heights = [max(picture.height for picture in row if picture) + GAP for row in rows]
    sheet = Image.new("RGB", (width * max(map(len, rows)) - GAP, sum(heights) - GAP), "white")
    for number, row in enumerate(rows):
        for place, picture in enumerate(row):
            if picture is not None:
                sheet.paste(picture, (place * width, sum(heights[:number])))
    return sheet
