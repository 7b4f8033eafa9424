"""The drawings of files named, and the table of what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unprompt.doodles.drawing import Doodle
from unprompt.doodles.name import BATCH, Guess, Namer
from unprompt.doodles.read import read_doodles
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.storage.files import write_table

HEADER = ("imgId", "rank", "name", "probability")


@dataclass(frozen=True)
class Named:
    """`guesses`: the best words by a drawing's key. `problems`: what could not be named, a sentence each."""

    guesses: Mapping[str, list[Guess]]
    problems: tuple[str, ...] = ()


def name_all(path: Path, namer: Namer, top: int = 5, progress: Progress = silent) -> Named:
    """Name all drawings of a file or a folder. InputError where there is none that can be read."""
    problems: list[str] = []
    guesses: dict[str, list[Guess]] = {}
    waiting: list[Doodle] = []

    def name() -> None:
        found = namer.probabilities([one.drawing for one in waiting])
        for doodle, row in zip(waiting, found, strict=True):
            best = np.argsort(-row, kind="stable")[:top]
            guesses[doodle.key] = [Guess(namer.words[at], float(row[at])) for at in best]
        waiting.clear()
        progress("naming drawings", len(guesses), 0)

    for doodle in read_doodles(path, problems):
        if not doodle.drawing.strokes:
            problems.append(f"{doodle.key} is empty: nothing is drawn there")
        elif doodle.key in guesses or any(one.key == doodle.key for one in waiting):
            problems.append(f"{doodle.key} is there twice; the first one is named")
        else:
            waiting.append(doodle)
        if len(waiting) == BATCH:
            name()
    if waiting:
        name()
    if not guesses:
        raise InputError(problems[0] if problems else f"{path} holds no drawings")
    return Named(guesses, tuple(problems))


def write_names(path: Path, guesses: Mapping[str, list[Guess]]) -> None:
    """Write the table imgId,rank,name,probability, best words first."""
    write_table(
        path,
        HEADER,
        (
            (key, str(rank), guess.word, f"{guess.probability:.6f}")
            for key, found in guesses.items()
            for rank, guess in enumerate(found, 1)
        ),
    )
