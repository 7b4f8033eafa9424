"""`predict` beside its floor: bare decoding (two workers) plus bare forward passes (two threads).

The floor's parts are timed alone, in turns with predict, on as many images: Pillow in two threads, then
timm's classifier as it comes and the detector's network, each at whichever batch size is fastest. Target:
predict takes at most 1.15 times their sum. A second row has our own classifier (batch norms folded) in the
floor. Loading is timed apart.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

from timing import in_turns, median_seconds, record
from unprompt.networks.checkpoints import locate
from unprompt.networks.detector import INPUT_SIZE as DETECTOR_SIZE
from unprompt.networks.detector import Detector
from unprompt.networks.folding import fold_batch_norms, match_by_order
from unprompt.networks.imagenet import CHECKPOINT, ImageNetClassifier
from unprompt.networks.imagenet import INPUT_SIZE as CLASSIFIER_SIZE
from unprompt.networks.shipped import read_shipped
from unprompt.networks.ssdlite import SsdLite
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.samples import SIZE, sample_scenes
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict

ARCHITECTURE = "tf_efficientnet_lite2"  # timm's name of the classifier
WORKERS = 2


def write_images(folder: Path, count: int) -> None:
    """Grainy scenes of 512 x 512, every second one PNG, the others JPEG."""
    rng = np.random.default_rng(0)
    for number, scene in enumerate(sample_scenes(count)):
        pixels = np.asarray(draw_scene(scene, number, SIZE), dtype=np.float64)
        grain = rng.normal(0, 12, (128, 128, 3)).repeat(4, axis=0).repeat(4, axis=1)
        picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
        if number % 2:
            picture.save(folder / f"{number:04d}.jpg", quality=92)
        else:
            picture.save(folder / f"{number:04d}.png")


def bare_decoding(files: list[Path]) -> None:
    """Have Pillow decode all files in two threads."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.convert("RGB")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(decode, files))


def bare_forward(network: torch.nn.Module, size: int, count: int) -> Callable[[], None]:
    """What takes `count` images, `size` pixels wide, through a network at its fastest batch: two threads."""
    pixels = torch.randn(96, 3, size, size)

    def forward(batch: int, images: int) -> None:
        torch.set_num_threads(WORKERS)
        with torch.inference_mode():
            for start in range(0, images, batch):
                first = start % len(pixels)
                network(pixels[first : first + min(batch, images - start)])

    best = min(
        (1, 2, 4, 8), key=lambda batch: median_seconds(lambda: forward(batch, min(count, len(pixels))))
    )
    return lambda: forward(best, count)


def main() -> None:
    """Print the floor, predict, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        write_images(folder, count)
        files = sorted(folder.iterdir())

        network = timm.create_model(ARCHITECTURE).eval()
        weights = torch.load(locate(CHECKPOINT).main_path, weights_only=True)
        network.load_state_dict(match_by_order(weights, network.state_dict(), ARCHITECTURE))
        plain_forward = bare_forward(network, CLASSIFIER_SIZE, count)
        folded_forward = bare_forward(fold_batch_norms(deepcopy(network)), CLASSIFIER_SIZE, count)
        boxes = SsdLite().eval()
        boxes.load_state_dict(read_shipped("detector"))
        detector_forward = bare_forward(boxes, DETECTOR_SIZE, count)

        config = PredictConfig(overwrite=True, workers=WORKERS)
        predict(folder, Path(scratch) / "warm", config)  # fills the phrase cache
        start = time.perf_counter()
        ImageNetClassifier.load()
        Detector.load()
        loading = time.perf_counter() - start
        command = [
            sys.executable,
            "-m",
            "unprompt",
            "predict",
            str(folder),
            "--out",
            f"{scratch}/RUN",
            "--overwrite",
        ]
        decoding, plain, folded, detecting, whole, as_command = in_turns(
            lambda: bare_decoding(files),
            plain_forward,
            folded_forward,
            detector_forward,
            lambda: predict(folder, Path(scratch) / "RUN", config),
            lambda: subprocess.run(command, check=True, capture_output=True),
        )

    floor, folded_floor = (
        [sum(parts) for parts in zip(decoding.walls, forward.walls, detecting.walls, strict=True)]
        for forward in (plain, folded)
    )
    print(f"{count} images, {WORKERS} workers, seconds")
    print(f"  bare decoding                     {decoding.wall:7.2f}")
    print(f"  classifier, timm as it is         {plain.wall:7.2f}")
    print(f"  classifier, norms folded          {folded.wall:7.2f}")
    print(f"  detector                          {detecting.wall:7.2f}")
    print(f"  loading both networks             {loading:7.2f}")
    print(f"  predict, loading to report        {whole.wall:7.2f}")
    print(f"  the whole command, with imports   {as_command.wall:7.2f}")
    for name, ours, peer, target in (
        ("predict / (decoding + timm's classifier + detector)", whole, floor, "   target: <= 1.15"),
        ("predict / (decoding + folded classifier + detector)", whole, folded_floor, ""),
        ("command / (decoding + timm's classifier + detector)", as_command, floor, ""),
    ):
        print(f"{name}:   {ours.wall / statistics.median(peer):.2f}{target}")
        record(name, ours.walls, peer)


if __name__ == "__main__":
    main()
