"""The files that stages exchange, each written whole or not at all.

prompts.csv (`imgId,prompt`), problems.csv (`imgId,file,problem`), members/NAME.npz (ids, embeddings) and
JSON records. The submission file has its own module.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import HeldError, InputError, RunError, counted, shown
from unprompt.records import BLOCK, DIM, AnyEmbeddings, Embeddings, Problem, Prompts
from unprompt.storage.array_headers import check_packed, map_array
from unprompt.storage.damage import DAMAGED_ARRAYS, DAMAGED_JSON
from unprompt.storage.remote import AnyPath
from unprompt.storage.tables import LINES, Table, parse_csv, parse_header, parse_json_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray, Rows

PARTS = ".*.part"  # names of files that are being written
HELD = (errno.EWOULDBLOCK, errno.EACCES)  # what a lock says that another process holds
LONGEST_NAME = 255  # bytes of a file's name, on nearly all file systems
PROMPTS_HEADER = ("imgId", "prompt")
PROBLEMS_HEADER = ("imgId", "file", "problem")


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` for writing and rename it into place when the block ends well.

    A reader never sees half a file: on an error, a kill or a full disk, `path` stays what it was. The data
    reach the disk before the name does, so this also holds for a power cut.
    """
    if path.is_dir():  # told before the writing, which may take long
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(path)
    beside = part_beside(path, f".{os.getpid()}")
    try:
        with full_disk_told(path):
            with beside.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _remove_left_over(path: Path) -> None:
    """Remove what killed processes had begun to write of a file."""
    for part in _parts_in(path.parent):
        owner = part.suffixes[-2][1:] if len(part.suffixes) > 1 else ""
        if owner.isdecimal() and part == part_beside(path, f".{owner}") and not _is_running(int(owner)):
            part.unlink(missing_ok=True)


@lru_cache(maxsize=64)
def _parts_in(folder: Path) -> tuple[Path, ...]:
    """What lay half written in a folder when this process first wrote there."""
    return tuple(folder.glob(PARTS))


def _is_running(process: int) -> bool:
    """Whether there is a process of this number, which may be another one by now."""
    if sys.platform == "win32":
        return True  # where a signal of 0 ends it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def part_beside(path: Path, mark: str = "") -> Path:
    """Where a file lies while it is being written, one of PARTS; a name that would be too long is cut."""
    name = f".{path.name}{mark}.part"
    if len(os.fsencode(name)) > LONGEST_NAME:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]
        name = f".{digest}{mark}.part"
    return path.with_name(name)


@contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """Turn a full disk or quota, met while writing `path`, into a RunError that says what to do."""
    try:
        yield
    except Exception as error:
        if not _tells_of_full_disk(error):
            raise
        raise RunError(
            f"no space left on the disk while writing {path}; free some and run the same command again, "
            "what is done stays done"
        ) from error


def _tells_of_full_disk(error: Exception) -> bool:
    """Whether an error is that of a full disk; polars and safetensors say it in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in str(error) for words in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)))


@contextmanager
def locked(lock: Path, path: Path, instead: str = "name another --out") -> Iterator[None]:
    """Hold the lock file `lock` for the writing of `path`; the system drops it when the process ends.

    On a disk that has no locks, as some of networks, two runs into one folder are the user's own care. Raises
    HeldError where another process holds it; `instead`: what can then be done beside waiting.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks either
        yield
        return
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(stream.fileno()).st_nlink == 0:
                raise BlockingIOError(errno.EWOULDBLOCK, "whoever held it has just finished and removed it")
        except OSError as error:
            if error.errno in HELD:
                raise HeldError(f"another unprompt is writing {path}; wait for it or {instead}") from None
        yield


def hold_shared(path: Path) -> IO[bytes] | None:
    """Say that this process reads a file, as others may, until the stream is closed or given back.

    None on Windows, whose system keeps files that are open.
    """
    try:
        import fcntl
    except ImportError:
        return None
    stream = path.open("rb")
    with suppress(OSError):  # a network's disk may have no locks
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return stream


def remove_unheld(path: Path, held: IO[bytes] | None) -> None:
    """Give back what `hold_shared` gave, and remove the file unless another process holds it."""
    try:
        import fcntl
    except ImportError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return
    if held is None or held.closed:
        return
    with held, suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where another one holds it
        path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with writing(path) as stream:
        stream.write(content)


def write_loose(contents: Iterable[tuple[Path, bytes]]) -> None:
    """Write many files, each whole or not at all, with one wait for the disk for all of them."""
    for path, content in contents:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = part_beside(path)
        with full_disk_told(path):
            beside.write_bytes(content)
            beside.replace(path)
    os.sync()


def files_in(folder: Path) -> list[Path]:
    """The files in a folder that are not hidden, by name; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def check_file_names(ids: Sequence[str]) -> None:
    """Raise InputError, with a count and the first, for ids that cannot be the stems of files."""
    wrong = [name for name in ids if not name or name.startswith(".") or set(name) & set("/\\\0")]
    if wrong:
        raise InputError(f"{counted(len(wrong), 'id')} cannot name a file, first: '{wrong[0]}'")


def check_paths_below(ids: Sequence[str]) -> None:
    """Raise InputError, with a count and the first, for ids that cannot name files in or below a folder."""
    wrong = [name for name in ids if not _is_below(name)]
    if wrong:
        raise InputError(
            f"{counted(len(wrong), 'id')} cannot name a file below a folder, first: '{shown(wrong[0])}'"
        )


def _is_below(name: str) -> bool:
    """Whether no system takes a name for a path out of its folder, by a root, a drive or `..`."""
    if "\0" in name or not PurePosixPath(name).name:
        return False
    return not any(path.anchor or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name)))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, readable and with a stable order of keys."""
    # A name that is not UTF-8 has halves of characters, which JSON writes as \udce9 and reads as they were.
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def read_json(path: AnyPath) -> dict[str, Any]:
    """Read a JSON object. Raises InputError where the file is missing or not one, a pipe or a device."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is no regular file")  # it might never end, or never begin
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except DAMAGED_JSON as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object")
    return content


def write_table(path: Path, header: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Write a UTF-8 CSV file with `\\n` line ends, quoting only where needed."""
    with writing(path) as stream:
        for row in chain([header], rows):
            stream.write(csv_line(row))


def csv_line(row: Sequence[str]) -> bytes:
    """One row of a UTF-8 CSV file with its `\\n`, quoted only where needed."""
    # csv quotes the characters of its line end only; "\r\n" makes it quote a bare "\r" too.
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(row)
    return (line.getvalue()[:-2] + "\n").encode("utf-8", "backslashreplace")


def write_prompts(path: Path, prompts: Prompts) -> None:
    """Write a prompts.csv."""
    write_table(path, PROMPTS_HEADER, iter(zip(prompts.ids, prompts.texts, strict=True)))


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write a problems.csv; it has its header even where there was no problem."""
    write_table(path, PROBLEMS_HEADER, ((p.image_id, p.file, p.problem) for p in problems))


def read_prompts(path: AnyPath) -> Prompts:
    """Read a prompts.csv, or the same as .jsonl: columns `imgId` and `prompt`, others are passed over.

    Raises InputError, with the line, as `read_table`, for an empty id, and for one that stands twice.
    """
    table = read_table(path, PROMPTS_HEADER)
    ids = read_ids(table, path)
    try:
        return Prompts(ids, tuple(row["prompt"] for row in table.rows))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_ids(table: Table, path: AnyPath, column: str = PROMPTS_HEADER[0]) -> tuple[str, ...]:
    """The ids in a column, without spaces around them. Raises InputError, with the line, for an empty one."""
    ids = tuple(row[column].strip() for row in table.rows)
    if not all(ids):
        raise InputError(f"{path}, line {table.lines[ids.index('')]}: has no {column}")
    return ids


def read_table(path: AnyPath, columns: Sequence[str]) -> Table:
    """Read a table of texts that has at least `columns`: JSON lines where the ending says so, else CSV.

    `storage/tables.py` has the grammar. Raises InputError, with the line, for a missing file, bad UTF-8, and
    all that is not as the grammar says.
    """
    parse = parse_json_lines if path.suffix.lower() in LINES else parse_csv
    return parse(read_text(path), path, columns)


def read_header(path: AnyPath) -> tuple[str, ...]:
    """The columns of a CSV file, none where it is empty. Raises InputError as `read_text`."""
    return parse_header(read_text(path), path)


def read_text(path: AnyPath) -> str:
    """Read a UTF-8 text, with or without a byte-order mark. Raises InputError that says where it is not."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts bytes after the mark; the line is found without decoding.
        start = error.start + len(content) - len(error.object)
        line = content.count(b"\n", 0, start) + 1
        raise InputError(f"{path}, line {line}: is not UTF-8 (byte {start}); save it as UTF-8") from error


@dataclass(frozen=True)
class ArrayBlocks:
    """An array (N, …) whose rows come some at a time, in order, so that it is never in memory whole."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Iterable[NDArray[Any]]


def write_arrays(path: Path, **arrays: NDArray[Any] | ArrayBlocks) -> None:
    """Write arrays to an .npz that needs no pickle to read, as `np.savez` does.

    The same arrays give the same bytes, in blocks or not.
    """
    with writing(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(array, ArrayBlocks):
                    _write_blocks(member, array)
                else:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _write_blocks(member: IO[bytes], array: ArrayBlocks) -> None:
    kind = np.lib.format.dtype_to_descr(array.dtype)
    header = {"descr": kind, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(member, header)
    for block in array.blocks:
        member.write(block.astype(array.dtype, copy=False).tobytes())


def read_arrays(path: AnyPath, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read named arrays of an .npz, never unpickling. Raises InputError where that cannot be done."""
    try:
        with path.open("rb") as stream:
            if zipfile.is_zipfile(stream):
                check_packed(path, names)
            stream.seek(0)
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is a single array, expected an .npz with {', '.join(names)}")
            with archive:
                missing = [name for name in names if name not in archive.files]
                if missing:
                    there = ", ".join(archive.files) or "nothing"
                    raise InputError(f"{path} has no array '{missing[0]}' (it has: {there})")
                return {name: archive[name] for name in names}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} cannot be read as an .npz file: {error}") from error


def write_embeddings(path: Path, embeddings: AnyEmbeddings, **more: NDArray[Any]) -> None:
    """Write members/NAME.npz: `ids` (N,) text and `embeddings` (N, 384) float32, and what the caller adds."""
    ids, count = embeddings.ids, len(embeddings)
    kind = np.dtype(f"U{max(map(len, ids), default=0) or 1}")
    id_blocks = (np.array(ids[start : start + BLOCK], dtype=kind) for start in range(0, count, BLOCK))
    vectors = (block.vectors for block in embeddings.blocks())
    write_arrays(
        path,
        ids=ArrayBlocks((count,), kind, id_blocks),
        embeddings=ArrayBlocks((count, DIM), np.dtype(np.float32), vectors),
        **more,
    )


def check_whole(path: Path) -> None:
    """Raise InputError for an .npz of which `read_rows` would give other numbers than were written."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} cannot be read as an .npz file: {error}") from error
    if damaged:
        raise InputError(f"{path} cannot be read as an .npz file: {damaged} is damaged")


def read_rows(path: Path, rows: Rows) -> FloatArray:
    """Some rows of members/NAME.npz, without the others. Raises InputError where that cannot be done."""
    try:
        return np.array(map_array(path, "embeddings")[rows], dtype=np.float32)
    except DAMAGED_ARRAYS as error:
        raise InputError(f"{path} cannot be read as an .npz file: {error}") from error


def read_embeddings(path: AnyPath) -> Embeddings:
    """Read members/NAME.npz. Raises InputError for another kind of file, shape or doubled ids."""
    arrays = read_arrays(path, ("ids", "embeddings"))
    try:
        return Embeddings(tuple(str(image_id) for image_id in arrays["ids"]), arrays["embeddings"])
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
