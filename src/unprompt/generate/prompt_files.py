"""Prompts from files: a prompts.csv, a .txt with one prompt a line, a .parquet; also as an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.datasets.dataset import read_dataset
from unprompt.errors import InputError
from unprompt.generate.prompts import Draft
from unprompt.networks.checkpoints import sha256_of
from unprompt.records import Prompts, check_unique
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import read_table, read_text
from unprompt.text.cleaning import clean_prompt, plain_spaces
from unprompt.text.prompt_syntax import without_syntax

ID, PROMPT = "imgId", "prompt"
EMPTY = "empty"


@dataclass(frozen=True)
class _Row:
    """A prompt as it stands in its file, and the number of its row (of its line in a .txt), from 0."""

    number: int
    image_id: str
    text: str


def read_any_prompts(path: Path, column: str | None = None) -> Prompts:
    """Read the prompts of a .csv, .txt or .parquet file, or of a data set's folder, as they stand there.

    `column` is where the prompts are, if not in `prompt`. Ids come from `imgId`; rows without one are called
    by the file's name and their number. Empty lines of a .txt or .csv are passed over. Raises InputError,
    with the line where there is one, for a missing file, another kind or header, bad UTF-8 and doubled ids.
    """
    if path.is_dir():
        if column is not None:
            raise InputError(f"{path} is a data set's folder: leave out --column")
        return read_dataset(path).prompts
    rows = _read_rows(path, column)
    return Prompts(tuple(row.image_id for row in rows), tuple(row.text for row in rows))


class FilePrompts:
    """The prompts of a file as an engine: white space made plain, empty ones rejected.

    `clean` takes weights, networks' names and flags out, and cleans as a language model's, for lists that
    were scraped. Draft number n is row n of
    the file. Raises InputError as `read_any_prompts` does.
    """

    def __init__(self, path: Path, column: str | None = None, clean: bool = False) -> None:
        self._rows = _read_rows(path, column)
        self._clean = clean
        self._settings = {
            "engine": "file",
            "file": path.name,
            "sha256": sha256_of(path),
            "column": column or PROMPT,
            "clean": clean,
        }

    def settings(self) -> Mapping[str, Any]:
        """The file's name and content, and what is done with it."""
        return self._settings

    def drafts(self, start: int) -> Iterator[Draft]:
        """One draft a row, from row number `start` on."""
        for row in self._rows:
            if row.number < start:
                continue
            text, rejected = plain_spaces(row.text), ""
            if not text:
                rejected = EMPTY
            elif self._clean:
                text, rejected = clean_prompt(without_syntax(text))
            yield Draft(row.number, row.image_id, text, str(self._settings["file"]), None, rejected)


def _read_rows(path: Path, column: str | None) -> list[_Row]:
    readers = {".csv": _csv_rows, ".txt": _txt_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is not one of {', '.join(readers)}; convert it to one of them")
    if reader is _txt_rows and column is not None:
        raise InputError(f"{path} has no columns: leave out --column, each line is a prompt")
    pairs = reader(path, column or PROMPT)
    rows = [
        _Row(number, (image_id or "").strip() or f"{path.stem}-{number:07d}", text)
        for number, image_id, text in pairs
    ]
    if not rows:
        raise InputError(f"{path} has no prompts")
    try:
        check_unique([row.image_id for row in rows], "the prompts")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return rows


_Rows = Iterator[tuple[int, "str | None", str]]  # number, id where there is one, prompt


def _csv_rows(path: Path, column: str) -> _Rows:
    for number, row in enumerate(read_table(path, (column,))):
        yield number, row.get(ID), row[column]


def _txt_rows(path: Path, column: str) -> _Rows:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", read_text(path))):
        if line.strip():
            yield number, None, line


def _parquet_rows(path: Path, column: str) -> _Rows:
    import polars as pl

    try:
        kinds = pl.read_parquet_schema(path)
        if column not in kinds:
            raise InputError(
                f"{path} has no column '{column}' (it has: {', '.join(kinds)}); name one with --column"
            )
        if kinds[column] != pl.String:
            raise InputError(f"{path}: the column '{column}' holds {kinds[column]}, expected text")
        frame = pl.read_parquet(path, columns=[column, *({ID} & {*kinds} - {column})])
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except damaged_table() as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error
    texts = frame[column].fill_null("")
    ids = frame[ID].cast(pl.String) if ID in frame.columns else [None] * len(texts)
    yield from zip(range(len(texts)), ids, texts, strict=True)
