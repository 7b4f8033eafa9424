"""The parquet parts of a DATASET: their columns, and how they are written and read.

The `image` column has the layout that the Hugging Face `datasets` library knows as an Image (a struct of
`bytes` and `path`), and the schema carries that library's feature types, so `load_dataset` gives pictures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from unprompt.errors import InputError
from unprompt.records import DIM
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import writing

if TYPE_CHECKING:
    from unprompt.records import FloatArray

PATTERN = "*.parquet"
ROW_GROUP = 64  # rows that are read together where one is asked for
BLOCKS_KEPT = 4  # row groups in memory: readers go through a part in order


@dataclass(frozen=True, eq=False)
class Part:
    """n rows of a data set.

    `images`: n encoded pictures (PNG). `seeds`: what makes each again. `engine` and `settings` (JSON) say
    with what. `embeddings`: (n, 384) float32, of the prompts.
    """

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    images: tuple[bytes, ...]
    seeds: tuple[int, ...]
    engine: str
    settings: str
    embeddings: FloatArray


def part_name(number: int) -> str:
    """0 -> "part-00000.parquet"."""
    return f"part-{number:05d}.parquet"


def write_part(path: Path, part: Part) -> None:
    """Write one part, whole or not at all. The same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = len(part.ids)
    path_in_row = [f"{image_id}.png" for image_id in part.ids]
    image = pa.StructArray.from_arrays(
        [pa.array(part.images, pa.binary()), pa.array(path_in_row, pa.string())], names=["bytes", "path"]
    )
    flat = pa.array(np.ascontiguousarray(part.embeddings, dtype=np.float32).reshape(-1))
    columns = {
        "imgId": pa.array(part.ids, pa.string()),
        "prompt": pa.array(part.prompts, pa.string()),
        "image": image,
        "seed": pa.array(part.seeds, pa.int64()),
        "engine": pa.array([part.engine] * rows, pa.string()),
        "settings": pa.array([part.settings] * rows, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, DIM),
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": _huggingface_features()})
    coded = [name for name in columns if name not in ("image", "embedding")]
    with writing(path) as stream:
        pq.write_table(
            table,
            stream,
            row_group_size=ROW_GROUP,
            use_dictionary=["engine", "settings"],
            # Pictures are compressed already, and embeddings are noise to a compressor.
            compression={**dict.fromkeys(coded, "zstd"), "image.bytes": "none", "image.path": "zstd"},
        )


def _huggingface_features() -> str:
    """The feature types of the `datasets` library, as it stores them in a parquet schema."""
    kinds = {"imgId": "string", "prompt": "string", "seed": "int64", "engine": "string", "settings": "string"}
    features: dict[str, Any] = {name: {"dtype": dtype, "_type": "Value"} for name, dtype in kinds.items()}
    features["image"] = {"_type": "Image"}
    features["embedding"] = {
        "feature": {"dtype": "float32", "_type": "Value"},
        "length": DIM,
        "_type": "List",
    }
    order = ("imgId", "prompt", "image", "seed", "engine", "settings", "embedding")
    return json.dumps({"info": {"features": {name: features[name] for name in order}}})


def find_parts(folder: Path) -> list[Path]:
    """The parquet files of a folder, by name; hidden ones (half written) do not count."""
    return [path for path in sorted(folder.glob(PATTERN)) if not path.name.startswith(".")]


def read_columns(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a part. Raises InputError for a missing column and for a file that is not whole."""
    try:
        there = pl.read_parquet_schema(path)
        missing = [name for name in columns if name not in there]
        if missing:
            raise InputError(f"{path} has no column '{missing[0]}' (it has: {', '.join(there)})")
        return pl.read_parquet(path, columns=list(columns), memory_map=False)
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def read_image_bytes(path: Path, row: int) -> bytes | None:
    """The encoded picture of one row, or None where the row has none. Raises InputError as `read_columns`."""
    block = _read_block(path, path.stat().st_mtime_ns, row // ROW_GROUP)
    return block[row % ROW_GROUP]


@lru_cache(maxsize=BLOCKS_KEPT)
def _read_block(path: Path, _changed: int, block: int) -> list[bytes | None]:
    try:
        rows = pl.scan_parquet(path).select("image").slice(block * ROW_GROUP, ROW_GROUP).collect()
        return rows["image"].struct.field("bytes").to_list()
    except damaged_table() as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"{path} cannot be read as parquet ({reason}); copy it anew, "
        "or delete it and render the data set again"
    )
