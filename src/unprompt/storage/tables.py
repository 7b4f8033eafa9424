"""The one reader of tables of texts that people give: CSV and JSON lines, strict where a text could be lost.

The grammar of a CSV file:

- Text is UTF-8. Lines end in `\\n`, `\\r\\n` or `\\r`. Empty ones are passed over, and so are rows all of
  whose fields are empty and without quotes, as spreadsheets leave them.
- Fields stand between commas, or semicolons, or tabs: whichever gives the header the most columns.
- A field is *quoted* where its first sign, after spaces, is `"`. It goes on to the next single `"`, over line
  ends too; `""` inside is one quote. Only spaces may stand between the closing quote and the next comma.
- Any other field is *plain*: all up to the next comma or line end, backslashes and quotes included.
- Where a column of the header or a quoted field has spaces before it, the file is written with spaces after
  its commas, and they count in no plain field. In other files they are part of the text.
- The first row is the header. Spaces around a column's name do not count, and no name stands twice. A column
  without a name before others (pandas' index) is passed over; behind all others it may hold nothing.
- A row may have fewer fields than the header, but for those of the columns that are asked for. It may have
  more where these are empty (a comma at the end of the line).

A file of JSON lines has an object a line. Texts are taken as they are, numbers as they are written, null as
an empty text; empty lines are passed over.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from unprompt.errors import InputError
from unprompt.storage.damage import DAMAGED_JSON

DELIMITERS = (",", ";", "\t")  # where two give as many columns, the first
LINES = (".jsonl", ".ndjson")  # endings of JSON lines
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_END = {delimiter: re.compile(f"[{delimiter}\r\n]|\\Z") for delimiter in DELIMITERS}
_SPACES_AND_QUOTE = re.compile(' +"')
_SHOWN = 30  # signs of a text that an error shows


@dataclass(frozen=True)
class Table:
    """N rows of texts by column, and the line on which each begins, from 1. All rows have all columns."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    lines: list[int]


def parse_csv(text: str, source: object, columns: Sequence[str]) -> Table:
    """Parse the text of a CSV file that has at least `columns`, as the module's docstring says.

    Raises InputError, which calls the file `source` and gives the line, for a quote that is not closed (the
    line where it opens), text behind a closing quote, too few or too many fields, a missing or doubled
    column, and a file without rows.
    """
    scanned = _scan(text, source, _delimiter_of(text))
    names = [name.strip() for name in scanned[0].fields] if scanned else []
    _check_columns(names, source, columns)
    there = [(place, name) for place, name in enumerate(names) if name]
    wide = 1 + max((place for place, _ in there), default=-1)  # fields that a row may fill
    needed = 1 + max((names.index(name) for name in columns), default=-1)
    complete = len(there) == wide
    rows, lines = [], []
    for row in scanned[1:]:
        fields = row.fields
        if not (row.quoted or any(fields)):
            continue
        if len(fields) < needed:
            raise InputError(f"{source}, line {row.line}: expected {','.join(columns)}, found too few fields")
        if len(fields) > wide and any(field.strip() for field in fields[wide:]):
            raise InputError(
                f"{source}, line {row.line}: more fields than the header's {wide}; "
                'put text with commas in quotes ("a cat, a dog")'
            )
        if len(fields) < wide:
            fields = fields + [""] * (wide - len(fields))
        if complete:
            rows.append(dict(zip(names, fields)))  # noqa: B905  # surplus ones are empty
        else:
            rows.append({name: fields[place] for place, name in there})
        lines.append(row.line)
    if not rows:
        raise InputError(f"{source} has a header but no rows")
    return Table(tuple(name for _, name in there), rows, lines)


def parse_header(text: str, source: object) -> tuple[str, ...]:
    """The columns that the first row of a CSV text names. Raises InputError where its quotes are wrong."""
    header = next(_Scanner(text, source, _delimiter_of(text)).rows(), None)
    return tuple(filter(None, (name.strip() for name in header.fields))) if header else ()


def _check_columns(names: Sequence[str], source: object, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in names:
            header = _shorten(",".join(names), 3 * _SHOWN)
            raise InputError(
                f"{source} has no column '{column}' (its header is '{header}'); "
                f"expected a table with the header {','.join(columns)}"
            )
    doubled = [name for place, name in enumerate(names) if name and name in names[:place]]
    if doubled:
        raise InputError(f"{source}: the header has the column '{doubled[0]}' twice; rename one")


class _Row(NamedTuple):
    """A row, the line on which it begins, and whether it has quotes, with which an empty one counts too."""

    line: int
    fields: list[str]
    quoted: bool


def _scan_plainly(text: str, delimiter: str) -> list[_Row] | None:
    """The rows as Python's csv reads them, in a third of the time; None where `_Scanner` has to look.

    That is where anything is wrong, where spaces stand before a quote, and where a row is all empty.
    """
    spaces = re.search(f'(?:\\A|[{delimiter}\r\n]) +"', text) is not None  # perhaps within a text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    try:
        for fields in reader:
            if fields:
                if not any(fields) or (spaces and any(map(_SPACES_AND_QUOTE.match, fields))):
                    return None
                rows.append(_Row(line, fields, False))
            line = reader.line_num + 1
    except csv.Error:
        return None
    return None if rows and any(name[:1] == " " for name in rows[0].fields) else rows


def _scan(text: str, source: object, delimiter: str) -> list[_Row]:
    """All rows of a text."""
    if (plain := _scan_plainly(text, delimiter)) is not None:
        return plain
    scanner = _Scanner(text, source, delimiter)
    rows = list(scanner.rows())
    return list(scanner.rows(spaced=True)) if scanner.spaced else rows


class _Scanner:
    """Cuts a CSV text into rows. `spaced`, once it has been through: spaces stand after its commas."""

    def __init__(self, text: str, source: object, delimiter: str) -> None:
        self.spaced = False
        self._text = text
        self._source = source
        self._delimiter = delimiter
        self._plain_end = _PLAIN_END[delimiter]

    def rows(self, spaced: bool = False) -> Iterator[_Row]:
        """The rows, without empty lines; `spaced`: plain fields without the spaces before them."""
        text, delimiter = self._text, self._delimiter
        unix = "\r" not in text
        position, line, header = 0, 1, True
        while position < len(text):
            if unix:
                end = text.find("\n", position)
                end, after = (len(text), len(text)) if end < 0 else (end, end + 1)
            else:
                found = _LINE_END.search(text, position)
                end, after = found.span() if found else (len(text), len(text))
            content, begun = text[position:end], line
            if '"' in content:  # perhaps one that goes on over the end of the line
                fields, position, line = self._scan_quotes(position, line, spaced)
            else:
                fields, position, line = content.split(delimiter), after, line + 1
                if spaced:
                    fields = [field.lstrip(" ") for field in fields]
            if not content:
                continue
            if header:
                self.spaced = self.spaced or any(name[:1] == " " for name in fields[1:])
                header = False
            yield _Row(begun, fields, '"' in content)

    def _scan_quotes(self, position: int, line: int, spaced: bool) -> tuple[list[str], int, int]:
        """The row from `position` on line `line`, and position and line behind it."""
        text, fields = self._text, []
        while True:
            start = _behind_spaces(text, position)
            if text.startswith('"', start):
                self.spaced = self.spaced or start > position
                field, position, line = self._scan_quoted(start, line)
            else:
                end = self._plain_end.search(text, position)
                assert end is not None  # it finds the end of the text
                field, position = text[position : end.start()], end.start()
                field = field.lstrip(" ") if spaced else field
            fields.append(field)
            if text[position : position + 1] == self._delimiter:
                position += 1
                continue
            end = _LINE_END.match(text, position)
            return fields, end.end() if end else position, line + 1

    def _scan_quoted(self, start: int, line: int) -> tuple[str, int, int]:
        """The text in quotes from `start` on line `line`; position and line of what ends the field."""
        text = self._text
        close = _closing_quote(text, start + 1)
        if close < 0:
            raise InputError(
                f"{self._source}, line {line}: a quote opens that is never closed: "
                f"{_shorten(_first_line(text[start:]))}; close it, or write the field without it"
            )
        inside = text[start + 1 : close]
        last = line + len(_LINE_END.findall(inside))
        position = _behind_spaces(text, close + 1)
        if position < len(text) and text[position] not in (self._delimiter, "\r", "\n"):
            opened = _shorten(_first_line(text[start:]))
            behind = _shorten(_first_line(text[close:]))
            over = f" that closes on line {last}" if last > line else ""
            raise InputError(
                f"{self._source}, line {line}: a quote opens{over}, and text is behind it: {opened} closes "
                f"before {behind}; close it where its text ends, and double the quotes inside it"
            )
        return inside.replace('""', '"'), position, last


def _behind_spaces(text: str, position: int) -> int:
    while text.startswith(" ", position):
        position += 1
    return position


def _closing_quote(text: str, position: int) -> int:
    """Where the next quote that is not doubled stands, -1 where none does."""
    while True:
        quote = text.find('"', position)
        if quote < 0 or not text.startswith('"', quote + 1):
            return quote
        position = quote + 2


def _first_line(text: str) -> str:
    return _LINE_END.split(text, maxsplit=1)[0]


def _shorten(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _delimiter_of(text: str) -> str:
    """What stands between the columns of a CSV text: what gives its first row the most fields."""
    counts = {}
    for delimiter in DELIMITERS:
        try:
            header = next(_Scanner(text, "", delimiter).rows(), None)
        except InputError:  # such as "a";"b" read with commas
            continue
        counts[delimiter] = len(header.fields) if header else 0
    return max(counts, key=lambda delimiter: counts[delimiter], default=DELIMITERS[0])


def parse_json_lines(text: str, source: object, columns: Sequence[str]) -> Table:
    """Parse JSON lines whose objects have at least `columns`.

    Raises InputError, which calls the file `source` and gives the line, for what is no object of texts and
    numbers, a missing column, half a character (a lone surrogate), and a file without rows.
    """
    rows: list[dict[str, str]] = []
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        try:
            record = json.loads(line, parse_int=str, parse_float=str)
        except DAMAGED_JSON as error:
            raise InputError(f"{where}: is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise InputError(f"{where}: is no JSON object; expected one a line, {{{_pattern(columns)}}}")
        for column in columns:
            if column not in record:
                raise InputError(
                    f"{where}: has no '{column}' (it has: {', '.join(record)}); "
                    f"expected a line like {{{_pattern(columns)}}}"
                )
            if not isinstance(record[column], str | None):
                raise InputError(f"{where}: '{column}' is no text")
        row = {name: _text_of(value) for name, value in record.items()}
        if "\\u" in line:
            _check_characters(row, where)
        rows.append(row)
        lines.append(number)
    if not rows:
        raise InputError(f"{source} has no rows")
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(names, [{name: row.get(name, "") for name in names} for row in rows], lines)


def _pattern(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}": "…"' for column in columns)


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check_characters(row: dict[str, str], where: str) -> None:
    try:
        "".join([*row, *row.values()]).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: has half a character (\\u{ord(error.object[error.start]):04x}); write the whole one"
        ) from None
