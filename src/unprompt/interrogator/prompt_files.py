"""Where prompts or captions go, as they come: a table of rows. Texts are storage/training_texts.py's.

While the work is under way a hidden folder beside the results keeps the lock, the images that could not be
read, and progress.json, which says how far these and the table count. A table without that folder is whole.
A killed process may have written more than it had saved; when the same work goes on, a table is cut back to
what counts and gets the same bytes again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from unprompt.errors import ConfigError, RunError
from unprompt.records import Problem
from unprompt.storage.damage import OTHER_RECORD
from unprompt.storage.files import (
    csv_line,
    read_json,
    write_json,
    write_problems,
)
from unprompt.storage.images import ImageFile
from unprompt.storage.journal import GrowingFile, Journal
from unprompt.storage.resumable import PROGRESS, fingerprints, hold_work
from unprompt.storage.sources import Sources, describe_change
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import TextWriter

HEADER = ("imgId", "prompt", "caption", "similarity")
LINES = ".jsonl"
NOTED = "problems.jsonl"  # in the hidden folder
TABLES = (".csv", LINES)
NOUN = "table of what images show"  # what is written here
DIGITS = 4  # of a cosine: more than half precision has

Fields: TypeAlias = tuple[str | int | float, ...]


class Row(Protocol):
    """What one image gave; `file`: where it lies, None where that file holds other images too."""

    @property
    def file(self) -> ImageFile | None: ...

    def lines(self) -> Sequence[Fields]:
        """The lines of the table, each by its columns."""


@dataclass(frozen=True)
class PromptRow:
    """What one image gave. `similarity`: CLIP's cosine of image and prompt. No caption is an empty one."""

    file: ImageFile
    prompt: str
    caption: str
    similarity: float

    def lines(self) -> Sequence[Fields]:
        """One, by `HEADER`."""
        return [(self.file.image_id, self.prompt, self.caption, self.similarity)]


@dataclass(frozen=True)
class CaptionRow:
    """The same of a caption alone."""

    file: ImageFile
    caption: str

    def lines(self) -> Sequence[Fields]:
        """One, by `networks.captioner.HEADER`."""
        return [(self.file.image_id, self.caption)]


class Table:
    """One .csv or .jsonl file.

    `header`: the columns of its rows. `digits`: to which numbers in them are rounded. `path` is what to tell
    the user, `work` the hidden folder, `problems` the file for what cannot be read, and `noted` where that is
    kept until the table is whole.
    """

    def __init__(self, path: Path, header: Sequence[str] = HEADER, digits: int = DIGITS) -> None:
        """Nothing is written. Raises ConfigError for a file of another ending, which is no table."""
        if path.suffix.lower() not in TABLES:
            raise ConfigError(f"--out must end in {' or '.join(TABLES)}, got {path}")
        self.path = path
        self.header = header
        self._digits = digits
        self.work = path.with_name(f".{path.name}.work")
        self.problems = path.with_name(f"{path.stem}.problems.csv")
        self.noted = Journal(self.work / NOTED)
        self._file = GrowingFile(path)
        self._has_lines = path.suffix.lower() == LINES
        self._head = b"" if self._has_lines else csv_line(header)
        self._written = hashlib.sha256()

    @property
    def is_whole(self) -> bool:
        """Whether it is there, and no work on it is under way or was killed."""
        return self.path.exists() and not (self.work / PROGRESS).exists()

    @property
    def digest(self) -> str:
        """A hash of what was written so far."""
        return self._written.hexdigest()

    def has(self, size: int, digest: str) -> bool:
        """Whether what was written is still there, and not another file that came in its place.

        That is so many bytes with that `digest`; before the first rows, at most the header.
        """
        if size:
            return self._file.has(size) and hashlib.sha256(self._first(size)).hexdigest() == digest
        return not self.path.exists() or self._head.startswith(self._first(len(self._head) + 1))

    def _first(self, size: int) -> bytes:
        with self.path.open("rb") as stream:
            return stream.read(size)

    def begin(self, size: int) -> None:
        """Get ready to write after the first `size` bytes; 0 starts anew."""
        self._written = hashlib.sha256(self._first(size) if size else self._head)
        self._file.begin(size, self._head)

    def append(self, rows: Sequence[Row]) -> int:
        """Write rows to the disk; returns the size that counts from now on."""
        content = b"".join(self._line(line) for row in rows for line in row.lines())
        self._written.update(content)
        return self._file.append(content)

    def _line(self, line: Fields) -> bytes:
        if self._has_lines:
            values = [round(value, self._digits) if isinstance(value, float) else value for value in line]
            fields = dict(zip(self.header, values, strict=True))
            return (json.dumps(fields, ensure_ascii=False) + "\n").encode()
        return csv_line(
            [f"{value:.{self._digits}f}" if isinstance(value, float) else str(value) for value in line]
        )


def output_for(out: Path | None, texts: TextConfig) -> Table | TextConfig:
    """The table that --out names, or what captions for training are to be written.

    Raises ConfigError where there is neither or both.
    """
    if out is None:
        if not texts.is_wanted:
            raise ConfigError("say where the prompts go: --out prompts.csv, --out FOLDER, or --txt")
        return texts
    if out.is_dir() or (not out.exists() and not out.suffix):
        if texts.txt_folder:
            raise ConfigError(f"--out {out} and --txt-folder {texts.txt_folder} name two folders; give one")
        return replace(texts, txt=True, txt_folder=str(out))
    if out.suffix.lower() not in TABLES:
        raise ConfigError(f"--out must end in {' or '.join(TABLES)}, or be a folder, got {out}")
    if texts.is_wanted:
        raise ConfigError(
            f"--txt writes one file for each image, {out} is a table; give one of both (so with "
            "--metadata-jsonl and --meta-cap)"
        )
    texts.check_use()
    return Table(out)


@dataclass(frozen=True)
class _State:
    """How far the work has come: `done` images, `size` bytes of the table, `noted` bytes of the problems.

    `digest`: the table's, so that no other file in its place is taken for it.
    """

    plan: Mapping[str, str]
    done: int = 0
    size: int = 0
    noted: int = 0
    digest: str = ""


class PromptWriter:
    """Work on a table that can be killed at any time and go on. Nothing is touched before `start`.

    `todo`: the images that have to be looked at yet.
    """

    def __init__(
        self, output: Table, files: Sequence[ImageFile], state: _State, sources: Sources, resumed: bool
    ) -> None:
        self.resumed = resumed
        self.path, self.problems_path = output.path, output.problems
        self.todo = files[state.done :]
        self.skipped = 0
        self._output = output
        self._state = state
        self._problems = [Problem(**problem) for problem in output.noted.read(state.noted)]
        self._sources = sources

    @property
    def done(self) -> int:
        """How many images are finished, those with problems included."""
        return self._state.done

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The images that could not be read."""
        return tuple(self._problems)

    def start(self) -> None:
        """Take the place: what is in it from here on counts as ours."""
        if not self.resumed:
            self._output.problems.unlink(missing_ok=True)
            self._sources.begin(self._output.work)
            _save(self._output, self._state)
        self._output.begin(self._state.size)
        self._output.noted.begin(self._state.noted)

    def add(self, rows: Sequence[Row], problems: Sequence[Problem]) -> None:
        """Keep what the next images gave: a row or a problem for each."""
        self._state = _State(
            plan=self._state.plan,
            done=self._state.done + len(rows) + len(problems),
            size=self._output.append(rows),
            noted=self._output.noted.note(map(asdict, problems)),
            digest=self._output.digest,
        )
        self._problems += problems
        _save(self._output, self._state)
        self._sources.note(row.file for row in rows if row.file is not None)

    def finish(self) -> None:
        """Write the table of problems, where there are some, and forget the progress."""
        if self.problems:
            write_problems(self._output.problems, self.problems)
        (self._output.work / PROGRESS).unlink()


class PromptTexts:
    """The same for captions for training."""

    def __init__(self, writer: TextWriter) -> None:
        self._writer = writer
        self.resumed, self.path, self.problems_path = writer.resumed, writer.path, writer.problems_path
        self.todo: Sequence[ImageFile] = writer.todo
        self.skipped = writer.skipped

    @property
    def done(self) -> int:
        """How many images are finished, those with problems included."""
        return self._writer.done

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The images that could not be read."""
        return self._writer.problems

    def start(self) -> None:
        """Take the place."""
        self._writer.start()

    def add(self, rows: Sequence[PromptRow], problems: Sequence[Problem]) -> None:
        """Keep what the next images gave: a row or a problem for each."""
        self._writer.add([(row.file, row.prompt) for row in rows], problems)

    def finish(self) -> None:
        """Write the tables and the list of problems."""
        self._writer.finish()


@contextmanager
def open_prompts(
    output: Table,
    files: Sequence[ImageFile],
    plan: Mapping[str, Any],
    overwrite: bool,
    models: Iterable[Path] = (),
) -> Iterator[PromptWriter]:
    """Open a table for the work that `plan` describes, going on where earlier work of the same plan ended.

    `models`: the files of the models. Raises RunError where the place has results already, was begun with
    another plan or with files that have changed since, or is being written by another process. `overwrite`
    starts anew in the first two cases.
    """
    with hold_work(output.work, output.path, NOUN, overwrite):
        sources = Sources(files, models)
        yield _opened(output, files, fingerprints(plan), overwrite, sources)


def _opened(
    output: Table,
    files: Sequence[ImageFile],
    plan: Mapping[str, str],
    overwrite: bool,
    sources: Sources,
) -> PromptWriter:
    """The progress of earlier work with the same plan, or of work that begins now."""
    begun = _read_state(output.work / PROGRESS)
    change = describe_change(begun.plan, plan) or sources.go_on(output.work) if begun is not None else ""
    if (
        begun is not None
        and not change
        and output.has(begun.size, begun.digest)
        and output.noted.has(begun.noted)
    ):
        return PromptWriter(output, files, begun, sources, resumed=True)
    if not overwrite:
        if begun is not None and not change:
            raise RunError(
                f"{output.path} has lost rows that an earlier start wrote; add --overwrite to start anew"
            )
        if begun is not None:
            raise RunError(
                f"{output.path} was begun with {change}; "
                "run what was begun, name another --out, or add --overwrite to start anew"
            )
        if output.path.exists():
            raise RunError(
                f"{output.path} is there already; add --overwrite to replace, or name another --out"
            )
    return PromptWriter(output, files, _State(plan), sources, resumed=False)


def _save(output: Table, state: _State) -> None:
    write_json(output.work / PROGRESS, asdict(state))


def _read_state(path: Path) -> _State | None:
    """A state that was saved; None where there is none, or none that this version reads."""
    try:
        saved = read_json(path)
        done, size, noted = (int(saved[name]) for name in ("done", "size", "noted"))
        return _State(dict(saved["plan"]), done, size, noted, str(saved["digest"]))
    except OTHER_RECORD:
        return None
