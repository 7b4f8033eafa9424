"""Prompts from files: prompts.csv or .jsonl, a .txt with one prompt a line, a .parquet; also as an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unprompt.datasets.dataset import read_what_is_there
from unprompt.errors import InputError
from unprompt.generate.prompts import Draft
from unprompt.networks.checkpoints import sha256_of
from unprompt.records import Prompts, check_unique
from unprompt.storage.archives import is_archive
from unprompt.storage.damage import damaged_table
from unprompt.storage.files import PROMPTS_HEADER, read_table, read_text
from unprompt.storage.tables import LINES
from unprompt.text.cleaning import clean_prompt, plain_spaces
from unprompt.text.prompt_syntax import without_syntax

ID, PROMPT = "imgId", "prompt"
EMPTY = "empty"


@dataclass(frozen=True)
class _Row:
    """A prompt as it stands in its file, and the number of its row (of its line in a .txt), from 0.

    `others`: the other columns of a table.
    """

    number: int
    image_id: str
    text: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptTable:
    """N prompts, and the other columns of their table: `others` are N rows of texts by column."""

    prompts: Prompts
    others: tuple[Mapping[str, str], ...]


def read_any_prompts(path: Path, column: str | None = None) -> Prompts:
    """Read the prompts of a .csv, .jsonl, .txt or .parquet file, or of a data set, as they stand there.

    `column` is where the prompts are, if not in `prompt`. Ids come from `imgId`; rows without one are called
    by the file's name and their number. Empty lines are passed over. Raises InputError, with the line where
    there is one, for a missing file, another kind or header, bad UTF-8 and doubled ids.
    """
    return read_prompt_table(path, column).prompts


def read_prompt_table(path: Path, column: str | None = None) -> PromptTable:
    """The same with the other columns of a .csv or .jsonl; those of other kinds are not read."""
    if path.is_dir() or is_archive(path):
        if column is not None:
            raise InputError(f"{path} is a data set: leave out --column")
        prompts = read_what_is_there(path).prompts
        return PromptTable(prompts, ({},) * len(prompts))
    rows = _read_rows(path, column)
    prompts = Prompts(tuple(row.image_id for row in rows), tuple(row.text for row in rows))
    return PromptTable(prompts, tuple(row.others for row in rows))


class FilePrompts:
    """The prompts of a file as an engine: white space made plain, empty ones rejected.

    `clean` takes weights, networks' names and flags out, and cleans as a language model's, for lists that
    were scraped. Draft number n is row n of the file. Raises InputError as `read_any_prompts` does.
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
    tables = dict.fromkeys((".csv", *LINES), _table_rows)
    readers = {**tables, ".txt": _txt_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is not one of {', '.join(readers)}; convert it to one of them")
    if reader is _txt_rows and column is not None:
        raise InputError(f"{path} has no columns: leave out --column, each line is a prompt")
    rows = [
        replace(row, image_id=row.image_id.strip() or f"{path.stem}-{row.number:07d}")
        for row in reader(path, column or PROMPT)
    ]
    if not rows:
        raise InputError(f"{path} has no prompts")
    try:
        check_unique([row.image_id for row in rows], "the prompts")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return rows


def _table_rows(path: Path, column: str) -> Iterator[_Row]:
    for number, row in enumerate(read_table(path, (column,)).rows):
        others = {name: text for name, text in row.items() if name not in PROMPTS_HEADER}
        yield _Row(number, row.get(ID, ""), row[column], others)


def _txt_rows(path: Path, column: str) -> Iterator[_Row]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", read_text(path))):
        if line.strip():
            yield _Row(number, "", line)


def _parquet_rows(path: Path, column: str) -> Iterator[_Row]:
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
    for number, (image_id, text) in enumerate(zip(ids, texts, strict=True)):
        yield _Row(number, image_id or "", text)
