"""The drawings of files captioned, and the table of what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.doodles.batches import Drawings, Work, look_at_all
from unprompt.doodles.captioners import Caption, GroupCaptioner
from unprompt.doodles.drawing import Doodle
from unprompt.doodles.group_config import CaptionConfig
from unprompt.interrogator.prompt_files import Fields, Table
from unprompt.networks.captioner import HEADER
from unprompt.networks.checkpoints import files_of
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import read_table

BATCH = 64  # drawings that are captioned together


@dataclass(frozen=True)
class Captioned:
    """`captions` by a drawing's key. `problems`: what could not be captioned.

    `sure`: how probable the least sure noun of a caption is, of those that were written now; `resumed`:
    others were at an earlier start.
    """

    captions: Mapping[str, str]
    sure: Mapping[str, float]
    problems: tuple[Problem, ...]
    resumed: bool


@dataclass(frozen=True)
class CaptionRow:
    """The caption of a drawing."""

    key: str
    caption: str
    file: None = None

    def lines(self) -> Sequence[Fields]:
        """One, by HEADER."""
        return [(self.key, self.caption)]


def caption_files(
    paths: Sequence[Path],
    config: CaptionConfig,
    out: Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    tell: Callable[[str, Caption], None] = lambda key, caption: None,
    progress: Progress = silent,
) -> Captioned:
    """Caption all drawings of files and folders by the groups of their strokes.

    `out`: a table imgId,caption, .csv or .jsonl. Killed and called again with the same arguments, it goes
    on; `out`'s `.problems.csv` has what cannot be captioned. `tell` is called with each key and its caption,
    `progress` with drawings done.

    Raises InputError where no drawing can be read; CheckpointError for the models; RunError for a table that
    is there, or was begun with something else, unless `overwrite` replaces it.
    """
    table = Table(out, HEADER) if out is not None else None
    where = choose_device(device)
    captions: dict[str, str] = {}
    sure: dict[str, float] = {}

    def begin() -> Callable[[Sequence[Doodle]], list[CaptionRow]]:
        captioner = GroupCaptioner.load(config, where)

        def caption(batch: Sequence[Doodle]) -> list[CaptionRow]:
            rows = []
            found = captioner.caption([one.drawing for one in batch])
            for one, said in zip(batch, found, strict=True):
                rows.append(CaptionRow(one.key, said.text))
                captions[one.key], sure[one.key] = said.text, said.sure
                tell(one.key, said)
            return rows

        return caption

    work = Work(
        "captioning drawings",
        begin,
        {"weights": str(config.weights), "namer": str(config.namer), "sure": config.sure, "device": where},
        files_of(filter(None, [config.weights, config.namer])),
    )
    problems, resumed = look_at_all(Drawings(paths), BATCH, work, table, overwrite, progress)
    if out is not None:
        captions = {row[HEADER[0]]: row[HEADER[1]] for row in read_table(out, HEADER).rows}
    return Captioned(captions, sure, problems, resumed)
