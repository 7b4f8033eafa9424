"""Image files -> captions, one file after the other, and the table of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.networks.captioner import HEADER, Captioner
from unprompt.networks.pipeline import open_pipeline
from unprompt.records import check_unique
from unprompt.storage.files import write_table, writing
from unprompt.storage.images import ImageFile, find_images

LINES = ".jsonl"  # ending of a file with one JSON object a line


@dataclass(frozen=True)
class Captioned:
    """What came of one file: its caption, or, where that is None, why it could not be read."""

    file: ImageFile
    caption: str | None
    problem: str | None


def images_of(sources: Sequence[Path], recursive: bool = False) -> list[ImageFile]:
    """The images of several folders and files, in their order. Raises InputError, for a doubled id too."""
    files = [file for source in sources for file in find_images(source, recursive)]
    check_unique([file.image_id for file in files], "the images")
    return files


def caption_files(
    files: Sequence[ImageFile], captioner: Captioner, device: str, workers: int
) -> Iterator[Captioned]:
    """Caption image files, in their order, each as soon as it and those before it are done."""
    step = captioner.batch
    batches = (files[first : first + step] for first in range(0, len(files), step))
    with open_pipeline(workers, device) as pipeline:
        # One more is under way than can be worked on, so that no worker waits.
        for batch, seen in pipeline.see_in_order(batches, [captioner], workers):
            captions = iter(seen.features.get(captioner.name, ()))
            for file, problem in zip(batch, seen.problems, strict=True):
                yield Captioned(file, None if problem else str(next(captions)), problem)


def write_captions(path: Path, captions: Iterable[tuple[str, str]]) -> None:
    """Write (id, caption) pairs as they come, as CSV `imgId,caption`, or as JSON lines where so named."""
    if path.suffix != LINES:
        write_table(path, HEADER, iter(captions))
        return
    with writing(path) as stream:
        for pair in captions:
            record = dict(zip(HEADER, pair, strict=True))
            stream.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
