"""`predict` with a ViT-B/16 regression member beside its floor: timm's bare forward pass on decoded batches.

Both in the same run, on as many cores, the floor at its fastest batch size and way to share the cores.
Loading the network and Python's imports are left out of both; decoding, preparing and writing the results
are predict's own to hide. The weights are random, which costs the same as trained ones. Target: at least 0.9
of the floor's images a second.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import timm
import torch

from predict import write_images
from timing import in_turns, median_seconds, record
from unprompt.members.regression import RegressionConfig, Regressor
from unprompt.networks.devices import choose_device, core_count
from unprompt.regression.checkpoint import MODEL_FILE, save_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.model import new_model
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict

BACKBONE = "vit_base_patch16_224"
TRIAL = 16  # images that the floor's way is chosen on


def bare_forward(count: int, cores: int, device: str) -> tuple[Callable[[], None], str]:
    """What takes `count` decoded images through timm's network the fastest way, and which way that is.

    On a CPU the ways are all cores in one forward pass, and a forward pass of its own for each core.
    """
    network = timm.create_model(BACKBONE, num_classes=384).eval().to(device)
    sizes = (1, 2, 4, 8) if device == "cpu" else (32, 64, 128)
    half = device.startswith("cuda")
    pixels = torch.randn(max(sizes), 3, 224, 224).to(device)

    def forward(batch: int) -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=half):
            network(pixels[:batch]).cpu()

    def look(batch: int, passes: int, images: int) -> None:
        torch.set_num_threads(cores // passes)
        limit = partial(torch.set_num_threads, cores // passes)
        with ThreadPoolExecutor(passes, initializer=limit) as pool:
            list(pool.map(forward, [min(batch, images - first) for first in range(0, images, batch)]))

    ways = [(batch, passes) for batch in sizes for passes in ({1, cores} if device == "cpu" else {1})]
    trial = max(TRIAL, *sizes)
    batch, passes = min(ways, key=lambda way: median_seconds(lambda: look(way[0], way[1], trial), 2))
    return lambda: look(batch, passes, count), f"{passes} at a time, batches of {batch}"


def main() -> None:
    """Print images a second of both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    count, device, cores = arguments.images, choose_device(arguments.device), core_count()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "images").mkdir()
        write_images(folder / "images", count)
        model = new_model(TrainConfig(backbone=BACKBONE, from_scratch=True))
        save_model(folder / MODEL_FILE, model.spec, model.state_dict(), {})
        (folder / "bundle.toml").write_text(
            '[[members]]\nname = "regression"\nkind = "regression"\nweight = 1\n'
            f'checkpoint = "{MODEL_FILE}"\n'
        )
        forward, way = bare_forward(count, cores, device)
        config = PredictConfig(
            bundle=str(folder / "bundle.toml"), overwrite=True, device=device, workers=cores
        )

        def load() -> None:
            Regressor.load(device, folder / MODEL_FILE, RegressionConfig())

        load()  # with its imports
        bare, loaded, run = in_turns(
            forward, load, lambda: predict(folder / "images", folder / "RUN", config)
        )

    without = [wall - loading for wall, loading in zip(run.walls, loaded.walls, strict=True)]
    floor, whole, ours = bare.wall, run.wall, statistics.median(without)
    print(f"{count} images of 512 x 512, {BACKBONE}, {device}, {cores} cores")
    print(f"  timm's forward pass               {count / floor:7.2f} images/s ({way})")
    print(f"  predict without loading           {count / ours:7.2f} images/s ({ours:.1f} s)")
    print(f"  predict with loading              {count / whole:7.2f} images/s (loading {loaded.wall:.1f} s)")
    print(f"predict / forward pass: {floor / ours:.2f}   target: >= 0.9")
    record(f"predict by {BACKBONE} / forward pass", without, bare.walls)


if __name__ == "__main__":
    main()
