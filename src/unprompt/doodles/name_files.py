"""The drawings of files named, and the table of what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.batches import drawn_batches
from unprompt.doodles.name import BATCH, LOOKS, Guess, Namer
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import write_table

HEADER = ("imgId", "rank", "name", "probability")


@dataclass(frozen=True)
class Named:
    """`guesses`: the best words by a drawing's key. `problems`: what could not be named."""

    guesses: Mapping[str, list[Guess]]
    problems: tuple[Problem, ...] = ()


def name_all(paths: Sequence[Path], namer: Namer, top: int = 5, progress: Progress = silent) -> Named:
    """Name all drawings of files and folders. InputError where there is none that can be read."""
    problems: list[Problem] = []
    guesses: dict[str, list[Guess]] = {}
    for batch in drawn_batches(paths, BATCH, problems):
        found = namer.probabilities([one.drawing for one in batch], len(LOOKS))
        guesses |= {one.key: namer.best(row, top) for one, row in zip(batch, found, strict=True)}
        progress("naming drawings", len(guesses), 0)
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
