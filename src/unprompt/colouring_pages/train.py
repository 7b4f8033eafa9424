"""Teaching a generator to draw: from pairs of a picture and its lines to generator.safetensors.

    OUT/
      generator.safetensors, generator.json       the (averaged) weights, and all about them
      metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
      samples/STEP.png                            source, made and truth side by side, while it learns
      train.json                                  written last: settings, scores, seconds

Killed at any moment, a training goes on from its last save and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from unprompt import __version__
from unprompt.colouring_pages.adversarial import Drawing, Judging
from unprompt.colouring_pages.config import BETAS, PageMachine, PageTraining
from unprompt.colouring_pages.generator_files import read_generator, write_generator
from unprompt.colouring_pages.network import Discriminator, Generator, ink_of, scaled
from unprompt.datasets.batches import batches
from unprompt.datasets.pairs import Pairs
from unprompt.datasets.pixels import Pixels, images_fingerprint, open_pixels
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.split import random_order
from unprompt.errors import InputError
from unprompt.learning.accelerator import device_of, open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS, Row
from unprompt.learning.loop import Batch, Examples, Loop, Samples
from unprompt.learning.parts import Part
from unprompt.networks.checkpoints import cache_folder, sha256_of
from unprompt.networks.devices import core_count
from unprompt.networks.preprocess import Preprocess
from unprompt.networks.weight_files import check_same_network
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, check_folder, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Ints = NDArray[np.int64]

MODEL_FILE = "generator.safetensors"
KIND = FolderKind(
    noun="training of pages",
    record="train.json",
    outputs=(MODEL_FILE, "generator.json", "samples", *OUTPUTS),
)
SCORES = ("held_out_l1", "held_out_overlap")
LOOKED_AT = 128  # held-out pairs that are looked at after each epoch
LOOK_BATCH = 16
SHOWN = 6  # pairs on a sheet of samples
GAP = 4  # pixels between pictures on it
LUMA = (19595, 38470, 7471)  # ITU-R BT.601 in 1/65536, as Pillow makes grey


@dataclass(frozen=True)
class PagesLearnt:
    """What a training has come to: a row for each epoch (learning/curves.py), and its seconds in all."""

    out: Path
    rows: tuple[Row, ...]
    resumed: bool
    seconds: float
    pairs: int
    held_out: int


def train_pages(
    pairs: Pairs,
    out: Path,
    config: PageTraining | None = None,
    machine: PageMachine | None = None,
    held_out: Pairs | None = None,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> PagesLearnt:
    """Teach a generator to make the targets of pairs of their sources, and leave the folder `out`.

    Of each picture the central square is seen; targets are line art on white, grey unless `config.channels`
    is 3. `held_out`: pairs of other drawings, of which up to LOOKED_AT are looked at after each epoch; a row
    then has the mean difference (`held_out_l1`, on a scale of -1 to 1) and the share of ink that is common to
    what is made and the truth (`held_out_overlap`, see `overlaps`). `about`: whence the pairs are, as JSON
    can hold it, for both records. `progress` is told the step of the work, pairs done and in all; `on_epoch`
    the row of each epoch, once it is saved.

    Raises InputError for pairs that cannot be read, CheckpointError for weights to begin with that are of
    another network, RunError for a folder of something else and a loss that is not a number.
    """
    config = config or PageTraining()
    machine = machine or PageMachine()
    check_folder(out, KIND, overwrite)  # before pictures are decoded
    _check_pairs(pairs, held_out)
    start = _starting_generator(config)
    accelerator = open_accelerator(machine.device, config.precision)
    main = accelerator.is_main_process
    report = progress if main else silent
    with accelerator.local_main_process_first():
        material = _open(pairs, held_out, config, machine, report)
    plan = {
        "unprompt": __version__,
        "config": config.as_dict(),
        "weights": sha256_of(config.weights) if config.weights else None,
        "precision": accelerator.mixed_precision,
        "images": material.fingerprint,
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        generator = start or Generator(config.generator)
        loop = _loop(accelerator, generator, material, config, machine, out, report)
        resumed = loop.resumed

        def scores() -> Row:
            looked_at = material.held_out
            return _scores(loop.networks["generator"], looked_at) if looked_at else {}

        loop.learn("colouring pages", scores, SCORES if material.held_out else (), on_epoch)
        learnt = PagesLearnt(
            out, loop.rows, resumed, loop.seconds, len(pairs), len(held_out) if held_out else 0
        )
        if main:
            record = {
                "unprompt": __version__,
                "torch": torch.__version__,
                "config": config.as_dict(),
                "machine": {
                    **asdict(machine),
                    "device": device_of(accelerator),
                    "precision": accelerator.mixed_precision,
                    "processes": accelerator.num_processes,
                },
                "pairs": {"learnt_from": learnt.pairs, "held_out": learnt.held_out, **(about or {})},
                "seconds": round(learnt.seconds, 3),
                "steps": loop.step,
            }
            made = loop.networks["generator"]
            assert isinstance(made, Generator)
            write_generator(out / MODEL_FILE, made, {**record, "last_epoch": loop.rows[-1]})
            finish(out, KIND, {**record, "epochs": list(loop.rows)})
    if not machine.keep_decoded:
        accelerator.wait_for_everyone()
        material.discard()
    return learnt


def split_pairs(
    pairs: Pairs, share: float, seed: int = 0, drawing_of: Callable[[str], str] = str
) -> tuple[Pairs, Pairs]:
    """Put about `share` of the pairs aside: those to learn from, those held out, each in their order.

    `drawing_of`: a pair's id -> the drawing that it is of. Pairs of one drawing stay together: a network that
    has learnt a drawing in one style draws it well in any. Raises InputError where a side would be empty.
    """
    drawings = [drawing_of(one) for one in pairs.ids]
    names = sorted(set(drawings))
    order = random_order(len(names), derive_seed(seed, "held out"))
    aside = {names[place] for place in order[: round(share * len(names))]}
    if not 0 < len(aside) < len(names):
        raise InputError(
            f"a share of {share:g} of {len(names)} drawings is {len(aside)}, and both sides need one at "
            "least; change the share or add drawings"
        )
    sides = [
        [one for one, drawing in zip(pairs.ids, drawings, strict=True) if (drawing in aside) == held]
        for held in (False, True)
    ]
    return pairs.at(sides[0]), pairs.at(sides[1])


def jittered(pictures: Any, size: int, mirror: bool, seed: int, epoch: int, rows: Ints) -> Any:
    """Squares (B, L, L, C) -> (B, size, size, C): cut at random places, half of them mirrored where asked.

    `rows`: (B,) the pictures' rows among all; with `seed` and `epoch` they decide everything.
    """
    room = pictures.shape[1] - size
    if not room and not mirror:
        return pictures
    cut = []
    for picture, row in zip(pictures, rows, strict=True):
        random = np.random.PCG64(derive_seed(seed, "jitter", epoch, int(row))).random_raw(3)
        top, left = (int(number) % (room + 1) for number in random[:2])
        part = picture[top : top + size, left : left + size]
        cut.append(part.flip(1) if mirror and int(random[2]) >> 63 else part)
    return torch.stack(cut)


def overlaps(ink: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(B,): how much ink (B, H, W) is common to both, 0 to 1; 1 where both are empty.

    2 sum min(a, b) / (sum a + sum b), which is F1 by pixels where ink is 0 or 1.
    """
    common = 2 * torch.minimum(ink, truth).flatten(1).sum(dim=1)
    both = (ink + truth).flatten(1).sum(dim=1)
    return torch.where(both > 0, common / both.clamp(min=1e-9), torch.ones_like(both))


def sheet_of(columns: Sequence[torch.Tensor]) -> Image.Image:
    """Batches (B, 1 or 3, S, S) in -1 … 1, side by side: a row for each picture, white between them."""
    count, side = len(columns[0]), columns[0].shape[-1]
    step = side + GAP
    sheet = Image.new("RGB", (step * len(columns) - GAP, step * count - GAP), "white")
    for number, column in enumerate(columns):
        pixels = ((column.float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        for row, picture in enumerate(pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()):
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (number * step, row * step))
    return sheet


class _Pictures(Pixels):
    """Sources and targets together: (S, S, 3 + C) uint8, targets in grey where C is 1."""

    def __init__(self, sources: Pixels, targets: Pixels, channels: int) -> None:
        self._sources = sources
        self._targets = targets
        self._channels = channels
        self.decoded = sources.decoded and targets.decoded

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, row: int) -> Bytes:
        one: Bytes = self.take([row])[0]
        return one

    def take(self, rows: Sequence[int] | Ints) -> Bytes:
        targets = self._targets.take(rows)
        if self._channels == 1:
            weighed = targets.astype(np.uint32) @ np.array(LUMA, np.uint32)
            targets = ((weighed + 0x8000) >> 16).astype(np.uint8)[..., None]
        return np.concatenate([self._sources.take(rows), targets], axis=-1)

    def discard(self) -> None:
        self._sources.discard()
        self._targets.discard()


@dataclass(frozen=True, eq=False)
class _Material:
    """What is learnt from, at the size at which pairs are loaded, and what is looked at, at the final one."""

    pictures: _Pictures
    held_out: _Pictures | None
    workers: int
    fingerprint: str

    def discard(self) -> None:
        """Remove what was kept in the cache; an interrupted training never comes here."""
        for pictures in (self.pictures, self.held_out):
            if pictures is not None:
                pictures.discard()


def _open(
    pairs: Pairs, held_out: Pairs | None, config: PageTraining, machine: PageMachine, report: Progress
) -> _Material:
    def pictures(some: Pairs, seen: Preprocess) -> _Pictures:
        prints.extend(images_fingerprint(some.side(side), seen) for side in ("source", "target"))
        sources, targets = (
            open_pixels(some.side(side), seen, machine.decoded, cache_folder() / "pixels", report)
            for side in ("source", "target")
        )
        return _Pictures(sources, targets, config.channels)

    prints: list[str] = []
    learnt_from = pictures(pairs, Preprocess(config.load_size))
    looked_at = None
    if held_out:
        order = random_order(len(held_out), derive_seed(config.seed, "looked at"))[:LOOKED_AT]
        some = held_out.at([held_out.ids[row] for row in order])
        looked_at = pictures(some, Preprocess(config.size))
    workers = machine.workers
    if workers < 0:
        workers = 0 if learnt_from.decoded else core_count()
    return _Material(learnt_from, looked_at, workers, " ".join(prints))


def _check_pairs(pairs: Pairs, held_out: Pairs | None) -> None:
    if not len(pairs):
        raise InputError("there are no pairs to learn from")
    both = set(pairs.ids) & set(held_out.ids if held_out else ())
    if both:
        raise InputError(
            f"{len(both)} of {len(pairs)} pairs to learn from are held out as well, first: {min(both)}"
        )


def _starting_generator(config: PageTraining) -> Generator | None:
    """The generator to begin with. Raises ConfigError where it is of other sizes than the settings say."""
    if config.weights is None:
        return None
    network = read_generator(config.weights)
    check_same_network(config.weights, asdict(network.config), asdict(config.generator), but=("dropout",))
    begun = Generator(config.generator)
    begun.load_state_dict(network.state_dict())
    return begun


def _loop(
    accelerator: Any,
    generator: Generator,
    material: _Material,
    config: PageTraining,
    machine: PageMachine,
    out: Path,
    report: Progress,
) -> Loop:
    parts, judge = [], None
    if config.gan_weight:
        discriminator = Discriminator(config.discriminator)
        judge = discriminator.forward
        judging = Judging(discriminator, generator.forward, config.gan, config.penalty)
        parts.append(Part(judging, "discriminator", betas=BETAS))
    drawing = Drawing(generator, judge, config)
    parts.append(Part(drawing, "generator", betas=BETAS, ema=config.ema, network=generator))
    return Loop(
        accelerator,
        parts,
        Examples(
            np.arange(len(material.pictures)),
            _Shown(config, accelerator.device).inputs,
            lambda plan: batches(material.pictures, plan, material.workers),
        ),
        config.schedule(machine.save_minutes),
        out,
        accumulate=machine.accumulate,
        samples=_samples(material, config, accelerator.device, machine.samples),
        remedy="start again with a lower --learning-rate or --precision fp32",
        progress=report,
    )


class _Shown:
    """What both networks are shown of a batch: the discriminator and then the generator ask for the same."""

    def __init__(self, config: PageTraining, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._last: tuple[Batch, tuple[torch.Tensor, torch.Tensor]] | None = None

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Sources (B, 3, S, S) and targets (B, C, S, S), in -1 … 1."""
        if self._last is None or self._last[0] is not batch:
            config = self._config
            loaded = batch.loaded.to(self._device, non_blocking=True)
            seen = jittered(loaded, config.size, config.mirror, config.seed, batch.epoch, batch.rows)
            self._last = batch, _halves(seen)
        return self._last[1]


def _halves(pictures: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, S, S, 3 + C) uint8 -> (B, 3, S, S) and (B, C, S, S) in -1 … 1."""
    return scaled(pictures[..., :3]), scaled(pictures[..., 3:])


def _samples(material: _Material, config: PageTraining, device: torch.device, every: int) -> Samples | None:
    """Sheets of some held-out pairs, or of some that are learnt from where none is held out."""
    if not every:
        return None
    pictures = material.held_out or material.pictures
    rows = np.unique(np.linspace(0, len(pictures) - 1, SHOWN).astype(int))
    shown = torch.from_numpy(pictures.take(rows))
    margin = (shown.shape[1] - config.size) // 2
    middle = shown[:, margin : margin + config.size, margin : margin + config.size]

    def draw(networks: Mapping[str, torch.nn.Module], step: int) -> Image.Image:
        sources, truths = _halves(middle.to(device))
        return sheet_of([sources, networks["generator"](sources), truths])

    return Samples(every, draw)


def _scores(network: torch.nn.Module, held_out: _Pictures) -> Row:
    """How near what is made of held-out sources is to the truth, by the names in SCORES."""
    network.eval()
    device = next(network.parameters()).device
    distances, common = [], []
    with torch.inference_mode():
        for start in range(0, len(held_out), LOOK_BATCH):
            rows = np.arange(start, min(start + LOOK_BATCH, len(held_out)))
            sources, truths = _halves(torch.from_numpy(held_out.take(rows)).to(device))
            made = network(sources)
            distances.append((made - truths).abs().flatten(1).mean(dim=1))
            common.append(overlaps(ink_of(made), ink_of(truths)))
    means = (float(torch.cat(some).double().mean()) for some in (distances, common))
    return dict(zip(SCORES, means, strict=True))
