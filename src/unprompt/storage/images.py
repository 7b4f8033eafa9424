"""The one reader of images: which ones a folder or data set holds, how one becomes RGB, and its PNG.

A folder that cannot be used is an error. A file that cannot be read is not: it raises
UnreadableImageError, which a run turns into a row of problems.csv. A store that cannot be reached is neither:
it raises StoreError, and the run ends until it is called again. What a program hands over in memory, as
bytes, as Pillow's image or as an array, becomes the same RGB as its file would.
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from unprompt.errors import InputError, UnreadableImageError, agreed, counted, part_of
from unprompt.records import check_unique
from unprompt.storage.archives import ids_of_members, is_archive, list_members, read_member
from unprompt.storage.decoders import FORMATS, NO_IMAGE, decoding, open_picture
from unprompt.storage.memory import IMAGES, Part
from unprompt.storage.parts import IMAGE, find_image_column, find_parts_below, ids_of_rows, read_image_bytes
from unprompt.storage.png_chunks import only_pixels
from unprompt.storage.remote import AnyPath, RemotePath, path_below

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import TypeIs

Half = Literal["left", "right"]
Answer = TypeVar("Answer")

EXTENSIONS = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".webp", ".avif"),
        *(".bmp", ".gif", ".tif", ".tiff"),
    }
)
# Modules that teach Pillow more, where they are installed: the package's name, and endings.
PLUG_INS = {
    "pillow_heif": ("pillow-heif", (".heic", ".heif", ".hif")),
    "pillow_jxl": ("pillow-jxl-plugin", (".jxl",)),
}
TEXTS = frozenset({".txt", ".caption"})  # which belong to the image that they stand beside
MOST_FETCHED = 1 << 29  # bytes of one file in a store, which has to be in memory before it is decoded
MAX_PIXELS = 89_478_485  # Pillow's own line between a large picture and a decompression bomb (256 MiB of RGB)
LARGE = 1 << 24  # pixels, 4096 x 4096: more are not always decoded one by one, see `read_file`
ENOUGH = 1024  # pixels of the shorter side that remain where a JPEG is decoded smaller
TILE = 1 << 20  # pixels that are converted at a time
# Bytes a pixel while an image is decoded: Pillow's four, four of what it is converted from, an array's three.
PIXEL_BYTES = 12
CODEC_BYTES = 12  # more of formats whose decoders keep whole pictures of their own
LEAN_FORMATS = frozenset({"PNG", "JPEG", "MPO", "BMP", "TIFF"})
ORIENTATION = 0x0112  # EXIF's tag
PNG_LEVEL = 3  # of 9: a tenth larger than the best, at a third of the time
DATASET_RECORD = "dataset.json"
NOT_IN_FOLDER = "the sample submission lists it, but the folder has no such image"

AnyImage: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image: its id and where it is, or would be where it is `absent`.

    `path` is an image file, whose stem is the id where nothing else says it, or a parquet part that holds the
    image in its row `row`, in the column `column`, or an archive whose image number `row` is at `span`
    (offset and size, as `archives.Member` has them). `half`: of two images side by side in one, which it is.
    """

    image_id: str
    path: AnyPath
    absent: bool = False
    row: int | None = None
    column: str = IMAGE
    half: Half | None = None
    span: tuple[int, int] | None = None

    @property
    def local_path(self) -> Path:
        """`path`, of images that are not looked for in stores."""
        assert isinstance(self.path, Path)
        return self.path

    @property
    def name(self) -> str:
        """What to call it in a message."""
        name = readable(self.path.name)
        if self.row is not None:
            name += f", row {self.row}"
        if self.column != IMAGE:
            name += f", {self.column}"
        return name if self.half is None else f"{name}, {self.half} half"


def readable(name: str) -> str:
    """A file's name as text that UTF-8 can hold: bytes that are not UTF-8 become `\\xe9` and the like."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@cache
def image_endings() -> frozenset[str]:
    """The endings by which files count as images: Pillow's own, and those of plug-ins that are installed."""
    more = (endings for module, (_, endings) in PLUG_INS.items() if find_spec(module))
    return EXTENSIONS.union(*more)


def identify_images(files: Sequence[ImageFile]) -> list[tuple[str, str]]:
    """What tells image files from others in a plan: id and name. What lies in them is `Sources`' affair."""
    return [(file.image_id, file.name) for file in files]


def find_images(
    source: AnyPath, recursive: bool = False, same_stems: bool = False, tell: bool = False
) -> list[ImageFile]:
    """List the images of a folder, a data set or one file, sorted by image id.

    A file counts by its extension, in any case; hidden files do not count. No image is opened here: what
    cannot be read shows when it is. A folder without images but with parquet parts, or with .tar or .zip
    archives that hold some, is a data set, and so is one with dataset.json and images/. A nested folder that
    cannot be entered is left out, with a warning.

    The id is the file's stem. Where several folders have the same stem, it is the path from `source`, without
    its ending: 10_cat/001. Two such files in the same folder, same.png and same.jpg, are an error, since
    their rows could not be told apart; `same_stems`: their ids have the endings. `tell`: warn, once, of files
    of other kinds, of folders that were not entered, and of ids that are more than a stem. Raises InputError
    for a missing or unreadable folder, one without images, a file that is none, and a part that is not whole;
    StoreError where `source` is in a store that cannot be reached.
    """
    files = _list_images(source, recursive, tell)
    if all(file.row is None for file in files):
        files = _identified(files, source, same_stems)
        longer = [file.image_id for file in files if file.image_id != readable(file.path.stem)]
        if longer and tell:
            warnings.warn(
                f"{part_of(len(longer), len(files), 'image')} {agreed(len(longer), 'have')} the name of "
                f"another; ids say folder or ending too, first: {min(longer)}",
                stacklevel=2,
            )
    return sorted(files, key=lambda file: file.image_id)


def find_loose_images(sources: Sequence[Path], recursive: bool = False) -> list[ImageFile]:
    """The images of folders and files as `find_images` lists them, where several may have the same stem.

    Those that do have their path in the folder as their id, with `_` between its parts, then the folder's
    name before it, then a number behind it: all ids differ. Raises InputError as `find_images` does.
    """
    listed: dict[tuple[Path, int | None], tuple[Path, ImageFile]] = {}
    for source in sources:
        for file in _list_images(source, recursive, tell=True):
            folder = source if source.is_dir() else source.parent
            listed.setdefault((file.local_path, file.row), (folder, file))
    files = [file for _, file in listed.values()]
    paths = [
        (file.local_path.relative_to(folder).parts, folder.resolve().name) for folder, file in listed.values()
    ]
    for longer in (
        [readable("_".join(parts)) for parts, _ in paths],
        [readable("_".join((name, *parts))) for parts, name in paths],
    ):
        often = Counter(file.image_id for file in files)
        files = [
            replace(file, image_id=image_id) if often[file.image_id] > 1 and file.row is None else file
            for file, image_id in zip(files, longer, strict=True)
        ]
    taken: set[str] = set()
    for place, file in enumerate(files):
        numbered, number = file.image_id, 1
        while numbered in taken:
            number += 1
            numbered = f"{file.image_id}-{number}"
        taken.add(numbered)
        files[place] = replace(file, image_id=numbered)
    return files


def _list_images(source: AnyPath, recursive: bool, tell: bool) -> list[ImageFile]:
    """The images of a folder, a data set or one file; those of a folder by path, whatever their ids."""
    try:
        if source.is_file():
            if source.suffix == ".parquet":
                return images_in_parts([source])
            if is_archive(source):
                return images_in_archives([source], source)
            _check_is_image(source)
            return [ImageFile(readable(source.stem), source)]
        contents = _walk(source, recursive)
        if not contents.images and (source / DATASET_RECORD).exists() and (source / "images").is_dir():
            contents = _walk(source / "images", recursive)
        parts = [] if contents.images or contents.archives else find_parts_below(source)
    except FileNotFoundError:
        raise InputError(f"{source} does not exist; name a folder of images or one image") from None
    except PermissionError as error:
        raise InputError(f"{error.filename} cannot be read: permission denied") from error
    except NotADirectoryError:
        raise InputError(f"{source} is neither a folder nor a regular file") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from error
    if parts:
        return images_in_parts(parts)
    if not contents.images and contents.archives:
        for sentence in contents.left_out(passed=tell, others=False):
            warnings.warn(f"{source}: {sentence}", stacklevel=3)
        return images_in_archives(contents.archives, source)
    if not contents.images:
        kinds = ", ".join(sorted(ending[1:] for ending in image_endings()))
        found = "; ".join([f"looked for {kinds}", *contents.left_out(passed=True, others=True)])
        raise InputError(f"{source} holds no images ({found})")
    for sentence in contents.left_out(passed=tell, others=tell):
        warnings.warn(f"{source}: {sentence}", stacklevel=3)
    return [ImageFile(readable(path.stem), path) for path in contents.images]


def _check_is_image(path: AnyPath) -> None:
    """Raise InputError for a file that neither its ending nor its first bytes show as an image."""
    if path.suffix.lower() in image_endings():
        return
    try:
        read_size(path)
    except UnreadableImageError as error:
        raise InputError(f"{path}: {error}; name a folder of images or one image") from error


def _identified(files: Sequence[ImageFile], source: AnyPath, same_stems: bool) -> list[ImageFile]:
    """Image files of a folder with their ids, see `find_images`."""
    paths = [file.path for file in files]
    paths_by_stem: dict[str, list[AnyPath]] = defaultdict(list)
    paths_by_place: dict[str, list[AnyPath]] = defaultdict(list)
    for path in paths:
        paths_by_stem[path.stem].append(path)
        paths_by_place[str(path.with_suffix(""))].append(path)
    doubled = sorted(place for place, same in paths_by_place.items() if len(same) > 1)
    if doubled and not same_stems:
        first, second = sorted(paths_by_place[doubled[0]])[:2]
        names = f"{path_below(first, source)} and {path_below(second, source)}"
        raise InputError(
            f"{len(doubled)} image ids in {source} belong to more than one file, first: {names} "
            f"both have the id '{first.stem}'; rename or move one of each"
        )
    ids = []
    for path in paths:
        alone = len(paths_by_place[str(path.with_suffix(""))]) == 1
        if len(paths_by_stem[path.stem]) == 1:
            ids.append(path.stem)
        elif len({same.parent for same in paths_by_stem[path.stem]}) == 1:
            ids.append(path.name)
        else:
            place = path_below(path, source)
            ids.append((place.with_suffix("") if alone else place).as_posix())
    often = Counter(ids)
    if (
        max(often.values()) > 1
    ):  # beside same.png and same.jpg there is a same.png.jpg, whose stem is same.png
        ids = [path_below(path, source).as_posix() for path in paths]
    ids = [readable(image_id) for image_id in ids]
    check_unique(ids, f"the images in {source}")
    return [ImageFile(image_id, path) for image_id, path in zip(ids, paths, strict=True)]


def has_images(folder: AnyPath, recursive: bool = False) -> bool:
    """Whether there are images in this very folder; `recursive`: or in one below it."""
    return bool(_walk(folder, recursive).images)


def find_archives(folder: AnyPath) -> list[AnyPath]:
    """The .tar and .zip files of a folder and those below it, by path; hidden ones do not count."""
    return _walk(folder, recursive=True).archives


def images_in_parts(parts: Sequence[AnyPath]) -> list[ImageFile]:
    """The images in the rows of parquet parts, by id.

    Raises InputError for doubled ids, no rows, and a part without a column of images.
    """
    columns = [find_image_column(part) for part in parts]
    files = [
        ImageFile(image_id, part, row=row, column=column)
        for part, column, ids in zip(parts, columns, ids_of_rows(parts), strict=True)
        for row, image_id in enumerate(ids)
    ]
    check_unique([file.image_id for file in files], f"the parts in {parts[0].parent}")
    if not files:
        raise InputError(f"{parts[0]} holds no rows")
    return sorted(files, key=lambda file: file.image_id)


def images_in_archives(archives: Sequence[AnyPath], source: AnyPath) -> list[ImageFile]:
    """The images in .tar and .zip files, by id; an archive without any is passed over.

    Raises InputError for doubled ids, no images, and an archive that is not whole or is packed otherwise.
    """
    endings = image_endings()
    places = [
        (archive, row, member)
        for archive in archives
        for row, member in enumerate(one for one in list_members(archive) if one.ending in endings)
    ]
    if not places:
        raise InputError(f"{archives[0]} holds no images")
    ids = ids_of_members([(archive, member) for archive, _, member in places], source)
    files = [
        ImageFile(image_id, archive, row=row, span=(member.offset, member.size))
        for image_id, (archive, row, member) in zip(ids, places, strict=True)
    ]
    return sorted(files, key=lambda file: file.image_id)


@dataclass
class _Contents:
    """What a folder holds that is not hidden.

    `images`, `archives`: by path. `others`: how many files of which other ending, archives among them, texts
    beside images not. `passed`: folders that nobody asked to look into. `closed`: those that could not be
    entered, and why.
    """

    images: list[AnyPath] = field(default_factory=list)
    archives: list[AnyPath] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    passed: list[AnyPath] = field(default_factory=list)
    closed: list[tuple[AnyPath, str]] = field(default_factory=list)

    def left_out(self, passed: bool, others: bool) -> list[str]:
        """Sentences about what was left out: folders that cannot be entered, and what is asked for."""
        told = []
        if self.closed:
            path, why = self.closed[0]
            told.append(f"{_were(len(self.closed), 'folder')} left out, first: {readable(str(path))} ({why})")
        if passed and self.passed:
            first = readable(self.passed[0].name)
            were = _were(len(self.passed), "folder")
            told.append(f"{were} not entered, first: {first}; add --recursive to look into them")
        if others and self.others:
            counts = ", ".join(f"{readable(kind)} {count:,}" for kind, count in self.others.most_common())
            left_out = _were(self.others.total(), "file", " of other kinds")
            told.append(f"{left_out} left out: {counts}{_advice(self.others)}")
        return told


def _were(number: int, noun: str, more: str = "") -> str:
    return f"{number:,} {noun}{more} was" if number == 1 else f"{number:,} {noun}s{more} were"


def _is_folder(path: AnyPath) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _advice(others: Counter[str]) -> str:
    """What to install to have images read that were left out."""
    packages = [package for package, endings in PLUG_INS.values() if any(others[one] for one in endings)]
    return f"; to read more of them: pip install {' '.join(packages)}" if packages else ""


def _walk(folder: AnyPath, recursive: bool) -> _Contents:
    """Look through a folder. Raises OSError where it cannot be read itself."""
    contents = _Contents()
    endings = image_endings()
    to_do: list[tuple[AnyPath, frozenset[str]]] = [(folder, frozenset())]  # and the real folders above it
    while to_do:
        here, above = to_do.pop()
        try:
            real = os.path.realpath(here) if isinstance(here, Path) else str(here)
            if real in above:
                contents.closed.append((here, "a link that leads back to a folder above it"))
                continue
            paths = sorted(path for path in here.iterdir() if not path.name.startswith("."))
        except OSError as error:
            if here == folder:
                raise
            contents.closed.append((here, (error.strerror or str(error)).lower()))
            continue
        images = [path for path in paths if path.suffix.lower() in endings]
        contents.images += images
        stems = {path.stem for path in images}
        for path in sorted({*paths} - {*images}):
            ending = path.suffix.lower()
            if not _is_folder(path):
                if ending not in TEXTS or path.stem not in stems:
                    contents.others[ending or "without ending"] += 1
                if is_archive(path):
                    contents.archives.append(path)
            elif recursive:
                to_do.append((path, above | {real}))
            else:
                contents.passed.append(path)
    contents.images.sort()
    contents.archives.sort()
    contents.closed.sort()
    return contents


def read_file(file: ImageFile, reduced: bool = False) -> Image.Image:
    """Decode one image of a run. Raises UnreadableImageError, for an absent one too.

    `reduced`: for whoever looks at a small square of it. A JPEG of more than LARGE pixels may then come at a
    half, a quarter or an eighth of its size, with at least ENOUGH pixels on its shorter side.
    """
    with IMAGES.part() as part:
        return _read_file(file, reduced, part)


@contextmanager
def open_file(file: ImageFile, reduced: bool = False) -> Iterator[Image.Image]:
    """An image as `read_file` gives it, to be done with in the block: threads that each have one open wait
    for each other where their images are large, see `storage.memory`. A block must not open another."""
    with IMAGES.part() as part:
        yield _read_file(file, reduced, part)


def _read_file(file: ImageFile, reduced: bool, part: Part) -> Image.Image:
    if file.absent:
        raise UnreadableImageError(NOT_IN_FOLDER)
    how = _How(reduced=reduced and file.half is None, part=part)
    whole = _read_path(file.path, how) if file.row is None else _decode_bytes(_read_row(file), how)
    return whole if file.half is None else half_of(whole, file.half)


def read_encoded(file: ImageFile) -> bytes:
    """An image file's bytes, not decoded; of a half, those of both. Raises UnreadableImageError."""
    if file.absent:
        raise UnreadableImageError(NOT_IN_FOLDER)
    if file.row is not None:
        return _read_row(file)
    with decoding():
        return _read_bytes(file.path)


@contextmanager
def open_encoded(file: ImageFile) -> Iterator[IO[bytes]]:
    """An image file's bytes as a stream, of which only what is asked for is read; in a store it is all.

    Raises UnreadableImageError, also for what goes wrong inside the block with the file.
    """
    if file.absent:
        raise UnreadableImageError(NOT_IN_FOLDER)
    if file.row is not None or isinstance(file.path, RemotePath):
        yield io.BytesIO(read_encoded(file))
        return
    with _decoding(), file.path.open("rb") as stream:
        yield stream


def _read_row(file: ImageFile) -> bytes:
    """The encoded image in one row of a parquet part, or in an archive."""
    assert file.row is not None
    try:
        if file.span is not None:
            encoded: bytes | None = read_member(file.path, *file.span)
        else:
            encoded = read_image_bytes(file.path, file.row, file.column)
    except (InputError, OSError) as error:
        raise UnreadableImageError(str(error)) from error
    if not encoded:
        raise UnreadableImageError("the row has no image")
    return encoded


def half_of(image: Image.Image, half: Half) -> Image.Image:
    """One of two images of the same size side by side. Raises UnreadableImageError for an odd width."""
    if image.width % 2:
        raise UnreadableImageError(
            f"{image.width} pixels wide, which is odd: two images side by side have the same width"
        )
    left = 0 if half == "left" else image.width // 2
    return image.crop((left, 0, left + image.width // 2, image.height))


def image_states(files: Sequence[ImageFile]) -> list[list[Any]]:
    """What tells images from others, and from what they were before their files changed; JSON can hold it."""
    states = {path: file_state(path) for path in {file.path for file in files}}
    return [
        [
            file.image_id,
            file.path.name,
            file.row,
            *states[file.path],
            *([] if file.column == IMAGE else [file.column]),
            *([] if file.half is None else [file.half]),
        ]
        for file in files
    ]


def file_state(path: AnyPath) -> tuple[int, int | str]:
    """Bytes and time, in nanoseconds, of a file; of one that is gone, what no file has.

    Of one in a store bytes and what tells it from others there, see `remote.State`.
    """
    try:
        if isinstance(path, RemotePath):
            return path.state().st_size, path.state().mark
        state = path.stat()
    except OSError:
        return -1, -1
    return state.st_size, state.st_mtime_ns


def read_image(path: AnyPath, alpha: bool = False) -> Image.Image:
    """Decode an image file to RGB as a viewer would show it; `alpha`: to RGBA where it has transparency.

    First frame of an animation, EXIF orientation applied, alpha laid over white, palettes and CMYK
    converted, 16-bit and float greys scaled to 8 bits. Raises UnreadableImageError whose text is what
    problems.csv says: empty, truncated, not an image, too large, no permission, a folder.
    """
    return _read_path(path, _How(alpha=alpha))


def _read_path(path: AnyPath, how: _How) -> Image.Image:
    if isinstance(path, RemotePath):
        return _decode_bytes(_read_bytes(path), how)
    with _decoding():
        if path.is_dir():
            raise UnreadableImageError("a folder, not an image")
        if path.stat().st_size == 0:
            raise UnreadableImageError("the file is empty")
        return _decode(path, how)


def _read_bytes(path: AnyPath) -> bytes:
    """A file's bytes. Raises UnreadableImageError for one in a store that is too large to be fetched."""
    if isinstance(path, RemotePath) and path.known_size > MOST_FETCHED:
        raise UnreadableImageError(f"a file of {path.known_size:,} bytes, the limit is {MOST_FETCHED:,}")
    return path.read_bytes()


def read_size(path: AnyPath) -> tuple[int, int]:
    """Width and height that an image file says it has; nothing is decoded. Raises UnreadableImageError."""
    with _decoding():
        source = io.BytesIO(_read_bytes(path)) if isinstance(path, RemotePath) else path
        return _of_opened(source, FORMATS, lambda image: image.size)


def decode_image(
    content: bytes,
    formats: tuple[str, ...] = FORMATS,
    unknown: str = NO_IMAGE,
    most: int = MAX_PIXELS,
    alpha: bool = False,
    part: Part | None = None,
) -> Image.Image:
    """Decode an image file's bytes to RGB as `read_image` does.

    `formats`: those of FORMATS that are taken. `unknown`: what to say of others. `most`: pixels, counted
    before they are decoded. `part`: of the room for images, which it waits for. Raises UnreadableImageError.
    """
    return _decode_bytes(content, _How(most, alpha, part=part), formats, unknown)


def _decode_bytes(
    content: bytes, how: _How, formats: tuple[str, ...] = FORMATS, unknown: str = NO_IMAGE
) -> Image.Image:
    with _decoding(unknown):
        if not content:
            raise UnreadableImageError("the file is empty")
        return _decode(io.BytesIO(content), how, formats)


@contextmanager
def open_stored(
    stream: IO[bytes], formats: tuple[str, ...] = FORMATS, unknown: str = NO_IMAGE
) -> Iterator[Image.Image]:
    """An image as it is stored, not decoded yet, with what Pillow found beside it in its `info`.

    `formats` and `unknown`: as `decode_image` has them. Raises UnreadableImageError, also for what goes wrong
    inside the block, and for too many pixels.
    """
    with _decoding(unknown), open_picture(stream, formats) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadableImageError(_too_large(f"{image.width} x {image.height}"))
        yield image


def reduced(image: Image.Image, size: int) -> Image.Image:
    """The image with at most `size` pixels on its longer side; one that has no more is given back itself."""
    scale = size / max(image.size)
    if scale >= 1:
        return image
    smaller = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(smaller, Image.Resampling.BICUBIC, reducing_gap=2.0)


def encode_png(image: Image.Image) -> bytes:
    """An image as the bytes of a PNG file, the same for the same pixels."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=PNG_LEVEL)
    return stream.getvalue()


def is_one_image(value: object) -> TypeIs[AnyImage]:
    """Whether a value is to be one AnyImage, and not a list of them: all but sequences of other things."""
    one = isinstance(value, str | os.PathLike | bytes | bytearray | memoryview | Image.Image | np.ndarray)
    return one or not isinstance(value, Sequence)


def image_of(picture: AnyImage, alpha: bool = False) -> Image.Image:
    """A path, a file's bytes, Pillow's image of any mode, or an array -> RGB as `read_image` gives it.

    Arrays are grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4), as uint8, or as floats from 0 to 1. `alpha`: what
    has any transparency keeps it, as RGBA. Raises UnreadableImageError that says what was given and what is
    wrong with it.
    """
    try:
        return _image_of(picture, alpha)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{_called(picture)}: {error}") from error


def images_of_rows(pictures: Sequence[AnyImage], rows: range) -> Iterator[Image.Image]:
    """Some of a list, each as `image_of` gives it when it is asked for; an error names its place too."""
    for row in rows:
        try:
            yield image_of(pictures[row])
        except UnreadableImageError as error:
            raise UnreadableImageError(f"images[{row}], {error}") from error


def _image_of(picture: AnyImage, alpha: bool) -> Image.Image:
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        with _decoding():
            if path.is_dir():
                raise UnreadableImageError("a folder, not an image; name its files in a list")
            if not path.exists():
                raise UnreadableImageError("there is no such file")
        return read_image(path, alpha)
    if isinstance(picture, bytes | bytearray | memoryview):
        return decode_image(bytes(picture), alpha=alpha)
    if isinstance(picture, Image.Image):
        with _decoding():
            return _upright(picture, _How(alpha=alpha))
    if isinstance(picture, np.ndarray):
        return _upright(Image.fromarray(_pixels(picture)), _How(alpha=alpha))
    raise UnreadableImageError(
        "no image; give a path, a file's bytes, Pillow's image or a numpy array, or a list"
    )


def _called(picture: object) -> str:
    """What to call something that was to be an image, in a message."""
    if isinstance(picture, str | os.PathLike):
        return str(picture) or "''"
    if isinstance(picture, bytes | bytearray | memoryview):
        return counted(len(picture), "byte")
    if isinstance(picture, np.ndarray):
        return f"an array of shape {picture.shape} and dtype {picture.dtype}"
    return f"a value of type {type(picture).__name__}"


def _pixels(array: NDArray[Any]) -> NDArray[np.uint8]:
    """An array of an image -> the same as uint8. Raises UnreadableImageError for any other array."""
    colours = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not colours or 0 in array.shape:
        raise UnreadableImageError("one image is (H, W), (H, W, 3) or (H, W, 4); give several as a list")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise UnreadableImageError("numbers are uint8, or floats from 0 to 1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN fails too
        raise UnreadableImageError(f"floats are from 0 to 1, these from {low:.3g} to {high:.3g}")
    levels: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
    return levels


def central_square(image: Image.Image, size: int, crop: float = 1.0) -> NDArray[np.uint8]:
    """The middle of an image at one size: RGB image -> (size, size, 3) uint8.

    `crop`: share of the short side that is seen. One bicubic resampling straight from the source square, so
    that a 20,000 x 10 image costs no more than any.
    """
    side = crop * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    if box == (0, 0, size, size):
        return np.asarray(image)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


@dataclass(frozen=True)
class _How:
    """How an image is decoded.

    `most`: pixels. `alpha`: to RGBA where it has any transparency. `reduced`: as in `read_file`. `part`: of
    the room for images, to be taken before it is decoded.
    """

    most: int = MAX_PIXELS
    alpha: bool = False
    reduced: bool = False
    part: Part | None = None


def _decode(source: Path | io.BytesIO, how: _How, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    return _of_opened(source, formats, lambda image: _upright_file(image, how))


def _of_opened(
    source: Path | io.BytesIO, formats: tuple[str, ...], ask: Callable[[Image.Image], Answer]
) -> Answer:
    """What an opened image answers; a PNG is not refused for its texts or colour profile, as by Pillow."""
    try:
        with open_picture(source, formats) as image:
            return ask(image)
    except (ValueError, SyntaxError, UnidentifiedImageError):  # one is too long, or its checksum wrong
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as stream:
            plain = only_pixels(stream)
        if plain is None:
            raise
    with open_picture(io.BytesIO(plain), formats) as image:
        return ask(image)


def _upright(image: Image.Image, how: _How) -> Image.Image:
    """Somebody's image of any mode -> an image of ours, RGB or RGBA, unless it has too many pixels."""
    _check_pixels(image, how.most)
    image.load()
    made = _to_rgb(image, how.alpha)
    return made.copy() if made is image else made


def _upright_file(image: Image.Image, how: _How) -> Image.Image:
    """The same of a file that is opened and not decoded yet; nothing is copied that need not be."""
    _check_pixels(image, how.most)
    if how.reduced and image.width * image.height > LARGE:
        least = ENOUGH / min(image.size)
        image.draft(None, (ceil(least * image.width), ceil(least * image.height)))
    if how.part:
        lean = image.format in LEAN_FORMATS
        how.part.take(image.width * image.height * (PIXEL_BYTES + (0 if lean else CODEC_BYTES)))
    image.load()
    made = _to_rgb(image, how.alpha)
    if made is not image:
        return made
    # Pixels that are the file itself, mapped into memory, are not left to what becomes of it.
    return image.copy() if image.readonly else image._new(image.im)


def _check_pixels(image: Image.Image, most: int) -> None:
    if image.width * image.height > most:
        raise UnreadableImageError(_too_large(f"{image.width} x {image.height}", most))


def _decoding(unknown: str = NO_IMAGE) -> AbstractContextManager[None]:
    return decoding(unknown, _too_large("over twice as many"))


def _too_large(size: str, most: int = MAX_PIXELS) -> str:
    return f"too large to be decoded safely: {size} pixels, the limit is {most:,}; scale it down"


def _to_rgb(image: Image.Image, alpha: bool) -> Image.Image:
    """Mode by mode to RGB, or RGBA if asked for: the image itself where it is so, else another."""
    upright = _turned(image)
    if upright.mode == "RGB" and "transparency" not in upright.info:
        return upright
    if upright.mode.startswith(("I", "F")):  # 16-bit and 32-bit greys: Pillow would clip them to 255
        return _grey_to_rgb(upright)
    if upright.has_transparency_data:
        return _to_rgba(upright) if alpha else _in_tiles(upright, _over_white)
    return upright.convert("RGB")


def _turned(image: Image.Image) -> Image.Image:
    """The image as its EXIF says it is to be seen, or itself."""
    with suppress(Exception):  # it is decoded by now: what is damaged is its EXIF
        if image.getexif().get(ORIENTATION, 1) in range(2, 9):
            return ImageOps.exif_transpose(image)
    return image


def _to_rgba(image: Image.Image) -> Image.Image:
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def _over_white(image: Image.Image) -> Image.Image:
    rgba = _to_rgba(image)
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _grey_to_rgb(image: Image.Image) -> Image.Image:
    """A grey image of any depth -> RGB."""
    kind = np.asarray(image.crop((0, 0, 1, 1))).dtype
    top = 0.0
    if kind.kind == "f" or kind.itemsize > 2:
        tiles = (_numbers(np.asarray(image.crop(box))) for box in _tiles(image.size))
        top = max(tile.max(initial=0.0) for tile in tiles)
    scale = _full_scale(kind, top)
    return _in_tiles(image, lambda tile: Image.fromarray(_to_8_bits(np.asarray(tile), scale)).convert("RGB"))


def _in_tiles(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """An image whose pixels are converted to RGB each by itself, so that only one tile is there thrice."""
    boxes = list(_tiles(image.size))
    if len(boxes) == 1:
        return convert(image)
    made = Image.new("RGB", image.size)
    for box in boxes:
        made.paste(convert(image.crop(box)), box[:2])
    return made


def _tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of at most TILE pixels that cover an image of this size."""
    width, height = size
    across = min(width, TILE)
    down = max(1, TILE // across)
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)


def _numbers(values: np.ndarray) -> NDArray[np.float64]:
    """Grey values as numbers that can be compared."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=65535.0, neginf=0.0)


def _full_scale(kind: np.dtype[Any], top: float) -> float:
    """What grey values are multiplied by: full scale is 1 for floats up to 1, else 255, else 65535."""
    if kind.kind == "f" and top <= 1:
        return 255.0
    if kind.kind == "f" or kind.itemsize > 2:
        return 1.0 if top <= 255 else 255 / 65535
    return 255 / 65535


def _to_8_bits(values: np.ndarray, scale: float) -> NDArray[np.uint8]:
    """Grey values of any depth -> uint8."""
    return np.clip(np.rint(_numbers(values) * scale), 0, 255).astype(np.uint8)
