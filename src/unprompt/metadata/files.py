"""Many image files -> what stands in each of them, and the table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unprompt.errors import InputError, UnreadableImageError
from unprompt.metadata.generation import Generation, text_of
from unprompt.metadata.reading import read_file_generation
from unprompt.progress import Progress, silent
from unprompt.storage.files import write_table
from unprompt.storage.images import ImageFile
from unprompt.text.english import none_readable

HEADER = (
    "imgId", "prompt", "negative", "seed", "width", "height", "sampler", "steps", "cfg", "model",
    "model_hash", "tool", "place",
)  # fmt: skip
STEP = 64  # files that are under way together


@dataclass(frozen=True)
class FilePrompt:
    """What came of one file: what stands in it, if anything, or why it could not be read."""

    file: ImageFile
    generation: Generation | None
    problem: str | None = None

    @property
    def prompt(self) -> str:
        """The prompt that stands in the file; "" where there is none."""
        return self.generation.prompt if self.generation else ""


def read_file_prompts(
    files: Sequence[ImageFile], workers: int, thorough: bool = True, progress: Progress = silent
) -> Iterator[FilePrompt]:
    """Read what stands in image files, in their order, by `workers` threads.

    `thorough`: as `read_generation` has it. `progress` is told files done and in all.
    """

    def read(file: ImageFile) -> FilePrompt:
        try:
            return FilePrompt(file, read_file_generation(file, thorough))
        except UnreadableImageError as error:
            return FilePrompt(file, None, str(error))

    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(files), STEP):
            progress("reading files", first, len(files))
            yield from pool.map(read, files[first : first + STEP])
    progress("reading files", len(files), len(files))


def check_any_readable(found: Sequence[FilePrompt]) -> None:
    """Raise InputError where none of the files can be read."""
    problems = [one for one in found if one.problem is not None]
    if problems and len(problems) == len(found):
        first = problems[0]
        raise InputError(none_readable(len(found), "image", f"{first.file.name}: {first.problem}"))


def shown_name(one: FilePrompt) -> str:
    """A file's path as it was found, or part and row, without what a terminal would obey."""
    return text_of(str(one.file.path) if one.file.row is None else one.file.name)


def count_tools(found: Iterable[FilePrompt]) -> dict[str, int]:
    """How many prompts each program wrote, the one with most first."""
    tools = (one.generation.tool or "unknown" for one in found if one.generation and one.prompt)
    return dict(Counter(tools).most_common())


def table_row(one: FilePrompt) -> tuple[str, ...]:
    """A prompt that stands in a file, as a row under HEADER; what is not known is empty."""
    assert one.generation is not None
    made = one.generation
    width, height = made.size or ("", "")
    cfg = "" if made.cfg is None else f"{made.cfg:g}"
    values = (
        one.file.image_id, made.prompt, made.negative, made.seed, width, height, made.sampler, made.steps,
        cfg, made.model, made.model_hash, made.tool, made.place,
    )  # fmt: skip
    return tuple("" if value is None else str(value) for value in values)


def write_file_prompts(path: Path, found: Iterable[FilePrompt]) -> None:
    """Write the prompts that stand in files as a table; it can be read as a prompts.csv too."""
    write_table(path, HEADER, (table_row(one) for one in found if one.prompt))
