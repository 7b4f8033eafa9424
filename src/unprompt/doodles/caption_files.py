"""The drawings of files captioned, and the table of what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.batches import drawn_batches
from unprompt.doodles.captioners import Caption, Captioner
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import write_table

HEADER = ("imgId", "caption")
BATCH = 64  # drawings that are captioned together


@dataclass(frozen=True)
class Captioned:
    """`captions` by a drawing's key. `problems`: what could not be captioned."""

    captions: Mapping[str, Caption]
    problems: tuple[Problem, ...] = ()


def caption_all(paths: Sequence[Path], captioner: Captioner, progress: Progress = silent) -> Captioned:
    """Caption all drawings of files and folders. InputError where there is none that can be read."""
    problems: list[Problem] = []
    captions: dict[str, Caption] = {}
    for batch in drawn_batches(paths, BATCH, problems):
        found = captioner.caption([one.drawing for one in batch])
        captions |= {one.key: caption for one, caption in zip(batch, found, strict=True)}
        progress("captioning drawings", len(captions), 0)
    return Captioned(captions, tuple(problems))


def write_captions(path: Path, captions: Mapping[str, str]) -> None:
    """Write the table imgId,caption."""
    write_table(path, HEADER, iter(captions.items()))
