"""`predict` beside its floor: bare decoding (two workers) plus the bare forward pass (two threads).

The floor's parts are timed alone, in the same run, on the same images: Pillow in two threads, then timm's
network as it comes, at whichever batch size is fastest. Target: predict takes at most 1.15 times their sum.
A second row has our own network (batch norms folded) as the floor's forward pass. Loading is timed apart.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

from timing import median_seconds
from unprompt.networks.checkpoints import locate
from unprompt.networks.folding import fold_batch_norms, match_by_order
from unprompt.networks.imagenet import CHECKPOINT, ImageNetClassifier
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


def bare_decoding(files: list[Path]) -> float:
    """Seconds for Pillow to decode all files in two threads."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.convert("RGB")

    with ThreadPoolExecutor(WORKERS) as pool:
        return median_seconds(lambda: list(pool.map(decode, files)))


def bare_forward(network: torch.nn.Module, count: int) -> float:
    """Seconds for `count` images through a network, two threads, at its fastest batch size."""
    torch.set_num_threads(WORKERS)
    pixels = torch.randn(min(count, 96), 3, 260, 260)

    def forward(batch: int) -> None:
        with torch.inference_mode():
            for first in range(0, len(pixels), batch):
                network(pixels[first : first + batch])

    return (
        min(median_seconds(lambda batch=batch: forward(batch)) for batch in (1, 2, 4, 8))
        * count
        / len(pixels)
    )


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
        decoding = bare_decoding(files)
        plain = bare_forward(network, count)
        folded = bare_forward(fold_batch_norms(network), count)

        config = PredictConfig(overwrite=True, workers=WORKERS)
        predict(folder, Path(scratch) / "warm", config)  # fills the phrase cache
        start = time.perf_counter()
        ImageNetClassifier.load()
        loading = time.perf_counter() - start
        whole = median_seconds(lambda: predict(folder, Path(scratch) / "RUN", config))
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
        as_command = median_seconds(lambda: subprocess.run(command, check=True, capture_output=True), 1)

    print(f"{count} images, {WORKERS} workers, seconds")
    print(f"  bare decoding                     {decoding:7.2f}")
    print(f"  bare forward pass, timm as it is  {plain:7.2f}")
    print(f"  bare forward pass, norms folded   {folded:7.2f}")
    print(f"  loading the classifier            {loading:7.2f}")
    print(f"  predict, loading to report        {whole:7.2f}")
    print(f"  the whole command, with imports   {as_command:7.2f}")
    print(f"predict / (decoding + timm's forward pass):   {whole / (decoding + plain):.2f}   target: <= 1.15")
    print(f"predict / (decoding + folded forward pass):   {whole / (decoding + folded):.2f}")
    print(f"command / (decoding + timm's forward pass):   {as_command / (decoding + plain):.2f}")


if __name__ == "__main__":
    main()
