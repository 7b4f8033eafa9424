"""Writing pairs in any of the layouts that `read_pairs` reads."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from unprompt import __version__
from unprompt.datasets.dataset import TEXT
from unprompt.datasets.pairs import HALVES, PROBLEMS, RECORD, TABLE, Direction, Pairs
from unprompt.errors import ConfigError, InputError, RunError, UnreadableImageError
from unprompt.networks.devices import core_count
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage import resumable as folders
from unprompt.storage.files import (
    check_file_names,
    read_json,
    write_json,
    write_loose,
    write_problems,
    write_table,
)
from unprompt.storage.images import (
    ImageFile,
    decode_image,
    encode_png,
    half_of,
    image_states,
    open_stored,
    read_encoded,
)
from unprompt.storage.parts import (
    INSTRUCT_COLUMNS,
    PAIR_COLUMNS,
    PairColumns,
    PairPart,
    part_name,
    write_pair_part,
)
from unprompt.text.english import none_readable

Layout = Literal["parts", "instruct", "folders", "aligned"]

PART = 512  # pairs of a part, and between two saves: what a kill can cost
SOURCES, TARGETS = "sources", "targets"
TABLE_HEADER = ("imgId", "source", "target", "caption")
OUTPUTS: dict[Layout, tuple[str, ...]] = {
    "parts": ("part-*.parquet", PROBLEMS),
    "instruct": ("train-*.parquet", PROBLEMS),
    "folders": (SOURCES, TARGETS, TABLE, PROBLEMS),
    "aligned": ("*.png", f"*{TEXT}", PROBLEMS),  # no other images or texts may lie in such a folder
}
PNG = ".png"
# Formats whose files are taken as they are; an image of another becomes a PNG.
EXTENSION_BY_FORMAT = {
    "PNG": PNG,
    "JPEG": ".jpg",
    "MPO": ".jpg",  # a JPEG with further pictures behind the first, as cameras write it
    "WEBP": ".webp",
    "BMP": ".bmp",
    "GIF": ".gif",
    "TIFF": ".tif",
}


@dataclass(frozen=True)
class WrittenPairs:
    """What `write_pairs` left in `out`: so many pairs, and those that it left out, with what is wrong."""

    out: Path
    pairs: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Encoded:
    """A pair on its way: its source and target as files, or the one file that shows both.

    `files`: bytes and the extension of each.
    """

    image_id: str
    files: tuple[tuple[bytes, str], ...]
    caption: str | None

    def named(self, number: int) -> tuple[bytes, str]:
        """The bytes of a file and what it is called."""
        content, extension = self.files[number]
        return content, self.image_id + extension


def write_pairs(
    pairs: Pairs,
    out: Path,
    layout: Layout = "parts",
    *,
    direction: Direction = "AtoB",
    part: int = PART,
    overwrite: bool = False,
    progress: Progress = silent,
) -> WrittenPairs:
    """Write pairs into the folder `out`, in the order in which they are; pairs.json is written last.

    Images are taken as they are, byte by byte, but for halves of aligned ones; the aligned layout is PNG.
    `direction`: of the aligned layout, where AtoB has the sources on the left. Its captions stand in a .txt
    beside each image, without white space around them. `part`: pairs of a parquet file and between two saves.

    A pair with an image that cannot be decoded is left out and told in problems.csv. Killed at any moment and
    called again with the same arguments, it goes on and ends with the same bytes.

    Raises InputError where the layout cannot hold the pairs and where no pair can be read, RunError for a
    folder that is finished, belongs to something else or holds another layout, and for a full disk.
    """
    if layout not in OUTPUTS:
        raise ConfigError(f"layout must be one of {', '.join(OUTPUTS)}, got '{layout}'")
    if direction not in HALVES:
        raise ConfigError(f"direction must be one of {', '.join(HALVES)}, got '{direction}'")
    if part < 1:
        raise ConfigError(f"part must be at least 1, got {part}")
    _check_fit(pairs, layout)
    _check_place(pairs, out, layout)
    kind = folders.FolderKind("set of pairs", RECORD, OUTPUTS[layout])
    settings = {"layout": layout, **({"direction": direction} if layout == "aligned" else {})}
    plan = {"unprompt": __version__, **settings, "part": part, "pairs": _digest(pairs)}
    with folders.open_folder(out, kind, plan, overwrite):
        starts = range(0, len(pairs), part)
        for number, start in enumerate(starts):
            progress("writing pairs", start, len(pairs))
            saved = _saved(out, number)
            if not saved.exists():
                rows = range(start, min(start + part, len(pairs)))
                write_json(saved, _write_block(pairs, rows, out, layout, direction, (number, len(starts))))
        progress("writing pairs", len(pairs), len(pairs))
        blocks = [read_json(_saved(out, number)) for number in range(len(starts))]
        written = [row for block in blocks for row in block["written"]]
        problems = tuple(Problem(*problem) for block in blocks for problem in block["problems"])
        if not written:
            first = problems[0]
            why = f"{first.image_id} ({first.file}: {first.problem})"
            raise InputError(none_readable(len(pairs), "pair", why))
        if layout == "folders":
            _write_table(out, pairs, written)
        if problems:
            write_problems(out / PROBLEMS, problems)
        record = {
            "pairs": len(written),
            "problems": len(problems),
            "captions": pairs.captions is not None,
            **settings,
            "versions": {"unprompt": __version__},
        }
        folders.finish(out, kind, record)
    return WrittenPairs(out, len(written), problems)


def _check_fit(pairs: Pairs, layout: Layout) -> None:
    """Raise InputError where a layout cannot hold the pairs."""
    if not len(pairs):
        raise InputError("there are no pairs to write")
    if layout == "instruct" and pairs.captions is None:
        raise InputError(
            f"the pairs have no captions, and the layout instruct has them as {INSTRUCT_COLUMNS.caption}; "
            "write another layout"
        )
    if layout in ("folders", "aligned"):
        check_file_names(pairs.ids)


def _check_place(pairs: Pairs, out: Path, layout: Layout) -> None:
    """Raise RunError for a folder of another layout, whose files `overwrite` does not know, and one's own."""
    for path in (out / RECORD, out / folders.WORK / "plan.json"):
        other = read_json(path).get("layout") if path.exists() else None
        if other not in (None, layout):
            raise RunError(f"{out} holds pairs in the layout {other}; name another folder")
    place = out.resolve()
    for folder in {file.path.parent for file in (*pairs.sources, *pairs.targets)}:
        if place in (folder.resolve(), *folder.resolve().parents):
            raise RunError(f"{out} holds the images that are to be written; name another folder")


def _digest(pairs: Pairs) -> str:
    """Changes with the pairs and with the files of their images."""
    states = [image_states(images) for images in (pairs.sources, pairs.targets)]
    return hashlib.sha256(json.dumps([pairs.ids, pairs.captions, states]).encode()).hexdigest()


def _saved(out: Path, number: int) -> Path:
    return out / folders.WORK / f"block-{number:05d}.json"


def _write_block(
    pairs: Pairs, rows: range, out: Path, layout: Layout, direction: Direction, number: tuple[int, int]
) -> dict[str, list[list[str]]]:
    """Write some pairs; which were written, with the names of their files, and what was wrong with others."""
    encoded: list[_Encoded] = []
    problems: list[list[str]] = []
    for found in _encoded(pairs, rows, direction if layout == "aligned" else None):
        if isinstance(found, Problem):
            problems.append([found.image_id, found.file, found.problem])
        else:
            encoded.append(found)
    if layout == "parts":
        _write_part(out / part_name(number[0]), encoded, PAIR_COLUMNS)
    elif layout == "instruct":
        # The name by which the `datasets` library knows the split.
        _write_part(out / f"train-{number[0]:05d}-of-{number[1]:05d}.parquet", encoded, INSTRUCT_COLUMNS)
    else:
        write_loose(file for pair in encoded for file in _loose_files(out, pair))
    names = [[pair.image_id, *(pair.named(n)[1] for n in range(len(pair.files)))] for pair in encoded]
    return {"written": names, "problems": problems}


def _write_part(path: Path, encoded: Sequence[_Encoded], columns: PairColumns) -> None:
    if not encoded:
        return
    captions = tuple(pair.caption for pair in encoded if pair.caption is not None)
    part = PairPart(
        ids=tuple(pair.image_id for pair in encoded),
        sources=tuple(pair.named(0) for pair in encoded),
        targets=tuple(pair.named(1) for pair in encoded),
        captions=captions or None,
    )
    write_pair_part(path, part, columns)


def _loose_files(out: Path, pair: _Encoded) -> Iterator[tuple[Path, bytes]]:
    """The files of a pair: source and target in their folders, or both in one and the caption beside it."""
    if len(pair.files) == 2:
        for number, folder in enumerate((SOURCES, TARGETS)):
            content, name = pair.named(number)
            yield out / folder / name, content
        return
    content, name = pair.named(0)
    yield out / name, content
    if pair.caption and pair.caption.strip():
        yield out / f"{pair.image_id}{TEXT}", pair.caption.strip().encode()


def _write_table(out: Path, pairs: Pairs, written: Sequence[Sequence[str]]) -> None:
    rows = [(image_id, f"{SOURCES}/{source}", f"{TARGETS}/{target}") for image_id, source, target in written]
    captions = pairs.at([image_id for image_id, *_ in rows]).captions
    if captions is None:
        write_table(out / TABLE, TABLE_HEADER[:-1], iter(rows))
    else:
        write_table(
            out / TABLE,
            TABLE_HEADER,
            ((*row, caption) for row, caption in zip(rows, captions, strict=True)),
        )


def _encoded(pairs: Pairs, rows: range, direction: Direction | None) -> Iterator[_Encoded | Problem]:
    """Pairs as files, in order: read by this thread, checked and where they must encoded by all cores.

    `direction`: None for a file each, else how both stand in one.
    """

    def read(file: ImageFile) -> bytes | Problem:
        try:
            return read_encoded(file)
        except UnreadableImageError as error:
            return Problem(file.image_id, file.name, str(error))

    def encode(row: int, contents: tuple[bytes | Problem, bytes | Problem]) -> _Encoded | Problem:
        image_id, images, files = pairs.ids[row], [], []
        for file, content in zip((pairs.sources[row], pairs.targets[row]), contents, strict=True):
            if isinstance(content, Problem):
                return content
            try:
                image = decode_image(content)
                images.append(image if file.half is None else half_of(image, file.half))
            except UnreadableImageError as error:
                return Problem(file.image_id, file.name, str(error))
            if direction is None:
                files.append(_as_file(content, images[-1], file.half is not None))
        if direction is not None:
            left, right = images if direction == "AtoB" else images[::-1]
            files.append((encode_png(_side_by_side(image_id, left, right)), PNG))
        return _Encoded(image_id, tuple(files), None if pairs.captions is None else pairs.captions[row])

    with ThreadPoolExecutor(core_count(), "unprompt-pairs") as pool:
        contents = ((read(pairs.sources[row]), read(pairs.targets[row])) for row in rows)
        yield from pool.map(encode, rows, contents)


def _as_file(content: bytes, image: Image.Image, cut: bool) -> tuple[bytes, str]:
    """The bytes and the extension of an image's file: as it was, or where it was `cut` of one, a new one."""
    with open_stored(io.BytesIO(content)) as opened:
        extension = None if cut else EXTENSION_BY_FORMAT.get(opened.format or "")
    return (content, extension) if extension else (encode_png(image), PNG)


def _side_by_side(image_id: str, left: Image.Image, right: Image.Image) -> Image.Image:
    """Two images of the same size in one. Raises InputError where they are not."""
    if left.size != right.size:
        sizes = " and ".join(f"{image.width} x {image.height}" for image in (left, right))
        raise InputError(
            f"the images of the pair '{image_id}' have different sizes, {sizes}, and cannot stand side by "
            "side; scale one of them or write another layout"
        )
    both = Image.new("RGB", (2 * left.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both
