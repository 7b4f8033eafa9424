"""The parquet parts of a DATASET and of pairs: their columns, and how they are written and read.

A column of images has the layout that the Hugging Face `datasets` library knows as an Image (a struct of
`bytes` and `path`), and the schema carries that library's feature types, so `load_dataset` gives pictures.

Of a part in a store the end, which says what it holds, and the columns that are asked for are fetched, images
one row group at a time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from unprompt.errors import InputError
from unprompt.records import DIM
from unprompt.storage.archives import TAR
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import writing
from unprompt.storage.packages import needed_for
from unprompt.storage.remote import AnyPath, RemotePath, State

if TYPE_CHECKING:
    import polars as pl

    from unprompt.records import FloatArray

PATTERN = "*.parquet"
METADATA = "metadata.parquet"  # of an imagefolder
ID = "imgId"
IMAGE = "image"  # the column of images where a row has one
ROW_GROUP = 64  # rows that are read together where one is asked for
BLOCKS_KEPT = 4  # row groups in memory: readers go through a part in order
GROUPS_KEPT = 2  # the same of parts in stores, which others may have written with many rows in each
ENDS_KEPT = 64  # of parts in stores
Place = TypeVar("Place", bound=AnyPath)
_FETCHING = threading.Lock()  # so that threads which want rows of one group fetch it once


@dataclass(frozen=True, eq=False)
class Part:
    """n rows of a data set.

    `images`: n encoded pictures, and `names` those of their files; None: PNG, named by the ids. `seeds`: what
    makes each again, None where that is not known. `engine` and `settings` (JSON) say with what.
    `embeddings`: (n, 384) float32, of the prompts.
    """

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    images: tuple[bytes, ...]
    seeds: tuple[int | None, ...]
    engine: str
    settings: str
    embeddings: FloatArray
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PairColumns:
    """What the columns of a part of pairs are called."""

    source: str
    target: str
    caption: str


PAIR_COLUMNS = PairColumns("source", "target", "caption")
INSTRUCT_COLUMNS = PairColumns("input_image", "edited_image", "edit_prompt")  # as InstructPix2Pix has them


@dataclass(frozen=True)
class PairPart:
    """n rows of pairs of images.

    `sources`, `targets`: n encoded pictures each, as (bytes, name of the file). `captions`: n texts, or None
    where the pairs have none: then the part has no such column.
    """

    ids: tuple[str, ...]
    sources: tuple[tuple[bytes, str], ...]
    targets: tuple[tuple[bytes, str], ...]
    captions: tuple[str, ...] | None


def part_name(number: int) -> str:
    """0 -> "part-00000.parquet"."""
    return f"part-{number:05d}.parquet"


def write_part(path: Path, part: Part) -> None:
    """Write one part, whole or not at all. The same rows give the same bytes."""
    import pyarrow as pa

    rows = len(part.ids)
    flat = pa.array(np.ascontiguousarray(part.embeddings, dtype=np.float32).reshape(-1))
    columns = {
        ID: pa.array(part.ids, pa.string()),
        "prompt": pa.array(part.prompts, pa.string()),
        IMAGE: _image_column(part.images, part.names or [f"{image_id}.png" for image_id in part.ids]),
        "seed": pa.array(part.seeds, pa.int64()),
        "engine": pa.array([part.engine] * rows, pa.string()),
        "settings": pa.array([part.settings] * rows, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, DIM),
    }
    _write_columns(path, columns, dictionary=["engine", "settings"])


def write_pair_part(path: Path, part: PairPart, columns: PairColumns = PAIR_COLUMNS) -> None:
    """Write one part of pairs, whole or not at all. The same rows give the same bytes."""
    import pyarrow as pa

    table = {ID: pa.array(part.ids, pa.string()), columns.source: _image_column(*_unzip(part.sources))}
    if part.captions is not None:
        table[columns.caption] = pa.array(part.captions, pa.string())
    table[columns.target] = _image_column(*_unzip(part.targets))
    _write_columns(path, table, dictionary=[])


def write_text_part(
    path: Path, ids: Sequence[str], images: Sequence[tuple[bytes, str]], texts: Sequence[str]
) -> None:
    """Write one part of pictures, as (bytes, name of the file), with a text each, whole or not at all."""
    import pyarrow as pa

    table = {
        ID: pa.array(ids, pa.string()),
        IMAGE: _image_column(*_unzip(images)),
        "text": pa.array(texts, pa.string()),
    }
    _write_columns(path, table, dictionary=[])


def _unzip(pictures: Sequence[tuple[bytes, str]]) -> tuple[list[bytes], list[str]]:
    return [content for content, _ in pictures], [name for _, name in pictures]


def _image_column(images: Sequence[bytes], names: Sequence[str]) -> Any:
    """Encoded pictures and the names of their files as a column that the `datasets` library shows."""
    import pyarrow as pa

    fields = [pa.array(images, pa.binary()), pa.array(names, pa.string())]
    return pa.StructArray.from_arrays(fields, names=["bytes", "path"])


def _write_columns(path: Path, columns: Mapping[str, Any], dictionary: list[str]) -> None:
    """Write arrow arrays by name as a part; those of `dictionary` repeat a few values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata({"huggingface": _huggingface_features(columns)})
    compression: dict[str, str] = {}
    for name, column in columns.items():
        # Pictures are compressed already, and embeddings are noise to a compressor.
        if pa.types.is_struct(column.type):
            compression |= {f"{name}.bytes": "none", f"{name}.path": "zstd"}
        elif not pa.types.is_fixed_size_list(column.type):
            compression[name] = "zstd"
    with writing(path) as stream:
        pq.write_table(
            table, stream, row_group_size=ROW_GROUP, use_dictionary=dictionary, compression=compression
        )


def _huggingface_features(columns: Mapping[str, Any]) -> str:
    """The feature types of the `datasets` library, as it stores them in a parquet schema."""
    return json.dumps({"info": {"features": {name: _feature(array.type) for name, array in columns.items()}}})


def _feature(kind: Any) -> dict[str, Any]:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        value = {"dtype": "float32", "_type": "Value"}
        return {"feature": value, "length": kind.list_size, "_type": "List"}
    return {"dtype": str(kind), "_type": "Value"}


def find_parts(folder: Place) -> list[Place]:
    """The parquet files of a folder, by name.

    Hidden ones (half written) do not count, nor an imagefolder's metadata, nor the tables that img2dataset
    writes beside its shards: 00000.parquet beside 00000.tar or 00000/.
    """
    listed = cast("Iterator[Place]", folder.iterdir()) if folder.is_dir() else ()
    there = {path.name: path for path in listed}
    return [
        path
        for name, path in sorted(there.items())
        if fnmatchcase(name, PATTERN)
        and not name.startswith(".")
        and name != METADATA
        and not (path.stem in there and there[path.stem].is_dir())
        and not (f"{path.stem}{TAR}" in there and there[f"{path.stem}{TAR}"].is_file())
    ]


def find_parts_below(folder: Place) -> list[Place]:
    """The parquet files of a folder, or of data/ in it, where Hugging Face's repositories have them."""
    return find_parts(folder) or find_parts(cast("Place", folder / "data"))


def ids_of_rows(parts: Sequence[AnyPath]) -> list[list[str]]:
    """Each part's ids: its column imgId, or, where no part has one, file and number: part-00000-0000001.

    Raises InputError, with the row, for an id that is missing or empty.
    """
    if any(ID in column_types(part) for part in parts):
        return [_read_ids(part) for part in parts]
    return [[f"{part.stem}-{row:07d}" for row in range(count_rows(part))] for part in parts]


def _read_ids(part: AnyPath) -> list[str]:
    ids = [image_id or "" for image_id in read_text_column(part, ID)]
    for row, image_id in enumerate(ids):
        if not image_id:
            raise InputError(f"{part}, row {row}: has no {ID}")
    return ids


def count_rows(path: AnyPath) -> int:
    """How many rows a part has. Raises InputError for a file that is not whole."""
    if isinstance(path, RemotePath):
        return int(_end_of(path).num_rows)

    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def find_image_column(path: AnyPath) -> str:
    """The column of pictures: `image`, or the only one. Raises InputError where it cannot be told.

    A column of plain bytes is taken where there is none of structs, as img2dataset's `jpg`.
    """
    there = column_types(path)
    for holds in (_is_image_struct, _holds_pictures):
        pictures = [name for name, kind in there.items() if holds(kind)]
        if IMAGE not in there and len(pictures) == 1:
            return pictures[0]
    check_image_column(path, IMAGE)
    return IMAGE


def _is_image_struct(kind: pl.DataType) -> bool:
    import polars as pl

    return isinstance(kind, pl.Struct) and "bytes" in {field.name for field in kind.fields}


def _holds_pictures(kind: pl.DataType) -> bool:
    import polars as pl

    return _is_image_struct(kind) or kind == pl.Binary


def read_columns(path: AnyPath, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a part. Raises InputError for a missing column and for a file that is not whole."""
    import polars as pl

    _check_columns(path, columns)
    if isinstance(path, RemotePath):
        with _opened(path) as part:
            frame = pl.from_arrow(part.read(columns=list(columns)))
            assert isinstance(frame, pl.DataFrame)
            return frame
    try:
        return pl.read_parquet(path, columns=list(columns), memory_map=False)
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def read_text_column(path: AnyPath, column: str) -> list[str | None]:
    """A column of a part as texts. Raises InputError as `read_columns`, and where it holds none."""
    import polars as pl

    values = read_columns(path, (column,))[column]
    try:
        return values.cast(pl.String).to_list()
    except damaged_table() as error:
        raise InputError(f"{path}: the column '{column}' holds {values.dtype}, expected text") from error


def _check_columns(path: AnyPath, columns: Sequence[str]) -> Mapping[str, pl.DataType]:
    there = column_types(path)
    missing = [name for name in columns if name not in there]
    if missing:
        raise InputError(f"{path} has no column '{missing[0]}' (it has: {', '.join(there)})")
    return there


def column_types(path: AnyPath) -> Mapping[str, pl.DataType]:
    """The columns of a part and what they hold, in order. Raises InputError for a file that is not whole."""
    import polars as pl

    if isinstance(path, RemotePath):
        nothing = pl.from_arrow(_end_of(path).schema.to_arrow_schema().empty_table())
        assert isinstance(nothing, pl.DataFrame)
        return nothing.schema
    try:
        return pl.read_parquet_schema(path)
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def check_image_column(path: AnyPath, column: str) -> None:
    """Raise InputError where a part has no such column, or where it holds something else than pictures."""
    kind = _check_columns(path, (column,))[column]
    if not _holds_pictures(kind):
        raise InputError(
            f"{path}: the column '{column}' holds {kind}, "
            "expected pictures (bytes, or a struct of bytes and path)"
        )


def read_image_bytes(path: AnyPath, row: int, column: str = IMAGE) -> bytes | None:
    """The encoded picture of one row, or None where the row has none. Raises InputError as `read_columns`."""
    if isinstance(path, RemotePath):
        with _FETCHING:
            end, group = _end_of(path), 0
            while row >= end.row_group(group).num_rows:
                row -= end.row_group(group).num_rows
                group += 1
            return _read_group(path, path.stat(), group, column)[row]
    block = _read_block(path, path.stat().st_mtime_ns, row // ROW_GROUP, column)
    return block[row % ROW_GROUP]


@lru_cache(maxsize=BLOCKS_KEPT)
def _read_block(path: Path, _changed: int, block: int, column: str) -> list[bytes | None]:
    import polars as pl

    try:
        rows = pl.scan_parquet(path).select(column).slice(block * ROW_GROUP, ROW_GROUP).collect()
        pictures = rows[column]
        return (pictures if pictures.dtype == pl.Binary else pictures.struct.field("bytes")).to_list()
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def _end_of(path: RemotePath) -> Any:
    """pyarrow's FileMetaData of a part in a store."""
    return _read_end(path, path.stat())


@lru_cache(maxsize=ENDS_KEPT)
def _read_end(path: RemotePath, _as_it_is: State) -> Any:
    with _opened(path, known=False) as part:
        return part.metadata


@lru_cache(maxsize=GROUPS_KEPT)
def _read_group(path: RemotePath, _as_it_is: State, group: int, column: str) -> list[bytes | None]:
    in_struct = _is_image_struct(column_types(path)[column])
    with _opened(path) as part:
        found = part.read_row_group(group, columns=[f"{column}.bytes" if in_struct else column])[column]
        return [one["bytes"] if in_struct and one else one for one in found.to_pylist()]


@contextmanager
def _opened(path: RemotePath, known: bool = True) -> Iterator[Any]:
    """A part in a store as pyarrow's ParquetFile; `known`: its end has been read."""
    with needed_for("a parquet file in a store", "remote", InputError):
        import pyarrow as pa
        import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:
            yield pq.ParquetFile(stream, metadata=_end_of(path) if known else None)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: AnyPath, error: BaseException) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"{path} cannot be read as parquet ({reason}); copy it anew, "
        "or delete it and render the data set again"
    )
