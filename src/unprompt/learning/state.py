"""Where a training run stands, on disk: everything that the next step depends on.

Random numbers need no state: each step seeds them anew from the run's seed and its own number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unprompt.errors import RunError
from unprompt.learning.curves import EpochScores
from unprompt.storage.files import writing

STATE = "state.pt"


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run has come: `epoch` under way (from 1), `batches` done in it, `step`s done in all.

    `sums`: of the losses and cosines of this epoch's images so far, and their count. `rows`: the epochs that
    are complete. `seconds`: training time over all starts, `epoch_seconds` of it in this epoch.
    """

    epoch: int
    batches: int
    step: int
    sums: tuple[float, float, int]
    rows: tuple[EpochScores, ...]
    seconds: float
    epoch_seconds: float


def write_state(folder: Path, progress: Progress, tensors: Mapping[str, Any]) -> None:
    """Write where a run stands: `tensors` are state dicts by name."""
    counters = {**asdict(progress), "rows": [asdict(row) for row in progress.rows]}
    with writing(folder / STATE) as stream:
        try:
            torch.save({"progress": counters, **tensors}, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # a full disk, which torch's own clean-up hides
                raise error.__context__ from None
            raise


def read_state(folder: Path) -> tuple[Progress, dict[str, Any]] | None:
    """What `write_state` wrote, on the CPU, or None for none. Raises RunError for a damaged file."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read ({str(error).splitlines()[0]}); start anew with --overwrite"
        ) from error
    counters = tensors.pop("progress")
    rows = tuple(EpochScores(**row) for row in counters.pop("rows"))
    return Progress(**{**counters, "sums": tuple(counters["sums"]), "rows": rows}), tensors
