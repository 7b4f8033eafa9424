"""The command `caption`: image files -> captions, one file after the other, as a table or as texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from unprompt import __version__
from unprompt.crew.here import Here
from unprompt.crew.hiring import hire
from unprompt.crew.work import Place, Ready
from unprompt.errors import ConfigError, InputError
from unprompt.interrogator.prompt_files import CaptionRow, PromptWriter, Table, open_prompts
from unprompt.networks.captioner import HEADER
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import CHECKPOINT
from unprompt.networks.captioners import Captioner, batch_of, open_captioner
from unprompt.networks.checkpoints import files_of
from unprompt.networks.pipeline import Seen, gather, open_pipeline
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.images import ImageFile, identify_images
from unprompt.storage.remote import AnyPath
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


def images_of(sources: Sequence[AnyPath], recursive: bool = False) -> list[ImageFile]:
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
    sources: Sequence[AnyPath],
    out: Path | None,
    model: Path | None,
    vocabulary: Path | None,
    config: CaptionConfig,
    texts: TextConfig,
    recursive: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    cluster: str | None = None,
    tell: Callable[[Captioned], None] = lambda captioned: None,
    progress: Progress = silent,
) -> CaptionResult:
    """Caption the images of folders and files: the command `caption`.

    `out`: a table, .csv or .jsonl. `texts`: captions for training, in its place. Both replace what is there
    where `overwrite` says so, and go on where they were interrupted. `cluster`: "ray", where others are to
    look at the pictures; the captions are the same. `tell` is called with each file when it is done,
    `progress` with files done and in all. Raises InputError where none can be read, CheckpointError for the
    model, ConfigError for both of `out` and `texts` and for another ending of `out`, RunError for a table or
    texts that are there already, and where what was begun was of other images, another model or other
    settings.
    """
    if out is not None and texts.is_wanted:
        raise ConfigError(f"captions go to the table {out}, or beside the pictures; give one of both")
    texts.check_use()
    table = Table(out, HEADER) if out is not None else None
    pictures = find_pictures(sources, recursive)
    files = [picture.file for picture in pictures]
    with hire(cluster, None, [file.path for file in files]) as crew:
        where = crew.device(device)
        plan = {
            "unprompt": __version__,
            "model": str(model),
            "settings": asdict(config),
            "device": where,
            "images": identify_images(files),
        }
        models = files_of(path for path in (model or CHECKPOINT, vocabulary) if path)
        work = Captioning(partial(open_captioner, where, model, config, vocabulary), where)
        step = batch_of(where, model, config)

        def captioned(todo: Sequence[ImageFile]) -> Iterator[list[Captioned]]:
            progress("loading models", 0, 0)
            done = 0
            batches = _told_when_begun(_batches(todo, step), partial(progress, "captioning", 0, len(todo)))
            with closing(crew.do(work, batches)) as found:
                for _, batch in found:
                    yield batch
                    for one in batch:
                        done += 1
                        progress("captioning", done, len(todo))
                        tell(one)

        if texts.is_wanted:
            places = TextPlaces(pictures, texts, overwrite)
            with open_texts(places, "caption", plan, overwrite, models) as writer:
                some = _caption(writer, captioned)
                return CaptionResult(
                    some, len(files), writer.path, writer.skipped, writer.resumed, places.notes
                )
        if table is not None:
            with open_prompts(table, files, plan, overwrite, models) as rows:
                some = _caption(rows, captioned)
                return CaptionResult(some, len(files), table.path, resumed=rows.resumed)
        some = [one for batch in captioned(files) for one in batch]
    _check_some_read(some, len(files))
    return CaptionResult(some, len(files), None)


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
    work = Captioning(lambda: captioner, device)
    with closing(Here(workers).do(work, _batches(files, captioner.batch))) as found:
        for _, batch in found:
            yield from batch


Batch: TypeAlias = tuple[ImageFile, ...]


def _batches(files: Sequence[ImageFile], step: int) -> Iterator[Batch]:
    """Files that are looked at together."""
    for first in range(0, len(files), step):
        yield tuple(files[first : first + step])


def _told_when_begun(batches: Iterator[Batch], tell: Callable[[], None]) -> Iterator[Batch]:
    """The same, and `tell` is called when the first is asked for."""
    tell()
    yield from batches


@dataclass(frozen=True)
class Captioning:
    """The work: a captioner, which `load` gives, says what is in batches of pictures."""

    load: Callable[[], Captioner]
    device: str

    @property
    def wants_gpu(self) -> bool:
        """Where the captioner is loaded on one."""
        return self.device.startswith("cuda")

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[Batch, list[Captioned]]]:
        """Load the captioner. Raises as `Captioner.load` does."""
        captioner = self.load()
        with open_pipeline(place.cores, self.device) as pipeline:

            def begin(batch: Batch) -> Callable[[], list[Captioned]]:
                return partial(finish, batch, pipeline.submit(batch, [captioner]))

            def finish(batch: Batch, futures: Sequence[Future[Seen]]) -> list[Captioned]:
                seen = gather(futures)
                captions = iter(seen.features.get(captioner.name, ()))
                return [
                    Captioned(file, None if problem else str(next(captions)), problem)
                    for file, problem in zip(batch, seen.problems, strict=True)
                ]

            # One more is under way than can be worked on, so that no worker waits.
            yield Ready(begin, ahead=place.cores)
