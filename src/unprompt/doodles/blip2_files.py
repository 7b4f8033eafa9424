"""BLIP-2 over files and folders of drawings, into a table that goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt import __version__
from unprompt.doodles.batches import EMPTY
from unprompt.doodles.blip2 import Blip2Captioner
from unprompt.doodles.captioned import is_strokes, sheet_of
from unprompt.doodles.ndjson import read_ndjson
from unprompt.errors import InputError, UnreadableImageError
from unprompt.interrogator.prompt_files import CaptionRow, Table, open_prompts
from unprompt.networks.adapters import find_adapter
from unprompt.networks.captioner import HEADER
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioners import batch_of
from unprompt.networks.checkpoints import files_of
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.records import Problem, check_unique
from unprompt.storage.files import read_table
from unprompt.storage.images import ImageFile, find_images, has_images, identify_images, read_file, readable
from unprompt.text.english import none_readable

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.doodles.drawing import Drawing


@dataclass(frozen=True, eq=False)
class Found:
    """A drawing to be captioned: a picture, or `strokes`.

    `file`: where it is, for strokes with their number in that file as `row`. `problem`: why there is nothing
    to caption, where that is known before a picture is opened.
    """

    file: ImageFile
    strokes: Drawing | None = None
    problem: Problem | None = None

    def sheet(self) -> Image.Image:
        """What a captioner is shown, RGB. Raises UnreadableImageError for a picture that cannot be read."""
        return read_file(self.file) if self.strokes is None else sheet_of(self.strokes)


@dataclass(frozen=True)
class Blip2Captions:
    """`captions` by a drawing's id. `problems`: what could not be captioned. `resumed`: some are older."""

    captions: Mapping[str, str]
    problems: tuple[Problem, ...]
    resumed: bool = False


def find_drawings(paths: Sequence[Path]) -> list[Found]:
    """All drawings of files and folders: strokes, and pictures of drawings, which are not opened yet.

    The id is an ndjson's `key_id`, a picture's file name without its ending. Raises InputError for a path
    that holds none, and for ids that stand twice.
    """
    found: list[Found] = []
    for path in paths:
        files = [path] if path.is_file() and is_strokes(path) else []
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if is_strokes(file))
        for file in files:
            found += _read_strokes(file)
        if not files or (path.is_dir() and has_images(path)):
            found += [Found(file) for file in find_images(path)]
    if not found:
        raise InputError(
            f"no drawings in {', '.join(map(str, paths))} that are not empty; name files of strokes, "
            "pictures of drawings, or a folder of these"
        )
    check_unique([one.file.image_id for one in found if one.problem is None], "the drawings")
    return found


def _read_strokes(path: Path) -> Iterator[Found]:
    """The drawings of a file; last, what is none in it."""
    problems: list[Problem] = []
    row = 0
    for row, doodle in enumerate(read_ndjson(path, problems), 1):
        empty = None if doodle.drawing.strokes else Problem(doodle.key, readable(path.name), EMPTY)
        yield Found(ImageFile(doodle.key, path, row=row), doodle.drawing, empty)
    for after, problem in enumerate(problems, row + 1):
        yield Found(ImageFile(problem.image_id, path, row=after), None, problem)


def caption_files(
    paths: Sequence[Path],
    model: Path,
    out: Path | None = None,
    adapter: Path | None = None,
    config: CaptionConfig | None = None,
    device: str = "auto",
    overwrite: bool = False,
    tell: Callable[[str, str], None] = lambda key, caption: None,
    progress: Progress = silent,
) -> Blip2Captions:
    """Caption the drawings of files and folders by the folder `model`, with the updates `adapter` or without.

    `out`: a table imgId,caption, .csv or .jsonl. Killed and called again with the same arguments, it goes
    on; `out`'s `.problems.csv` has what cannot be captioned. `tell` is called with each id and caption,
    `progress` with drawings done and in all.

    Raises InputError where there are no drawings, or none that can be read; CheckpointError for the model;
    RunError for a table that is there, or was begun with something else, unless `overwrite` replaces it.
    """
    config = config or CaptionConfig()
    found = find_drawings(paths)
    adapter = find_adapter(adapter) if adapter else None
    where = choose_device(device)

    def captioned(done: int) -> Iterator[tuple[list[CaptionRow], list[Problem]]]:
        if done == len(found):
            return
        progress("loading models", 0, 0)
        captioner = Blip2Captioner.load(model, adapter, config, where)
        step = batch_of(where, model, config)
        progress("captioning", done, len(found))
        for first in range(done, len(found), step):
            batch = found[first : first + step]
            rows, problems = _caption(captioner, batch)
            yield rows, problems
            for row in rows:
                tell(row.file.image_id, row.caption)
            progress("captioning", first + len(batch), len(found))

    if out is None:
        some = list(captioned(0))
        captions = {row.file.image_id: row.caption for rows, _ in some for row in rows}
        left_out = tuple(problem for _, problems in some for problem in problems)
        _check_some_read(left_out, len(found))
        return Blip2Captions(captions, left_out)
    files = [one.file for one in found]
    plan = {
        "unprompt": __version__,
        "model": [str(model), str(adapter)],
        "settings": asdict(config),
        "device": where,
        "drawings": identify_images(files),
    }
    models = files_of([model, *([adapter] if adapter else [])])
    with open_prompts(Table(out, HEADER), files, plan, overwrite, models) as table:
        begun = False
        for rows, problems in captioned(table.done):
            if not begun:  # a model that cannot be loaded leaves the place as it was
                table.start()
                begun = True
            table.add(rows, problems)
        table.finish()
        _check_some_read(table.problems, len(found))
        key, text = HEADER
        captions = {row[key]: row[text] for row in read_table(out, HEADER).rows}
        return Blip2Captions(captions, table.problems, table.resumed)


def _caption(captioner: Blip2Captioner, batch: Sequence[Found]) -> tuple[list[CaptionRow], list[Problem]]:
    """The captions of some drawings that are looked at together, and why others have none."""
    files: list[ImageFile] = []
    sheets: list[Image.Image] = []
    problems: list[Problem] = []
    for one in batch:
        if one.problem is not None:
            problems.append(one.problem)
            continue
        try:
            sheets.append(one.sheet())
            files.append(one.file)
        except UnreadableImageError as error:
            problems.append(Problem(one.file.image_id, one.file.name, str(error)))
    said = captioner.caption_pictures(sheets) if sheets else []
    return [CaptionRow(file, text) for file, text in zip(files, said, strict=True)], problems


def _check_some_read(problems: Sequence[Problem], drawings: int) -> None:
    """Raise InputError where all drawings have a problem."""
    if len(problems) == drawings:
        first = problems[0]
        raise InputError(none_readable(drawings, "drawing", f"{first.file}: {first.problem}"))
