"""The drawings of files named, and the table of what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.batches import Drawings, Work, look_at_all
from unprompt.doodles.drawing import Doodle
from unprompt.doodles.name import BATCH, LOOKS, Guess, Namer
from unprompt.interrogator.prompt_files import Fields, Table
from unprompt.networks.checkpoints import files_of
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import read_table

HEADER = ("imgId", "rank", "name", "probability")
DIGITS = 6  # of a probability


@dataclass(frozen=True)
class Named:
    """`guesses`: the best words by a drawing's key. `problems`: what could not be named.

    `resumed`: some were named at an earlier start.
    """

    guesses: Mapping[str, list[Guess]]
    problems: tuple[Problem, ...]
    resumed: bool


@dataclass(frozen=True)
class NameRow:
    """The best words for a drawing."""

    key: str
    guesses: list[Guess]
    file: None = None

    def lines(self) -> Sequence[Fields]:
        """One for each word, by HEADER, best words first."""
        return [(self.key, rank, guess.word, guess.probability) for rank, guess in enumerate(self.guesses, 1)]


def name_files(
    paths: Sequence[Path],
    weights: Path | None = None,
    top: int = 5,
    out: Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    tell: Callable[[str, list[Guess]], None] = lambda key, guesses: None,
    progress: Progress = silent,
) -> Named:
    """Name all drawings of files and folders by the namer `weights`, see `Namer.load`.

    `out`: a table imgId,rank,name,probability, .csv or .jsonl. Killed and called again with the same
    arguments, it goes on; `out`'s `.problems.csv` has what cannot be named. `tell` is called with each key
    and its guesses, `progress` with drawings done.

    Raises InputError where no drawing can be read; CheckpointError for the namer; RunError for a table that
    is there, or was begun with something else, unless `overwrite` replaces it.
    """
    table = Table(out, HEADER, DIGITS) if out is not None else None
    where = choose_device(device)
    guesses: dict[str, list[Guess]] = {}

    def begin() -> Callable[[Sequence[Doodle]], list[NameRow]]:
        namer = Namer.load(weights, where)

        def name(batch: Sequence[Doodle]) -> list[NameRow]:
            found = namer.probabilities([one.drawing for one in batch], len(LOOKS))
            rows = [NameRow(one.key, namer.best(row, top)) for one, row in zip(batch, found, strict=True)]
            for row in rows:
                tell(row.key, row.guesses)
                if out is None:
                    guesses[row.key] = row.guesses
            return rows

        return name

    work = Work(
        "naming drawings",
        begin,
        {"weights": str(weights), "top": top, "device": where},
        files_of([weights] if weights else []),
    )
    problems, resumed = look_at_all(Drawings(paths), BATCH, work, table, overwrite, progress)
    return Named(read_names(out) if out is not None else guesses, problems, resumed)


def read_names(path: Path) -> dict[str, list[Guess]]:
    """The guesses of a table imgId,rank,name,probability by key. Raises InputError."""
    guesses: dict[str, list[Guess]] = {}
    for row in read_table(path, HEADER).rows:
        key, _, word, probability = (row[column] for column in HEADER)
        guesses.setdefault(key, []).append(Guess(word, float(probability)))
    return guesses
