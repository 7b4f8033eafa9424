"""The command `caption`: image files -> captions, one file after the other, as a table or as texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unprompt import __version__
from unprompt.errors import ConfigError, InputError
from unprompt.interrogator.prompt_files import CaptionRow, PromptWriter, Table, open_prompts
from unprompt.networks.captioner import HEADER
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import CHECKPOINT
from unprompt.networks.captioners import Captioner, open_captioner
from unprompt.networks.checkpoints import files_of
from unprompt.networks.devices import choose_device, core_count
from unprompt.networks.pipeline import open_pipeline
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import TextPlaces, TextWriter, find_pictures, open_texts
from unprompt.text.english import none_readable

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
    tell: Callable[[Captioned], None] = lambda captioned: None,
    progress: Progress = silent,
) -> CaptionResult:
    """Caption the images of folders and files: the command `caption`.

    `out`: a table, CSV or .jsonl, which is replaced once it is finished. `texts`: captions for training, in
    its place, which replace what is there where `overwrite` says so. Both go on where they were interrupted.
    `tell` is called with each file when it is done, `progress` with files done and in all. Raises InputError
    where none can be read, CheckpointError for the model, ConfigError for both of `out` and `texts`, RunError
    for texts that are there already, and where what was begun was of other images, another model or other
    settings.
    """
    if out is not None and texts.is_wanted:
        raise ConfigError(f"captions go to the table {out}, or beside the pictures; give one of both")
    texts.check_use()
    where = choose_device(device)
    pictures = find_pictures(sources, recursive)
    files = [picture.file for picture in pictures]
    plan = {
        "unprompt": __version__,
        "model": str(model),
        "settings": asdict(config),
        "device": where,
        "images": identify_images(files),
    }

    models = files_of(path for path in (model or CHECKPOINT, vocabulary) if path)

    def captioned(todo: Sequence[ImageFile]) -> Iterator[list[Captioned]]:
        progress("loading models", 0, 0)
        captioner = open_captioner(where, model, config, vocabulary)
        progress("captioning", 0, len(todo))
        batch: list[Captioned] = []
        for number, one in enumerate(caption_files(todo, captioner, where, core_count()), start=1):
            batch.append(one)
            if len(batch) == captioner.batch or number == len(todo):
                yield batch
                batch = []
            progress("captioning", number, len(todo))
            tell(one)

    if texts.is_wanted:
        places = TextPlaces(pictures, texts, overwrite)
        with open_texts(places, "caption", plan, overwrite, models) as writer:
            found = _caption(writer, captioned)
            return CaptionResult(found, len(files), writer.path, writer.skipped, writer.resumed, places.notes)
    if out is not None:
        with open_prompts(Table(out, HEADER), files, plan, overwrite, models, replace_finished=True) as table:
            found = _caption(table, captioned)
            return CaptionResult(found, len(files), out, resumed=table.resumed)
    found = [one for batch in captioned(files) for one in batch]
    _check_some_read(found, len(files))
    return CaptionResult(found, len(files), None)


def _caption(
    writer: TextWriter | PromptWriter, captioned: Callable[[Sequence[ImageFile]], Iterator[list[Captioned]]]
) -> list[Captioned]:
    """Caption what is not done yet, and keep it batch by batch; returns what came of these files."""
    found: list[Captioned] = []
    if writer.todo:
        begun = False
        for batch in captioned(writer.todo):
            if not begun:  # a model that cannot be loaded leaves the place as it was
                writer.start()
                begun = True
            found += batch
            said = [(one.file, one.caption) for one in batch if one.caption is not None]
            problems = [
                Problem(one.file.image_id, one.file.name, str(one.problem))
                for one in batch
                if one.caption is None
            ]
            if isinstance(writer, TextWriter):
                writer.add(said, problems)
            else:
                writer.add([CaptionRow(file, text) for file, text in said], problems)
    writer.finish()
    _check_some_read(found, writer.done)
    return found


def _check_some_read(found: Sequence[Captioned], images: int) -> None:
    """Raise InputError where no image of all could be read."""
    if found and len(found) == images and all(one.caption is None for one in found):
        first = found[0]
        raise InputError(none_readable(len(found), "image", f"{first.file.name}: {first.problem}"))


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
