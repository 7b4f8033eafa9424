"""The competition's submission file: embeddings <-> `imgId_eId,val` CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from unprompt.errors import InputError, agreed, counted, part_of
from unprompt.records import DIM, AnyEmbeddings, Embeddings
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import writing

HEADER = ("imgId_eId", "val")
UNIT_TOLERANCE = 1e-3
BYTES_AT_A_TIME = 1 << 22  # of a sample that is read for its ids
_ROW_IDS = "\n".join(f"\0_{element}" for element in range(DIM))  # one image's ids, \0 where its own goes
_FORBIDDEN = re.compile(r'[\x00-\x1f,"\ud800-\udfff]')


def submittable(ids: Sequence[str]) -> list[str]:
    """Those of the ids that can stand in the competition's CSV, which has no quotes."""
    return [image_id for image_id in ids if image_id and not _FORBIDDEN.search(image_id)]


def describe_unsubmittable(ids: Sequence[str], path: Path) -> str:
    """A sentence about ids that could not be written to a submission; "" where there are none."""
    fine = set(submittable(ids))
    bad = [image_id for image_id in ids if image_id not in fine]
    if not bad:
        return ""
    state = f"{path} is of the others" if fine else f"{path} is not written"
    return (
        f"{part_of(len(bad), len(ids), 'image id')} {agreed(len(bad), 'have')} a comma, a quote or a control "
        f"character, which a submission cannot have, first: {bad[0]!r}; {state}"
    )


def check_image_ids(ids: Sequence[str]) -> None:
    """Raise InputError for ids that cannot stand in the competition's unquoted CSV."""
    fine = set(submittable(ids))
    bad = [image_id for image_id in ids if image_id not in fine]
    if bad:
        raise InputError(
            f"{part_of(len(bad), len(ids), 'image id')} {agreed(len(bad), 'hold')} a comma, a quote, a "
            f"control character or bytes that are not UTF-8, first: {bad[0]!r}; rename the file"
        )


def write_submission(path: Path, embeddings: AnyEmbeddings) -> None:
    """Write a submission: 384 rows an image, in the order of `embeddings.ids`.

    Every vector must have unit length within 1e-3, since the rows go out as they are. Values are written
    with as many digits as float32 needs to come back exactly.

    The usual way builds 384 N strings in a Python loop. Here each image's row ids are one `str.replace` in a
    template, and polars splits those of some images and formats the numbers.
    """
    check_image_ids(embeddings.ids)
    with writing(path) as stream:
        stream.write((",".join(HEADER) + "\n").encode())
        for some in embeddings.blocks():
            _check_unit(some)
            row_ids = pl.Series(HEADER[0], [_ROW_IDS.replace("\0", image_id) for image_id in some.ids])
            values = some.vectors.ravel()  # (384 n,)
            frame = pl.DataFrame({HEADER[0]: row_ids.str.split("\n").explode(), HEADER[1]: values})
            frame.write_csv(stream, include_header=False, quote_style="never")


def _check_unit(embeddings: Embeddings) -> None:
    """Raise InputError, with a count and the first, for vectors without unit length."""
    lengths = np.linalg.norm(embeddings.vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(np.abs(lengths - 1) > UNIT_TOLERANCE)
    if bad.size:
        raise InputError(
            f"{part_of(bad.size, len(embeddings), 'embedding')} {agreed(bad.size, 'do')} not have unit "
            f"length, first: {embeddings.ids[bad[0]]} with {lengths[bad[0]]:.4f}"
        )


def read_submission(path: Path) -> Embeddings:
    """Read a submission back, rows in any order.

    Raises InputError for another header, a value that is not a number, a row id without `_0` … `_383`, and
    an image that has not each of its 384 rows exactly once.
    """
    _check_file(path)
    frame = _parse_rows(path, path)
    image_ids, elements = frame["image"], frame["element"]
    if frame[HEADER[1]].null_count():
        row = int(frame[HEADER[1]].is_null().arg_max() or 0)
        raise InputError(f"{path}, line {row + 2}: '{frame[HEADER[0]][row]}' has no value")
    ids = image_ids.unique(maintain_order=True)
    codes = image_ids.cast(pl.Enum(ids)).to_physical().to_numpy()  # (rows,)
    slots = codes.astype(np.int64) * DIM + elements.to_numpy()
    counts = np.bincount(slots, minlength=len(ids) * DIM).reshape(len(ids), DIM)
    wrong = np.flatnonzero((counts != 1).any(axis=1))
    if wrong.size:
        image = wrong[0]
        element = int(np.flatnonzero(counts[image] != 1)[0])
        raise InputError(
            f"{path}: {part_of(wrong.size, len(ids), 'image')} {agreed(wrong.size, 'do')} not have each of "
            f"{DIM} rows once, first: {ids[int(image)]}_{element} stands {counts[image, element]} times"
        )
    vectors = np.empty(len(ids) * DIM, dtype=np.float32)
    vectors[slots] = frame[HEADER[1]].to_numpy()
    try:
        return Embeddings(tuple(ids.to_list()), vectors.reshape(len(ids), DIM))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_submission_ids(path: Path) -> list[str]:
    """The image ids of a (sample) submission, in the order in which they first appear.

    Raises InputError, with the line, for a row id that is none: its image would be missing in what is sent.
    """
    _check_file(path)
    ids: dict[str, None] = {}
    first = 2
    with path.open("rb") as stream:
        header = stream.readline()
        while (rows := _next_rows(stream)) or not ids:
            images = _parse_rows(header + rows, path, first)["image"]
            ids.update(dict.fromkeys(images.unique(maintain_order=True)))
            first += rows.count(b"\n")
    return list(ids)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file")


def _next_rows(stream: IO[bytes]) -> bytes:
    """The next rows of a CSV file, up to a line end that stands in no quotes."""
    rows = stream.read(BYTES_AT_A_TIME) + stream.readline()
    while rows.count(b'"') % 2 and (line := stream.readline()):
        rows += line
    return rows


def _parse_rows(source: bytes | Path, path: Path, first: int = 2) -> pl.DataFrame:
    """Columns imgId_eId, val, image, element of a table with its header; `first`: the line of its first row.

    Raises InputError, with the line, for a malformed row id.
    """
    try:
        frame = pl.read_csv(source, schema_overrides={HEADER[0]: pl.String, HEADER[1]: pl.Float64})
    except damaged_table() as error:
        raise InputError(f"{path} cannot be read as a submission: {str(error).splitlines()[0]}") from error
    if tuple(frame.columns[:2]) != HEADER:
        raise InputError(f"{path} has the header '{','.join(frame.columns)}', expected '{','.join(HEADER)}'")
    frame = frame.select(HEADER)
    if frame.is_empty():
        raise InputError(f"{path} has a header but no rows")
    row_ids = frame[HEADER[0]]
    parts = pl.col(HEADER[0]).str.extract_groups(r"^(?<image>.+)_(?<element>\d{1,3})$")
    frame = (
        frame.with_columns(parts.alias("parts"))
        .unnest("parts")
        .with_columns(pl.col("element").cast(pl.Int64, strict=False).pipe(lambda e: pl.when(e < DIM).then(e)))
    )
    malformed = (frame["element"].is_null() | frame["image"].is_null()).arg_true()
    if len(malformed):
        row = int(malformed[0])
        others = len(malformed) - 1
        more = f", and {counted(others, 'more row')} {agreed(others, 'have')} none" if others else ""
        raise InputError(
            f"{path}, line {row + first}: '{row_ids[row]}' is not an imgId_eId such as 20057f34d_0{more}; "
            "mend or remove the row"
        )
    return frame
