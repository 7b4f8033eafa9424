"""The drawings of files captioned, and the table of what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.captioners import Caption, Captioner
from unprompt.doodles.drawing import Doodle
from unprompt.doodles.read import read_doodles
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import write_table

HEADER = ("imgId", "caption")
BATCH = 64  # drawings that are captioned together


@dataclass(frozen=True)
class Captioned:
    """`captions` by a drawing's key. `problems`: what could not be captioned, a sentence each."""

    captions: Mapping[str, Caption]
    problems: tuple[str, ...] = ()


def caption_all(path: Path, captioner: Captioner, progress: Progress = silent) -> Captioned:
    """Caption all drawings of a file or a folder. InputError where there is none that can be read."""
    problems: list[Problem] = []
    captions: dict[str, Caption] = {}
    waiting: dict[str, Doodle] = {}

    def caption() -> None:
        found = captioner.caption([one.drawing for one in waiting.values()])
        captions.update(zip(waiting, found, strict=True))
        waiting.clear()
        progress("captioning drawings", len(captions), 0)

    for doodle in read_doodles(path, problems):
        if not doodle.drawing.strokes:
            problems.append(Problem(doodle.key, path.name, "is empty: nothing is drawn there"))
        elif doodle.key in captions or doodle.key in waiting:
            problems.append(Problem(doodle.key, path.name, "is there twice; the first one is captioned"))
        else:
            waiting[doodle.key] = doodle
        if len(waiting) == BATCH:
            caption()
    if waiting:
        caption()
    told = tuple(f"{problem.image_id}: {problem.problem}" for problem in problems)
    if not captions:
        raise InputError(told[0] if told else f"{path} holds no drawings")
    return Captioned(captions, told)


def write_captions(path: Path, captions: Mapping[str, Caption]) -> None:
    """Write the table imgId,caption."""
    write_table(path, HEADER, ((key, caption.text) for key, caption in captions.items()))
