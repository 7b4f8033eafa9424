"""Where the prompts of images go, as they come: a table of rows, or a text file for each image.

While the work is under way a hidden folder beside the results keeps the lock and progress.json, which says
how far they count. A table without that folder is whole. A killed process may have written more than it
had saved; when the same work goes on, a table is cut back to what counts and gets the same bytes again.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError, RunError
from unprompt.records import Problem
from unprompt.storage.damage import OTHER_RECORD
from unprompt.storage.files import (
    csv_line,
    full_disk_told,
    read_json,
    write_bytes,
    write_json,
    write_problems,
)
from unprompt.storage.images import ImageFile
from unprompt.storage.resumable import PROGRESS, fingerprint, hold_work

HEADER = ("imgId", "prompt", "caption", "similarity")
LINES = ".jsonl"
TABLES = (".csv", LINES)


@dataclass(frozen=True)
class PromptRow:
    """What one image gave. `similarity`: CLIP's cosine of image and prompt. No caption is an empty one."""

    file: ImageFile
    prompt: str
    caption: str
    similarity: float

    def fields(self) -> dict[str, str | float]:
        """The row by column; four digits of the cosine are more than half precision has."""
        values = (self.file.image_id, self.prompt, self.caption, round(self.similarity, 4))
        return dict(zip(HEADER, values, strict=True))


class Output(ABC):
    """A place for prompts.

    `path` is what to tell the user, `work` the hidden folder, `problems` the file for what cannot be read,
    `from_file` the one for prompts that stand in the images' files.
    """

    path: Path
    work: Path
    problems: Path
    from_file: Path

    @abstractmethod
    def there(self) -> list[Path]:
        """The files that exist already and would be written."""

    @abstractmethod
    def has(self, size: int) -> bool:
        """Whether so many bytes as were written are still there."""

    @abstractmethod
    def begin(self, size: int) -> None:
        """Get ready to write after the first `size` bytes; 0 starts anew."""

    @abstractmethod
    def append(self, rows: Sequence[PromptRow]) -> int:
        """Write rows to the disk; returns the size that counts from now on."""


class Table(Output):
    """One .csv or .jsonl file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path.with_name(f".{path.name}.work")
        self.problems = path.with_name(f"{path.stem}.problems.csv")
        self.from_file = path.with_name(f"{path.stem}.from_file.csv")

    def there(self) -> list[Path]:
        """The table."""
        return [self.path] if self.path.exists() else []

    def has(self, size: int) -> bool:
        """Whether the table is at least so long."""
        return not size or (self.path.exists() and self.path.stat().st_size >= size)

    def begin(self, size: int) -> None:
        """Cut what does not count."""
        if size:
            os.truncate(self.path, size)
        else:
            self._write("wb", b"" if self.path.suffix == LINES else csv_line(HEADER))

    def append(self, rows: Sequence[PromptRow]) -> int:
        """Write rows at the end."""
        return self._write("ab", b"".join(self._line(row) for row in rows))

    def _line(self, row: PromptRow) -> bytes:
        fields = row.fields()
        if self.path.suffix == LINES:
            return (json.dumps(fields, ensure_ascii=False) + "\n").encode()
        return csv_line([f"{value:.4f}" if isinstance(value, float) else value for value in fields.values()])

    def _write(self, mode: str, content: bytes) -> int:
        with full_disk_told(self.path), self.path.open(mode) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())  # before the progress that counts these bytes
            return stream.tell()


class TextFiles(Output):
    """One .txt for each image, with its prompt: beside the image, or in a folder under the image's id."""

    def __init__(self, files: Sequence[ImageFile], folder: Path | None) -> None:
        self.path = folder or files[0].path.parent
        self.work = self.path / ".interrogate.work"
        self.problems = self.path / "interrogate.problems.csv"
        self.from_file = self.path / "interrogate.from_file.csv"
        in_parts = [file for file in files if file.row is not None]
        if folder is None and in_parts:
            raise ConfigError(
                f"there is no place beside {in_parts[0].name} for a text file; name a folder with --out"
            )
        self._target_by_id = {
            file.image_id: folder / f"{file.image_id}.txt" if folder else file.path.with_suffix(".txt")
            for file in files
        }

    def there(self) -> list[Path]:
        """The text files of these images."""
        return [target for target in self._target_by_id.values() if target.exists()]

    def has(self, size: int) -> bool:
        """Whoever removes a text that is done does not want it."""
        return True

    def begin(self, size: int) -> None:
        """Each file is written whole, so none has to be cut."""

    def append(self, rows: Sequence[PromptRow]) -> int:
        """Write a file for each row."""
        for row in rows:
            write_bytes(self._target_by_id[row.file.image_id], f"{row.prompt}\n".encode())
        return 0


def output_for(out: Path | None, beside: bool, files: Sequence[ImageFile]) -> Output:
    """The place that --out and --txt name. Raises ConfigError where they name none or two."""
    if out is None:
        if not beside:
            raise ConfigError("say where the prompts go: --out prompts.csv, --out FOLDER, or --txt")
        return TextFiles(files, None)
    is_folder = out.is_dir() or (not out.exists() and not out.suffix)
    if is_folder:
        return TextFiles(files, out)
    if out.suffix not in TABLES:
        raise ConfigError(f"--out must end in {' or '.join(TABLES)}, or be a folder, got {out}")
    if beside:
        raise ConfigError(f"--txt writes one file for each image, {out} is a table; give one of both")
    return Table(out)


@dataclass(frozen=True)
class _State:
    """How far the work has come: `done` images, of which some had problems, and `size` bytes of the table."""

    plan: str
    done: int = 0
    size: int = 0
    problems: tuple[Problem, ...] = ()


class PromptWriter:
    """Work on images that can be killed at any time and go on. Nothing is touched before `start`."""

    def __init__(self, output: Output, state: _State, resumed: bool) -> None:
        self.resumed = resumed
        self._output = output
        self._state = state

    @property
    def done(self) -> int:
        """How many images are finished, those with problems included."""
        return self._state.done

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The images that could not be read."""
        return self._state.problems

    def start(self) -> None:
        """Take the place: what is in it from here on counts as ours."""
        if not self.resumed:
            self._output.problems.unlink(missing_ok=True)
            self._output.from_file.unlink(missing_ok=True)
            _save(self._output, self._state)
        self._output.begin(self._state.size)

    def add(self, rows: Sequence[PromptRow], problems: Sequence[Problem]) -> None:
        """Keep what the next images gave: a row or a problem for each."""
        self._state = _State(
            plan=self._state.plan,
            done=self._state.done + len(rows) + len(problems),
            size=self._output.append(rows),
            problems=(*self._state.problems, *problems),
        )
        _save(self._output, self._state)

    def finish(self) -> None:
        """Write the table of problems, where there are some, and forget the progress."""
        if self.problems:
            write_problems(self._output.problems, self.problems)
        (self._output.work / PROGRESS).unlink()


@contextmanager
def open_prompts(output: Output, plan: Mapping[str, Any], overwrite: bool) -> Iterator[PromptWriter]:
    """Open a place for the work that `plan` describes, going on where earlier work of the same plan ended.

    Raises RunError where the place has results already, was begun with another plan, or is being written by
    another process. `overwrite` starts anew in the first two cases.
    """
    with hold_work(output.work, output.path):
        yield _opened(output, fingerprint(plan), overwrite)


def _opened(output: Output, plan: str, overwrite: bool) -> PromptWriter:
    """The progress of earlier work with the same plan, or of work that begins now."""
    begun = _read_state(output.work / PROGRESS)
    same = begun is not None and begun.plan == plan
    if begun is not None and same and output.has(begun.size):
        return PromptWriter(output, begun, resumed=True)
    if not overwrite:
        if same:
            raise RunError(
                f"{output.path} has lost rows that an earlier start wrote; add --overwrite to start anew"
            )
        if begun is not None:
            raise RunError(
                f"{output.path} was begun with other images or settings, or by another version of unprompt; "
                "run what was begun, name another --out, or add --overwrite to start anew"
            )
        if there := output.there():
            raise RunError(
                f"{there[0]} is there already{f', and {len(there) - 1} more' if there[1:] else ''}; "
                "add --overwrite to replace, or name another --out"
            )
    return PromptWriter(output, _State(plan), resumed=False)


def _save(output: Output, state: _State) -> None:
    write_json(output.work / PROGRESS, asdict(state))


def _read_state(path: Path) -> _State | None:
    """A state that was saved; None where there is none, or none that this version reads."""
    try:
        saved = read_json(path)
        problems = tuple(Problem(**problem) for problem in saved["problems"])
        return _State(str(saved["plan"]), int(saved["done"]), int(saved["size"]), problems)
    except OTHER_RECORD:
        return None
