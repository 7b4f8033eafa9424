"""A machine with one CUDA GPU in one go: ViT-B/16 at 224 px and EfficientNet-Lite0 learn from pocket scenes.

    python benchmarks/gpu_check.py [--minutes 10] [--images 100000] [--draw-minutes 5] [--out gpu-check]

Draws scenes with all cores, as many as --images or as --draw-minutes allows. Then `unprompt train`'s own code
fine-tunes the ViT (all of it, words head, half precision) for --minutes of training and the EfficientNet by
the pocket recipe for as long at most; a short run of each, which does not count, says how many images fit.
Writes OUT/gpu_check.json and prints it: images a second, peak memory, validation scores, versions, device.

Without --weights (timm's, of the ViT) the ViT begins with random parameters: as fast, but its score says
little. Without a GPU: --device cpu --images 64 --minutes 0.1 --backbone test_vit --batch 8.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pocket_regression import SETTINGS
from unprompt.errors import UnpromptError
from unprompt.networks.backbones import own_preprocess
from unprompt.networks.devices import choose_device, core_count
from unprompt.progress import StepBars
from unprompt.recipes.scenes import TRAIN_SEED, Scenes
from unprompt.regression.config import MachineConfig, TrainConfig
from unprompt.regression.train import RECORD, train
from unprompt.runs.outputs import installed_versions
from unprompt.storage.files import read_json, write_json
from unprompt.storage.toml_files import read_config

TRIAL_SCENES = 2000  # that say how fast this machine draws
LEAST_VALIDATION = 8  # images
MOST_EPOCHS = 1000  # of the ViT: its minutes end it
TRIAL_BATCHES = 16  # an epoch of the run that says how fast it trains
NO_GPU = (
    "gpu_check: no CUDA GPU here; to run the same on the processor, in small: python benchmarks/gpu_check.py "
    "--device cpu --images 64 --minutes 0.1 --backbone test_vit --batch 8"
)


# --- scenes


def draw(folder: Path, count: int, size: int, bars: StepBars) -> Path:
    """A data set of so many pocket scenes of `size` pixels, drawn by all cores."""
    scenes = Scenes(folder, count, TRAIN_SEED)
    scenes.write_list(progress=bars.show)
    scenes.draw(core_count(), bars.show, size)
    return scenes.dataset


def scenes_that_fit(folder: Path, images: int, minutes: float, size: int, bars: StepBars) -> int:
    """How many scenes are drawn in the minutes, `images` at most: by a trial, whose start-up counts too."""
    if images <= TRIAL_SCENES:
        return images
    start = time.perf_counter()
    draw(folder, TRIAL_SCENES, size, bars)
    rate = TRIAL_SCENES / (time.perf_counter() - start)
    shutil.rmtree(folder)
    return max(TRIAL_SCENES, min(images, int(60 * minutes * rate)))


# --- training


def vit_config(backbone: str, weights: Path | None, batch: int, validation: float) -> TrainConfig:
    """All of a ViT learns, with a words head; without weights no layer knows more than another."""
    return TrainConfig(
        backbone=backbone,
        weights=weights,
        from_scratch=weights is None,
        head="words",
        epochs=MOST_EPOCHS,
        batch=batch,
        learning_rate=3e-4 if weights is None else 1e-4,
        layer_decay=1.0 if weights is None else 0.8,
        probe=0 if weights is None else 3,
        validation=validation,
    )


def fitted(config: TrainConfig, images: int, rate: float, seconds: float) -> TrainConfig:
    """The settings for as many of their epochs of `images` as `rate`, images a second, does in the seconds.

    Less than one is an epoch of fewer images, two batches at least.
    """
    affordable = rate * seconds
    if affordable >= images:
        return replace(config, epochs=min(config.epochs, int(affordable / images)))
    return replace(config, epochs=1, limit=max(2 * config.batch, int(affordable)))


def check(
    dataset: Path, images: int, out: Path, config: TrainConfig, device: str, minutes: float, bars: StepBars
) -> dict[str, Any]:
    """Train a network for the minutes, or for its epochs if they take less, and say what it came to."""
    trial = replace(config, epochs=2, limit=TRIAL_BATCHES * config.batch, probe=0)
    machine = MachineConfig(device=device)
    tried = train(dataset, out / "trial", trial, machine, overwrite=True, progress=bars.show)
    rate = tried.epochs[-1].images_per_second
    whole = fitted(config, images - tried.validation_images, rate, 60 * minutes)

    on_gpu = device.startswith("cuda")
    if on_gpu:  # what the short run has left there is not of this one
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    result = train(dataset, out / "run", whole, machine, overwrite=True, progress=bars.show)
    epochs = [row for row in result.epochs if row.epoch]
    return {
        "backbone": config.backbone,
        "size": own_preprocess(config.backbone, config.size).size,
        "images_per_second": statistics.median(row.images_per_second for row in epochs),
        "peak_gpu_gib": torch.cuda.max_memory_reserved() / 2**30 if on_gpu else None,
        "validation": result.best.validation,
        "constant": result.best.constant,
        "minutes": result.seconds / 60,
        "epochs": len(epochs),
        "train_images": result.train_images,
        "validation_images": result.validation_images,
        "precision": read_json(out / "run" / RECORD)["machine"]["precision"],
        "config": whole.as_dict(),
    }


# --- all of it


def describe(found: dict[str, Any]) -> str:
    """One network's numbers, in a line."""
    memory = found["peak_gpu_gib"]
    return (
        f"{found['backbone']} at {found['size']} px, {found['precision']}: "
        f"{found['images_per_second']:.0f} images/s, "
        f"{'no GPU memory' if memory is None else f'{memory:.2f} GiB of GPU memory at most'}; validation "
        f"{found['validation']:.4f} (constant {found['constant']:.4f}) after {found['minutes']:.1f} minutes, "
        f"{found['epochs']} x {found['train_images']:,} images"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Draw, train both, and give what is written."""
    device, out = choose_device(options.device), options.out
    size = own_preprocess(options.backbone).size
    with StepBars("image") as bars:
        images = scenes_that_fit(out / "trial-scenes", options.images, options.draw_minutes, size, bars)
        start = time.perf_counter()
        dataset = draw(out / f"scenes-{images}-{size}px", images, size, bars)
        drawing = time.perf_counter() - start
        lite = TrainConfig(**read_config(SETTINGS, TrainConfig))
        lite = replace(lite, validation=max(lite.validation, LEAST_VALIDATION / images))
        vit = vit_config(options.backbone, options.weights, options.batch, lite.validation)
        networks = [
            check(dataset, images, out / name, config, device, options.minutes, bars)
            for name, config in (("vit", vit), ("efficientnet", lite))
        ]
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "cores": core_count(),
        "versions": {**installed_versions(), "CUDA": torch.version.cuda},
        "scenes": images,
        "drawing_seconds": drawing,
        "networks": networks,
    }


def main() -> None:
    """Parse, run, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training (%(default)g)")
    parser.add_argument("--images", type=int, default=100_000, metavar="N", help="at most (%(default)s)")
    parser.add_argument("--draw-minutes", type=float, default=5.0, metavar="M", help="(%(default)g)")
    parser.add_argument("--device", default="cuda", help="(%(default)s)")
    parser.add_argument("--backbone", default="vit_base_patch16_224", help="in its place (%(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the ViT's, as `unprompt train` takes")
    parser.add_argument("--batch", type=int, default=256, metavar="N", help="of the ViT (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), metavar="FOLDER")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(NO_GPU)
    try:
        found = run(options)
    except UnpromptError as error:
        raise SystemExit(f"gpu_check: {error}") from None
    write_json(options.out / "gpu_check.json", found)
    print(f"{found['scenes']:,} scenes drawn by {found['cores']} cores in {found['drawing_seconds']:.0f} s")
    print(f"on {found['device']}")
    for network in found["networks"]:
        print(describe(network))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
