"""A person's own pictures, with the prompts that stand in their files, as a DATASET."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt import __version__
from unprompt.datasets.config import OwnPicturesConfig
from unprompt.errors import InputError, UnreadableImageError
from unprompt.metadata.files import FilePrompt, count_tools
from unprompt.networks.devices import choose_device, core_count
from unprompt.networks.minilm import PromptEncoder
from unprompt.progress import Progress, silent
from unprompt.records import Problem, check_unique
from unprompt.storage import resumable as folders
from unprompt.storage.images import (
    DATASET_RECORD,
    ImageFile,
    identify_images,
    open_file,
    open_stored,
    read_encoded,
)
from unprompt.storage.parts import Part, part_name, write_part
from unprompt.storage.sources import Sources
from unprompt.text.cleaning import plain_spaces
from unprompt.text.english import counted, none_readable
from unprompt.text.prompt_syntax import without_syntax

KIND = folders.FolderKind(
    noun="data set of own pictures",
    record=DATASET_RECORD,
    outputs=("part-*.parquet", "describe.html"),
)
ENGINE = "own pictures"
LARGEST_SEED = 2**63 - 1  # that a column of integers holds

_NOT_IN_IDS = re.compile(r'[,"/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+')


@dataclass(frozen=True)
class OwnPicturesResult:
    """What `write_own_dataset` made. `problems`: pictures with a prompt that cannot be decoded."""

    out: Path
    images: int
    without_prompt: int
    problems: tuple[Problem, ...]
    tools: dict[str, int]
    resumed: bool


@dataclass(frozen=True)
class _Row:
    """A picture that goes into the data set."""

    image_id: str
    prompt: str
    found: FilePrompt


def write_own_dataset(
    found: Sequence[FilePrompt],
    out: Path,
    config: OwnPicturesConfig | None = None,
    progress: Progress = silent,
) -> OwnPicturesResult:
    """Write the pictures in whose files a prompt was found, as they are, and their prompts as a data set.

    Prompts are kept as written, on one line each; `config.plain` takes weights and networks' names out of
    them. Pictures without a prompt, and those that cannot be decoded, are left out and counted. Interrupted
    work goes on when called again with the same pictures, and ends with the same bytes.

    Raises InputError where no picture is left, CheckpointError without MiniLM, RunError for a folder that is
    finished or belongs to something else.
    """
    config = config or OwnPicturesConfig()
    rows = _rows(found, config.plain)
    files = [row.found.file for row in rows]
    plan = {
        "unprompt": __version__,
        "engine": ENGINE,
        "plain": config.plain,
        "part": config.part,
        "images": folders.fingerprint({"images": identify_images(files)}),
        "prompts": folders.fingerprint({"prompts": [row.prompt for row in rows]}),
    }
    sources = Sources(files)
    with folders.open_folder(out, KIND, plan, config.overwrite, sources=sources) as resumed:
        whys = _why_unreadable(rows, progress)
        problems = tuple(
            Problem(row.image_id, row.found.file.name, why)
            for row, why in zip(rows, whys, strict=True)
            if why is not None
        )
        good = [row for row, why in zip(rows, whys, strict=True) if why is None]
        if not good:
            raise InputError(_why_nothing(found, problems))
        encoder = PromptEncoder.load(choose_device(config.device))
        starts = range(0, len(good), config.part)
        for number, start in enumerate(starts):
            progress("writing", start, len(good))
            if not (out / part_name(number)).exists():
                some = good[start : start + config.part]
                write_part(out / part_name(number), _part(some, encoder, config))
                sources.note(row.found.file for row in some)
        progress("writing", len(good), len(good))
        result = OwnPicturesResult(
            out=out,
            images=len(good),
            without_prompt=sum(not one.prompt for one in found),
            problems=problems,
            tools=count_tools(row.found for row in good),
            resumed=resumed,
        )
        folders.finish(
            out, KIND, _record(result, config, [len(good[start:][: config.part]) for start in starts])
        )
    return result


def _rows(found: Sequence[FilePrompt], plain: bool) -> list[_Row]:
    """The pictures with a prompt, by id: ids that can stand in every table, prompts on one line."""
    rows = []
    for one in found:
        text = plain_spaces(without_syntax(one.prompt) if plain else one.prompt)
        if text:
            rows.append(_Row(_NOT_IN_IDS.sub("_", one.file.image_id) or "_", text, one))
    check_unique([row.image_id for row in rows], "the pictures' names, where signs that ids have not are `_`")
    return sorted(rows, key=lambda row: row.image_id)


def _why_unreadable(rows: Sequence[_Row], progress: Progress) -> list[str | None]:
    """Why each picture cannot be decoded; None for those that can."""

    def why(row: _Row) -> str | None:
        try:
            with open_file(row.found.file):
                return None
        except UnreadableImageError as error:
            return str(error)

    whys: list[str | None] = []
    with ThreadPoolExecutor(core_count()) as pool:
        for start in range(0, len(rows), 64):
            progress("checking pictures", start, len(rows))
            whys += pool.map(why, rows[start : start + 64])
    return whys


def _why_nothing(found: Sequence[FilePrompt], problems: Sequence[Problem]) -> str:
    if problems:
        first = problems[0]
        return none_readable(len(problems), "picture", f"{first.file}: {first.problem}")
    none = "the only image has no" if len(found) == 1 else f"none of {counted(len(found), 'image')} has a"
    return f"{none} prompt in its file; there is nothing to make a data set of"


def _part(rows: Sequence[_Row], encoder: PromptEncoder, config: OwnPicturesConfig) -> Part:
    seeds = [row.found.generation.seed if row.found.generation else None for row in rows]
    prompts = tuple(row.prompt for row in rows)
    images = tuple(read_encoded(row.found.file) for row in rows)
    return Part(
        ids=tuple(row.image_id for row in rows),
        prompts=prompts,
        images=images,
        seeds=tuple(seed if seed is not None and seed <= LARGEST_SEED else None for seed in seeds),
        engine=ENGINE,
        settings=json.dumps({"plain": config.plain}),
        embeddings=encoder.encode(prompts),
        names=tuple(
            f"{row.image_id}{_ending(row.found.file, image)}" for row, image in zip(rows, images, strict=True)
        ),
    )


def _ending(file: ImageFile, encoded: bytes) -> str:
    """The ending of a picture's name; of one in a table or an archive, which has no file, by its format."""
    if file.row is None:
        return file.path.suffix.lower()
    with open_stored(io.BytesIO(encoded)) as image:
        return ".jpg" if image.format == "JPEG" else f".{str(image.format).lower()}"


def _record(result: OwnPicturesResult, config: OwnPicturesConfig, counts: Sequence[int]) -> dict[str, Any]:
    """What dataset.json says."""
    return {
        "images": result.images,
        "engine": ENGINE,
        "settings": {"plain": config.plain},
        "form": "parts",
        "written_by": result.tools,
        "left_out": {"without_prompt": result.without_prompt, "unreadable": len(result.problems)},
        "parts": [{"file": part_name(number), "images": count} for number, count in enumerate(counts)],
        "versions": {"unprompt": __version__},
    }
