"""Training as public notebooks do it beside ours: which score after how many minutes, from the same start.

Both fine-tune the same backbone from the same weights, on the same training images of a pocket data set, and
are scored on the same validation images, whose prompts are none of training's neighbours. The plain recipe
decodes PNG files in two more processes, resizes and normalises them with torchvision, and takes AdamW at
1e-4, a cosine schedule and CosineEmbeddingLoss to timm's network with 384 outputs, batches of 64. Ours is
`train` with the settings of pocket_regression.toml, but a larger validation part.

How many steps and epochs fit into the minutes is estimated from a short run of each that does not count, so
that both schedules end with their time. Neither clock counts validation; ours also counts the head's fit, and
decoding all images beforehand. Target: ours reaches the plain recipe's last score in half its time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from pocket_regression import RENDER_WORKERS, SETTINGS
from unprompt.datasets.dataset import Dataset as Images
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.pixels import open_pixels
from unprompt.errors import UnpromptError
from unprompt.learning.curves import BLUE, GREY, ORANGE, drawn, label_ends, tidy
from unprompt.networks.backbones import own_preprocess, pretrained_state
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.devices import choose_device
from unprompt.progress import StepBars
from unprompt.recipes.scenes import TRAIN_SEED, Scenes
from unprompt.records import DIM
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.material import Material, read_material
from unprompt.regression.train import train
from unprompt.storage.files import write_table
from unprompt.storage.parts import read_image_bytes
from unprompt.storage.toml_files import read_config

VALIDATION = 0.05  # share of the images: enough for a steady score where there are few thousand
LOOKS = 8  # how often the plain recipe is scored
BATCH, WORKERS, LEARNING_RATE = 64, 2, 1e-4  # the plain recipe's
UNCOUNTED, COUNTED = 6, 12  # its steps in the short run: those before the workers' lead is used up, and after
TRIAL_BATCHES = 16  # an epoch of our short run
TARGET = 0.5


# --- the plain recipe


class PngFiles(Dataset):  # type: ignore[misc]  # torch has no types here
    """(3, S, S) images, decoded when asked for, and their targets."""

    def __init__(self, paths: Sequence[Path], targets: torch.Tensor, transform: Any) -> None:
        self.paths, self.targets, self.transform = paths, targets, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), self.targets[index]


class PlainRecipe:
    """The network, its loaders and the steps, as a notebook has them."""

    def __init__(self, material: Material, paths: Sequence[Path], config: TrainConfig, device: str) -> None:
        torch.manual_seed(config.seed)
        self.device = device
        self.network = timm.create_model(config.backbone)
        self.network.load_state_dict(pretrained_state(config.backbone, config.weights)[0])
        self.network.reset_classifier(DIM)
        self.network.to(device)
        own = own_preprocess(config.backbone, config.size)
        transform = transforms.Compose(
            [
                transforms.Resize((own.size, own.size)),
                transforms.ToTensor(),
                transforms.Normalize(own.mean, own.std),
            ]
        )
        targets = torch.from_numpy(material.targets)
        training, validation = (
            PngFiles([paths[row] for row in rows], targets[rows], transform)
            for rows in (material.train, material.validation)
        )
        self.loader = DataLoader(training, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
        self.validation = DataLoader(validation, batch_size=BATCH, num_workers=WORKERS)

    def steps(self, count: int) -> Iterator[int]:
        """Train for `count` steps, giving the number of each when it is done."""
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=count)
        criterion = torch.nn.CosineEmbeddingLoss()
        self.network.train()
        for step, (images, targets) in enumerate(islice(self._epochs(), count), start=1):
            optimizer.zero_grad()
            guess = self.network(images.to(self.device))
            loss = criterion(guess, targets.to(self.device), torch.ones(len(images), device=self.device))
            loss.backward()
            optimizer.step()
            schedule.step()
            loss.item()  # which a notebook prints; a GPU has then done the step
            yield step

    def _epochs(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def score(self) -> float:
        """Mean similarity on the validation images."""
        self.network.eval()
        found = []
        with torch.inference_mode():
            for images, targets in self.validation:
                guess = self.network(images.to(self.device)).cpu().double()
                found.append(torch.cosine_similarity(guess, targets.double()))
        self.network.train()
        return float(torch.cat(found).mean())


def measure_plain(recipe: PlainRecipe, steps: int, bars: StepBars) -> list[Point]:
    """Train by the plain recipe, and score it on the way; the clock stands while it is scored."""
    due = {round(steps * look / LOOKS) for look in range(1, LOOKS + 1)}
    points, spent, began = [], 0.0, time.perf_counter()
    for step in recipe.steps(steps):
        if step in due:
            spent += time.perf_counter() - began
            points.append(Point(spent, recipe.score()))
            began = time.perf_counter()
        bars.show("plain recipe", step * BATCH, steps * BATCH)
    return points


def plain_step_seconds(recipe: PlainRecipe, bars: StepBars) -> float:
    """How long a step takes when all is under way."""
    start = 0.0
    for step in recipe.steps(UNCOUNTED + COUNTED):
        if step == UNCOUNTED:
            start = time.perf_counter()
        bars.show("speed of the plain recipe", step * BATCH, (UNCOUNTED + COUNTED) * BATCH)
    return (time.perf_counter() - start) / COUNTED


def png_files(images: Images, folder: Path) -> list[Path]:
    """Each image as a file, in the order of the data set: those of parts are written into `folder`."""
    paths = []
    for image in images.images:
        path = image.path
        if image.row is not None:
            path = folder / f"{image.image_id}.png"
            path.write_bytes(read_image_bytes(image.path, image.row) or b"")
        assert isinstance(path, Path)  # data sets lie on this machine
        paths.append(path)
    return paths


# --- ours


def epochs_that_fit(
    dataset: Path, material: Material, config: TrainConfig, seconds: float, scratch: Path, bars: StepBars
) -> int:
    """How many epochs end within `seconds`, the head's fit included; at least one."""
    trial = replace(config, epochs=2, limit=TRIAL_BATCHES * config.batch)
    rows = train(dataset, scratch / "trial", trial, progress=bars.show).epochs
    images = len(material.train)
    if rows[0].epoch == 0:
        seconds -= (images + len(material.validation)) / rows[0].images_per_second
    return max(1, int(seconds * rows[-1].images_per_second / images))


def measure_ours(
    dataset: Path, config: TrainConfig, decoding: float, scratch: Path, bars: StepBars
) -> list[Point]:
    """Train, the seconds of decoding on the clock from the start; a point for the head and for each epoch."""
    rows = train(dataset, scratch / "ours", config, progress=bars.show).epochs
    return [Point(decoding + row.seconds, row.validation) for row in rows]


# --- results


class Point(NamedTuple):
    """A score, and after how many seconds it was had."""

    seconds: float
    score: float


def seconds_to_reach(points: Sequence[Point], wanted: float) -> float | None:
    """When a score was first reached, on straight lines between points in the order of time; None: never.

    Before the first point nothing is known, so a score that it has counts from there.
    """
    before: Point | None = None
    for point in points:
        if point.score >= wanted:
            if before is None:
                return point.seconds
            share = (wanted - before.score) / (point.score - before.score)
            return before.seconds + share * (point.seconds - before.seconds)
        before = point
    return None


def plot(path: Path, ours: Sequence[Point], plain: Sequence[Point], constant: float, title: str) -> None:
    """Draw both scores against minutes, and where ours reaches the other's last."""
    with drawn(path, 9, 5) as figure:
        axes = figure.subplots()
        axes.axhline(constant, ls="--", color=GREY, zorder=1)
        ends = {f"best constant {constant:.3f}": (constant, GREY)}
        for name, points, colour in (("ours", ours, ORANGE), ("plain recipe", plain, BLUE)):
            axes.plot(
                [point.seconds / 60 for point in points],
                [point.score for point in points],
                color=colour,
                marker="o",
                ms=4,
            )
            ends[f"{name} {points[-1].score:.3f}"] = (points[-1].score, colour)
        last = plain[-1]
        reached = seconds_to_reach(ours, last.score)
        if reached is not None:
            axes.plot([reached / 60, last.seconds / 60], [last.score] * 2, ":", color=GREY, zorder=1)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("minutes of training")
        axes.set_ylabel("validation score")
        axes.set_xlim(left=0)
        tidy(axes)
        label_ends(axes, ends)


def verdict(ours: Sequence[Point], plain: Sequence[Point]) -> str:
    """When ours had the plain recipe's last score, in a line."""
    last = plain[-1]
    reached = seconds_to_reach(ours, last.score)
    if reached is None:
        return f"ours never reached the plain recipe's last score of {last.score:.4f}   target: <= {TARGET}"
    return (
        f"the plain recipe's last score of {last.score:.4f} came after {last.seconds:.0f} s, with ours after "
        f"{reached:.0f} s: {reached / last.seconds:.2f} of its time   target: <= {TARGET}"
    )


def compare(dataset: Path, minutes: float, out: Path, scratch: Path) -> None:
    """Train both ways, print and write scores, seconds and the ratio."""
    config = TrainConfig(**{**read_config(SETTINGS, TrainConfig), "validation": VALIDATION})
    machine, seconds = MachineConfig(), 60 * minutes
    images, preprocess = read_dataset(dataset), own_preprocess(config.backbone, config.size)
    with StepBars("image") as bars:
        start = time.perf_counter()
        open_pixels(
            images,
            preprocess,
            "yes",
            cache_folder() / "pixels",
            bars.show,
        )
        decoding = time.perf_counter() - start
        material = read_material(dataset, preprocess, config, machine, bars.show)
        epochs = epochs_that_fit(dataset, material, config, seconds - decoding, scratch, bars)
        ours = measure_ours(dataset, replace(config, epochs=epochs), decoding, scratch, bars)
        (scratch / "images").mkdir()
        paths, device = png_files(images, scratch / "images"), choose_device(machine.device)
        step_seconds = plain_step_seconds(PlainRecipe(material, paths, config, device), bars)
        steps = max(LOOKS, round(seconds / step_seconds))
        plain = measure_plain(PlainRecipe(material, paths, config, device), steps, bars)

    facts = f"{len(material.train):,} training and {len(material.validation):,} validation images"
    print(
        f"{config.backbone} at {preprocess.size} px, {facts}, {minutes:g} minutes, {device}, "
        f"{torch.get_num_threads()} threads; the plain recipe decodes in {WORKERS} processes beside them"
    )
    print(f"  the best constant scores {material.constant:.4f}")
    print(f"  ours, {epochs} epochs (decoding took {decoding:.1f} s)")
    print(*(f"    {point.seconds:7.1f} s  {point.score:.4f}" for point in ours), sep="\n")
    print(f"  plain recipe, {steps} steps, {steps * BATCH / len(material.train):.1f} epochs")
    print(*(f"    {point.seconds:7.1f} s  {point.score:.4f}" for point in plain), sep="\n")
    print(verdict(ours, plain))
    table = [("ours", point) for point in ours] + [("plain recipe", point) for point in plain]
    write_table(
        out / "train.csv",
        ("recipe", "seconds", "score", "constant"),
        ((name, f"{at:.1f}", f"{score:.6f}", f"{material.constant:.6f}") for name, (at, score) in table),
    )
    plot(out / "train.png", ours, plain, material.constant, facts)


def drawn_scenes(folder: Path, count: int) -> Path:
    """A data set of so many pocket scenes."""
    scenes = Scenes(folder, count, TRAIN_SEED)
    with StepBars("image") as bars:
        scenes.write_list(progress=bars.show)
        scenes.draw(RENDER_WORKERS, bars.show)
    return scenes.dataset


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "dataset", type=Path, nargs="?", metavar="DATASET", help="(default: new pocket scenes)"
    )
    parser.add_argument("--scenes", type=int, default=4000, metavar="N", help="new ones (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each of the two (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-train"), metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        # Decoded images are kept in the user's cache: here they are to be decoded on the clock, and to go.
        os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
        try:
            dataset = options.dataset or drawn_scenes(scratch / "pairs", options.scenes)
            compare(dataset, options.minutes, options.out, scratch)
        except UnpromptError as error:
            raise SystemExit(f"train: {error}") from None


if __name__ == "__main__":
    main()
