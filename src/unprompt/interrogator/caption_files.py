"""The command `caption`: image files -> captions, one file after the other, as a table or as texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unprompt import __version__
from unprompt.errors import ConfigError, InputError
from unprompt.networks.captioner import HEADER, Captioner
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.devices import choose_device, core_count
from unprompt.networks.pipeline import open_pipeline
from unprompt.records import Problem
from unprompt.storage.files import write_table, writing
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import TextPlaces, TextWriter, find_pictures, open_texts

LINES = ".jsonl"  # ending of a file with one JSON object a line


@dataclass(frozen=True)
class Captioned:
    """What came of one file: its caption, or, where that is None, why it could not be read."""

    file: ImageFile
    caption: str | None
    problem: str | None


def images_of(sources: Sequence[Path], recursive: bool = False) -> list[ImageFile]:
    """The images of several folders and files, in their order, see `find_pictures`."""
    return [picture.file for picture in find_pictures(sources, recursive)]


@dataclass(frozen=True)
class CaptionResult:
    """What came of a folder. `found`: of each file that was looked at. For the others see TextWriter.

    `images`: all of them, with those `skipped`. `path`: where the captions are, None where only `found` has
    them.
    """

    found: list[Captioned]
    images: int
    path: Path | None
    skipped: int = 0
    resumed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> list[Captioned]:
        """The files that could not be read."""
        return [one for one in self.found if one.caption is None]


def caption(
    sources: Sequence[Path],
    out: Path | None,
    model: Path | None,
    vocabulary: Path | None,
    config: CaptionConfig,
    texts: TextConfig,
    recursive: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    tell: Callable[[Captioned, int], None] = lambda captioned, total: None,
) -> CaptionResult:
    """Caption the images of folders and files: the command `caption`.

    `out`: a table, .csv or .jsonl, which is replaced. `texts`: captions for training, in its place, which go
    on where they were interrupted, and replace what is there where `overwrite` says so. `tell` is called with
    each file when it is done, and the number of all. Raises InputError where none can be read,
    CheckpointError for the model, ConfigError for both of `out` and `texts`, RunError for texts that are
    there already.
    """
    if out is not None and texts.is_wanted:
        raise ConfigError(f"captions go to the table {out}, or beside the pictures; give one of both")
    texts.check_use()
    where = choose_device(device)

    def load() -> Captioner:
        return Captioner.load(where, model, config, vocabulary)

    if texts.is_wanted:
        return _caption_texts(sources, load, model, config, texts, recursive, where, overwrite, tell)
    files = images_of(sources, recursive)
    found: list[Captioned] = []

    def told() -> Iterator[tuple[str, str]]:
        for captioned in caption_files(files, load(), where, core_count()):
            found.append(captioned)
            tell(captioned, len(files))
            if captioned.caption is not None:
                yield captioned.file.image_id, captioned.caption
        _check_some_read(found)

    if out is not None:
        write_captions(out, told())
    else:
        for _ in told():
            pass
    return CaptionResult(found, len(files), out)


def _caption_texts(
    sources: Sequence[Path],
    load: Callable[[], Captioner],
    model: Path | None,
    config: CaptionConfig,
    texts: TextConfig,
    recursive: bool,
    device: str,
    overwrite: bool,
    tell: Callable[[Captioned, int], None],
) -> CaptionResult:
    """Captions for training of all pictures that have none yet."""
    pictures = find_pictures(sources, recursive)
    places = TextPlaces(pictures, texts, overwrite)
    plan = {
        "unprompt": __version__,
        "model": str(model),
        "captions": asdict(config),
        "device": device,
        "images": identify_images([picture.file for picture in pictures]),
    }
    found: list[Captioned] = []
    with open_texts(places, "caption", plan, overwrite) as writer:
        if writer.todo:
            captioner = load()
            writer.start()
            step = captioner.batch
            batch: list[Captioned] = []
            for captioned in caption_files(writer.todo, captioner, device, core_count()):
                batch.append(captioned)
                found.append(captioned)
                if len(batch) == step or len(found) == len(writer.todo):
                    _keep(writer, batch)
                    batch = []
                tell(captioned, len(writer.todo))
        writer.finish()
        if len(writer.problems) == len(pictures):
            _check_some_read(found)
        return CaptionResult(found, len(pictures), writer.path, writer.skipped, writer.resumed, places.notes)


def _keep(writer: TextWriter, batch: Sequence[Captioned]) -> None:
    writer.add(
        [(one.file, one.caption) for one in batch if one.caption is not None],
        [Problem(one.file.image_id, one.file.name, str(one.problem)) for one in batch if one.caption is None],
    )


def _check_some_read(found: Sequence[Captioned]) -> None:
    """Raise InputError where no image could be read."""
    if found and all(one.caption is None for one in found):
        first = found[0]
        raise InputError(
            f"none of {len(found)} images can be read, first: {first.file.name}: {first.problem}"
        )


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
