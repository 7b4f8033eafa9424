"""A folder of pictures -> a folder of colouring pages: the work of `unprompt page make`."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt import __version__
from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.extract import LineFinder, find_weights, open_extractor
from unprompt.colouring_pages.lettering import letter
from unprompt.colouring_pages.numbers import COLOUR_NAMES
from unprompt.colouring_pages.page import Page, draw_page
from unprompt.colouring_pages.page_config import OutputConfig, PageConfig
from unprompt.colouring_pages.paper import lay_out, make_booklet, print_small
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.colouring_pages.pdf import pdf_bytes, write_pdf
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.cores import keep_ahead, torch_on_one_thread, use_one_thread
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.damage import DAMAGED_ARRAYS
from unprompt.storage.files import check_file_names, write_arrays, write_bytes, write_problems
from unprompt.storage.images import ImageFile, encode_png, find_loose_images, identify_images, open_file
from unprompt.storage.resumable import WORK, FolderKind, finish, open_folder
from unprompt.storage.sources import Sources
from unprompt.text.english import none_readable

if TYPE_CHECKING:
    from unprompt.colouring_pages.sheet import Sheet

RECORD, PROBLEMS = "pages.json", "problems.csv"
BOOKLET, SHEETS = "booklet", "sheets"  # files of several pictures together
SOLUTION = ".solution"  # ends the name of a page by numbers in its colours
KIND = FolderKind(
    noun="folder of pages",
    record=RECORD,
    outputs=("*.png", "*.svg", "*.pdf", PROBLEMS),
)


@dataclass(frozen=True)
class PagesResult:
    """What came of a folder. `blank`: the ids of pictures in which there was nothing to draw.

    `files`: what was written, in order. `numberless`: ids of pages whose lines enclose nothing to number.
    `methods`: how many pages have their lines by which method.
    """

    path: Path
    images: int
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]
    blank: tuple[str, ...]
    numberless: tuple[str, ...]
    methods: Mapping[str, int]
    seconds: float
    resumed: bool


@dataclass(frozen=True)
class _Done:
    """What there is to say of one picture whose files are written."""

    method: str
    blank: bool
    numberless: bool


@dataclass(frozen=True)
class Settings:
    """All settings of a folder of pages."""

    page: PageConfig = field(default_factory=PageConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    paper: PaperConfig = field(default_factory=PaperConfig)
    numbers: NumbersConfig = field(default_factory=NumbersConfig)

    def __post_init__(self) -> None:
        if self.output.numbers and (self.output.booklet or self.paper.on_page > 1):
            raise ConfigError(
                "pages to paint by numbers are one to a sheet, and in no booklet; leave one out"
            )
        if self.output.booklet and self.paper.on_page > 1:
            raise ConfigError("a booklet has one picture on a page; leave out --on-page or --booklet")
        if self.output.numbers and (self.paper.original != "none" or self.paper.page_numbers):
            raise ConfigError(
                "pages to paint by numbers have no small original and no page number; leave out --original "
                "and --page-numbers, or --numbers"
            )

    @property
    def together(self) -> bool:
        """Whether pictures share files."""
        return bool(self.output.booklet) or self.paper.on_page > 1


def make_pages(
    sources: Sequence[Path],
    out: Path,
    settings: Settings | None = None,
    recursive: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PagesResult:
    """Write a colouring page for each image of some folders and files into the folder `out`.

    Files are called by the images' stems: NAME.png, NAME.svg, NAME.pdf. A booklet is booklet.pdf; several
    pictures on a sheet are sheets.pdf, sheets-1.png … Work that was interrupted goes on when called again
    with the same arguments. An image that cannot be read has no page; it is listed in problems.csv.

    Raises InputError for unusable images and where none can be read, ConfigError for settings,
    CheckpointError for weights, RunError for a folder that holds something else.
    """
    began = time.monotonic()
    settings = settings or Settings()
    files = find_loose_images(sources, recursive)
    check_file_names([file.image_id for file in files])
    _check_free(files, settings)
    for text in _texts(settings):  # what the font lacks is an error before any page is drawn
        letter(text, settings.paper.font)
    weights = find_weights(settings.page)
    plan = {
        "unprompt": __version__,
        "settings": _plain(asdict(settings)),
        "weights": sha256_of(weights) if weights else "",
        "images": identify_images(files),
    }
    kept = Sources(files)
    extractor = open_extractor(settings.page)
    with open_folder(out, KIND, plan, overwrite, sources=kept) as resumed:
        work = _Work(out, settings, extractor, kept)
        work.draw(files, progress)
        if len(work.problems) == len(files):
            first = work.problems[0]
            raise InputError(none_readable(len(files), "image", f"{first.file}: {first.problem}"))
        if settings.together:
            work.write_together(files, progress)
        write_problems(out / PROBLEMS, work.problems)
        seconds = time.monotonic() - began
        record = {
            "unprompt": __version__,
            "settings": plan["settings"],
            "images": len(files),
            "unreadable": len(work.problems),
            "blank": work.blank,
            "numberless": work.numberless,
            "methods": dict(work.methods),
            "seconds": round(seconds, 3),
        }
        finish(out, KIND, record)
    return PagesResult(
        out,
        len(files),
        tuple(sorted(path for path in out.iterdir() if path.suffix[1:] in ("png", "svg", "pdf"))),
        tuple(work.problems),
        tuple(work.blank),
        tuple(work.numberless),
        dict(work.methods),
        seconds,
        resumed,
    )


def _check_free(files: Sequence[ImageFile], settings: Settings) -> None:
    """Raise InputError where an image's page would have the name of another file that is written."""
    names = {file.image_id for file in files}
    taken = {BOOKLET} if settings.output.booklet else set()
    if settings.output.numbers:
        taken |= {name + SOLUTION for name in names}
    if clash := sorted(taken & names):
        raise InputError(
            f"the page of the image {clash[0]} would have the name of another file that is written; "
            "rename the image"
        )


def _texts(settings: Settings) -> Iterator[str]:
    """All that is written on the sheets; of numbers, the digits."""
    paper, output = settings.paper, settings.output
    yield paper.title
    yield output.booklet
    if paper.name_line:
        yield paper.name_word
    if output.numbers or output.booklet or paper.page_numbers:
        yield "0123456789"
    if output.numbers and settings.numbers.colour_names:
        yield from (name for name, _ in COLOUR_NAMES)


def _plain(value: Any) -> Any:
    """Settings as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


class _Work:
    """One start of the work on a folder of pages."""

    def __init__(self, out: Path, settings: Settings, extractor: LineFinder, sources: Sources) -> None:
        self.out = out
        self.sources = sources
        self.settings = settings
        self.extractor = extractor
        self.problems: list[Problem] = []
        self.blank: list[str] = []
        self.numberless: list[str] = []
        self.methods: Counter[str] = Counter()

    def draw(self, files: Sequence[ImageFile], progress: Progress) -> None:
        """A page of each picture, in order; those of an earlier start are kept."""
        workers = core_count()
        pages = ThreadPoolExecutor(workers, "unprompt-pages", initializer=use_one_thread)
        with torch_on_one_thread(), pages as pool:

            def begin(numbered: tuple[int, ImageFile]) -> Future[_Done]:
                number, file = numbered
                return pool.submit(self._one, file, self._mark(number))

            try:
                for (number, file), done in keep_ahead(enumerate(files, start=1), begin, 2 * workers):
                    try:
                        found = done.result()
                    except UnreadableImageError as error:
                        self.problems.append(Problem(file.image_id, file.name, str(error)))
                    else:
                        self.methods[found.method] += 1
                        self.blank += [file.image_id] * found.blank
                        self.numberless += [file.image_id] * found.numberless
                    progress("pages", number, len(files))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _mark(self, number: int) -> Path:
        """The file that says that the picture of this number is done."""
        return self.out / WORK / f"{number:07d}.npz"

    def _one(self, file: ImageFile, mark: Path) -> _Done:
        """Write one picture's files, unless they are there."""
        done = _read_mark(mark)
        if done is not None:
            return done
        with open_file(file, reduced=True) as picture:
            page = draw_page(picture, self.extractor, self.settings.page.detail)
        why = ""
        if not self.settings.together or self.settings.output.booklet:
            numbers = self.settings.numbers if self.settings.output.numbers else None
            sheets, why = page.sheets(self.settings.paper, numbers)
            self._write(file.image_id, sheets, ("", SOLUTION)[: len(sheets)])
        found = _Done(page.method, page.is_blank, bool(why))
        _write_mark(mark, found, page if self.settings.together else None, self.settings.paper)
        self.sources.note([file])
        return found

    def _write(self, name: str, sheets: Sequence[Sheet], ends: Sequence[str] = ("",)) -> None:
        """Sheets in all formats: a file each of PNG and SVG, one PDF."""
        dpi, formats = self.settings.paper.dpi, self.settings.output.formats
        for sheet, end in zip(sheets, ends, strict=True):
            if "png" in formats:
                write_bytes(self.out / f"{name}{end}.png", sheet.png(dpi))
            if "svg" in formats:
                write_bytes(self.out / f"{name}{end}.svg", sheet.svg().encode())
        if "pdf" in formats:
            write_bytes(self.out / f"{name}.pdf", pdf_bytes(sheets, dpi, name))

    def write_together(self, files: Sequence[ImageFile], progress: Progress) -> None:
        """The booklet, or the sheets with several pictures on each; without blank pages, unless all are."""
        paper, output = self.settings.paper, self.settings.output
        progress("sheets", 0, 1)
        left_out = {problem.image_id for problem in self.problems}
        if len(left_out) + len(self.blank) < len(files):
            left_out |= {*self.blank}
        marks = [
            self._mark(number) for number, file in enumerate(files, start=1) if file.image_id not in left_out
        ]
        drawings = [_read_drawing(mark) for mark in marks]
        pictures = None if paper.original == "none" else [_read_original(mark) for mark in marks]
        if output.booklet:
            titled = replace(paper, title=output.booklet)
            write_pdf(
                self.out / f"{BOOKLET}.pdf",
                make_booklet(drawings, titled, pictures),
                paper.dpi,
                output.booklet,
            )
        else:
            sheets = list(lay_out(drawings, paper, pictures))
            ends = [f"-{number}" for number in range(1, len(sheets) + 1)]
            self._write(SHEETS, sheets, ends)
        progress("sheets", 1, 1)


# --- what is kept of a page until all are done


def _write_mark(path: Path, found: _Done, page: Page | None, paper: PaperConfig) -> None:
    """Say that a picture's files are written, and keep of its page what is to be printed again."""
    arrays: dict[str, Any] = {name: np.array(value) for name, value in asdict(found).items()}
    if page is not None:
        curves = page.drawing.curves
        arrays["size"] = np.array(page.drawing.size)
        arrays["lengths"] = np.array([len(curve) for curve in curves], np.int64)
        arrays["points"] = np.concatenate([np.zeros((0, 2), np.float32), *curves])
        if paper.original != "none":
            arrays["picture"] = np.frombuffer(encode_png(print_small(page.picture, paper)), np.uint8)
    write_arrays(path, **arrays)


def _read_mark(path: Path) -> _Done | None:
    """What there is to say of a picture whose files are written; None where they are not."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _Done(str(arrays["method"]), bool(arrays["blank"]), bool(arrays["numberless"]))
    except DAMAGED_ARRAYS:
        return None


def _read_drawing(path: Path) -> LineDrawing:
    with np.load(path, allow_pickle=False) as arrays:
        ends = np.cumsum(arrays["lengths"])[:-1]
        curves = np.split(arrays["points"], ends) if len(arrays["lengths"]) else []
        width, height = arrays["size"].tolist()
        return LineDrawing((width, height), tuple(curves))


def _read_original(path: Path) -> Image.Image:
    """The small picture that is printed beside a drawing."""
    with np.load(path, allow_pickle=False) as arrays:
        picture = Image.open(io.BytesIO(arrays["picture"].tobytes()), formats=("PNG",))
        picture.load()
        return picture
