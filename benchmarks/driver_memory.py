"""How the memory of the process that drives `predict` grows with the images, whoever looks at them.

The images are one small picture under many names, and nobody looks at any (a deadline that has come gives
each the prior), so what is measured is what the driver itself keeps: the list of files, the plan, the hashes,
the chunks that are joined, the blend and the tables that it writes. Each count runs in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

LINKS = 50_000  # names of one file: ext4 allows 65,000


def measure(images: int, bundle: str, answer: Connection) -> None:
    """Send the peak of memory, in MB, before and after a run over so many images, and its seconds."""
    from unprompt.runs.config import PredictConfig
    from unprompt.runs.predict import predict

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "images"
        source.mkdir()
        for number in range(images):
            path, first = (source / f"{one:08d}.png" for one in (number, number - number % LINKS))
            if path == first:
                Image.new("RGB", (8, 8), "teal").save(path)
            else:
                os.link(first, path)
        before = peak()
        start = time.monotonic()
        config = PredictConfig(bundle=bundle, deadline=0, from_file="off", report_images=0)
        predict(source, Path(folder) / "RUN", config)
        answer.send((before, peak(), time.monotonic() - start))


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure each count, and say how much each image more costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[100, 10_000, 40_000])
    parser.add_argument("--bundle", default="lite")
    options = parser.parse_args()
    if len(set(options.counts)) < len(options.counts):
        parser.error("two counts are the same, and what an image costs is their difference")
    last: tuple[int, float] | None = None
    for count in options.counts:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(count, options.bundle, sender)
        )
        process.start()
        sender.close()
        before, after, seconds = receiver.recv()
        process.join()
        more = f", {1024 * (after - last[1]) / (count - last[0]):.1f} KB an image more" if last else ""
        print(f"{count:,} images: {before:.0f} MB before, {after:.0f} MB at the peak, {seconds:.0f} s{more}")
        last = (count, after)


if __name__ == "__main__":
    main()
