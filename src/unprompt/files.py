"""The files that stages exchange, each written whole or not at all.

prompts.csv (`imgId,prompt`), problems.csv (`imgId,file,problem`), members/NAME.npz (ids, embeddings) and
JSON records. The submission file has its own module.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import InputError, RunError
from unprompt.records import Embeddings, Problem, Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ".*.part"  # names of files that are being written
PROMPTS_HEADER = ("imgId", "prompt")
PROBLEMS_HEADER = ("imgId", "file", "problem")

# What zipfile, zlib and numpy raise for an .npz whose bytes are wrong, each seen with single bytes flipped.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    SyntaxError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,  # and NotImplementedError
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` for writing and rename it into place when the block ends well.

    A reader never sees half a file: on an error, a kill or a full disk, `path` stays what it was. The data
    reach the disk before the name does, so this also holds for a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"no space left on the disk while writing {path}; free some and run the same command again, "
                "what is done stays done"
            ) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with writing(path) as stream:
        stream.write(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, readable and with a stable order of keys."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError where the file is missing or not one."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object")
    return content


def write_table(path: Path, header: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Write a UTF-8 CSV file with `\\n` line ends, quoting only where needed."""
    with writing(path) as stream:
        for row in chain([header], rows):
            # csv quotes the characters of its line end only; "\r\n" makes it quote a bare "\r" too.
            line = io.StringIO()
            csv.writer(line, lineterminator="\r\n").writerow(row)
            stream.write((line.getvalue()[:-2] + "\n").encode())


def write_prompts(path: Path, prompts: Prompts) -> None:
    """Write a prompts.csv."""
    write_table(path, PROMPTS_HEADER, iter(zip(prompts.ids, prompts.texts, strict=True)))


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write a problems.csv; it has its header even where there was no problem."""
    write_table(path, PROBLEMS_HEADER, ((p.image_id, p.file, p.problem) for p in problems))


def read_prompts(path: Path) -> Prompts:
    """Read a prompts.csv: columns `imgId` and `prompt`, others are passed over.

    A byte-order mark is accepted. Raises InputError, with the line, for a missing file, another header, bad
    UTF-8, a row without its prompt, and an id that stands twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = reader.fieldnames or []
    for column in PROMPTS_HEADER:
        if column not in header:
            raise InputError(
                f"{path} has no column '{column}' (its header is '{','.join(header)}'); "
                "expected a prompts.csv with the header imgId,prompt"
            )
    ids, texts = [], []
    try:
        for row in reader:
            if row["imgId"] is None or row["prompt"] is None:
                raise InputError(
                    f"{path}, line {reader.line_num}: expected imgId,prompt, found too few fields"
                )
            ids.append(row["imgId"].strip())
            texts.append(row["prompt"])
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    if not ids:
        raise InputError(f"{path} has a header but no prompts")
    try:
        return Prompts(tuple(ids), tuple(texts))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays to an .npz that needs no pickle to read. The same arrays give the same bytes."""
    with writing(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read named arrays of an .npz, never unpickling. Raises InputError where that cannot be done."""
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path} is a single array, expected an .npz with {', '.join(names)}")
        with archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise InputError(
                    f"{path} has no array '{missing[0]}' (it has: {', '.join(archive.files) or 'nothing'})"
                )
            return {name: archive[name] for name in names}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except DAMAGED as error:
        raise InputError(f"{path} cannot be read as an .npz file: {error}") from error


def write_embeddings(path: Path, embeddings: Embeddings, **more: NDArray[Any]) -> None:
    """Write members/NAME.npz: `ids` (N,) text and `embeddings` (N, 384) float32, and what the caller adds."""
    write_arrays(path, ids=np.array(embeddings.ids, dtype=np.str_), embeddings=embeddings.vectors, **more)


def read_embeddings(path: Path) -> Embeddings:
    """Read members/NAME.npz. Raises InputError for another kind of file, shape or doubled ids."""
    arrays = read_arrays(path, ("ids", "embeddings"))
    try:
        return Embeddings(tuple(str(image_id) for image_id in arrays["ids"]), arrays["embeddings"])
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
