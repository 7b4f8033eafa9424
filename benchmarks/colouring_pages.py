"""Colouring pages: pix2pix beside its bare forward pass, Canny beside scikit-image's bare canny; an A4 page.

All in one run, on the same pictures. The bare sides look at every picture, already decoded and of the right
size, with a thread a core; ours decode, clean, trace and write pages of A4 at 300 dpi as well. Seconds are
wall time, and CPU time where other work on the machine would blur it. Without --weights the generator is the
default network with first weights: as fast as a taught one, but its ink is noise, which takes longest to
clean and trace. Name a generator of `unprompt page train` for the whole cost.
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
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.feature import canny

from timing import Taken, in_turns, record
from unprompt.colouring_pages.data import make_pair
from unprompt.colouring_pages.data_config import PairSettings
from unprompt.colouring_pages.extract import CLASSIC_SIDE, CLASSIC_WIDTH, NETWORK_SIDE, open_extractor
from unprompt.colouring_pages.folder import Settings, make_pages
from unprompt.colouring_pages.generator_files import read_generator, write_generator
from unprompt.colouring_pages.methods import CANNY_HIGH, CANNY_LOW, lightness, resized
from unprompt.colouring_pages.network import Generator
from unprompt.colouring_pages.openmoji import drawings_of
from unprompt.colouring_pages.page import draw_page
from unprompt.colouring_pages.page_config import OutputConfig, PageConfig
from unprompt.networks.cores import torch_on_one_thread, use_one_thread
from unprompt.networks.devices import core_count

SIDE = 512
PHOTOGRAPH = (4000, 3000)
REPEATS = 3
FORMATS = (("svg",), ("png", "svg", "pdf"))


def draw_pictures(folder: Path, count: int) -> list[np.ndarray]:
    """Write pictures of pairs as JPEG files, and return their pixels."""
    settings = PairSettings(count=2 * count, size=SIDE, split="test", pocket=0.3)
    names = drawings_of(settings.split)
    sources = [make_pair(2 * number, settings, names).source for number in range(count)]
    for number, source in enumerate(sources):
        source.save(folder / f"{number:03d}.jpg", quality=92)
    return [np.asarray(source) for source in sources]


def write_photograph(path: Path, picture: np.ndarray) -> None:
    """A grainy JPEG file of 12 megapixels."""
    large = np.asarray(Image.fromarray(picture).resize(PHOTOGRAPH, Image.Resampling.BICUBIC), np.float32)
    grain = np.random.default_rng(0).normal(0, 6, (*large.shape[:2], 1)).astype(np.float32)
    Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(path, quality=92)


def in_workers(look: Callable[[np.ndarray], object], pictures: list[np.ndarray]) -> None:
    """A bare side: every picture looked at, a thread a core."""
    with torch_on_one_thread(), ThreadPoolExecutor(core_count(), initializer=use_one_thread) as pool:
        list(pool.map(look, pictures))


# A process counts as large as what it was forked from: between this one and the command is a small one.
SMALL = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
)


def command(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a command in a process of its own, start-up included."""
    start = time.perf_counter()
    ours = [sys.executable, "-m", "unprompt", *arguments]
    done = subprocess.run([sys.executable, "-c", SMALL, *ours], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, float(done.stdout)


def show(name: str, ours: Taken, peer_name: str, peer: Taken, count: int) -> None:
    """Print one comparison: pages a second of both, and ours as a share of the peer's."""
    print(
        f"{name}: {count / ours.wall:.2f} pages a second; {peer_name}: {count / peer.wall:.2f}; "
        f"{peer.wall / ours.wall:.2f} of its rate ({peer.cpu / ours.cpu:.2f} by CPU seconds)"
    )
    record(f"{name} / {peer_name}", ours.walls, peer.walls)


def main() -> None:
    """Print pages a second of each way, one page at 512 px, and an A4 page of a photograph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--weights", type=Path, help="a generator of `unprompt page train`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        (here / "images").mkdir()
        pictures = draw_pictures(here / "images", options.images)
        weights = options.weights or here / "generator.safetensors"
        if options.weights is None:
            write_generator(weights, Generator())
        methods = {"canny": PageConfig("canny"), "pix2pix": PageConfig("pix2pix", weights=weights)}

        photograph = here / "photograph.jpg"
        write_photograph(photograph, pictures[0])
        for method, page in methods.items():
            given = ["--weights", str(page.weights)] if page.weights else []
            out = ["--out", str(here / "A4"), "--overwrite", "--method", method, *given]
            runs = [command(["page", "make", str(photograph), *out]) for _ in range(REPEATS)]
            seconds, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            print(
                f"A4 at 300 dpi of 12 megapixels by {method}, the whole command: {seconds:.1f} s, "
                f"{memory:.0f} MB (target: 6 s, 1,000 MB)"
            )
            extractor = open_extractor(page)
            draw_page(pictures[0], extractor)
            one = in_turns(*(partial(draw_page, picture, extractor) for picture in pictures[:6]))
            wall = statistics.median(taken.wall for taken in one)
            cpu = statistics.median(taken.cpu for taken in one)
            print(f"a page of {SIDE} px by {method}: {wall:.2f} s, {cpu:.2f} s of CPU (target: 0.25 s)")

        network = read_generator(weights)
        bare = {
            "canny": partial(
                in_workers,
                lambda picture: canny(
                    lightness(picture),
                    CLASSIC_WIDTH["middle"],
                    low_threshold=CANNY_LOW,
                    high_threshold=CANNY_HIGH,
                ),
                [resized(picture, CLASSIC_SIDE) for picture in pictures],
            ),
            "pix2pix": partial(
                in_workers, network.draw, [resized(picture, NETWORK_SIDE["middle"]) for picture in pictures]
            ),
        }
        ways = {
            (method, formats): partial(
                make_pages,
                [here / "images"],
                here / "PAGES",
                Settings(page, OutputConfig(formats)),
                overwrite=True,
            )
            for method, page in methods.items()
            for formats in FORMATS
        }
        taken = in_turns(*bare.values(), *ways.values(), repeats=REPEATS)
        alone = dict(zip(bare, taken, strict=False))
        whole = dict(zip(ways, taken[len(bare) :], strict=True))
        for (method, formats), ours in whole.items():
            peer = "scikit-image's bare canny" if method == "canny" else "the bare forward pass"
            show(f"a folder by {method} as {' '.join(formats)}", ours, peer, alone[method], len(pictures))
        last = FORMATS[-1]
        show("a folder by pix2pix", whole["pix2pix", last], "by canny", whole["canny", last], len(pictures))


if __name__ == "__main__":
    main()
