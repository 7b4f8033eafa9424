"""Where a training stands, on disk: everything that the next step depends on.

Random numbers need no state: each step seeds them anew from the training's seed and its own number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from unprompt.errors import RunError
from unprompt.learning.curves import Row
from unprompt.storage.damage import damaged_weights
from unprompt.storage.files import writing

STATE = "state.pt"


@dataclass(frozen=True, eq=False)
class Standing:
    """How far a training has come: `epoch` under way (from 1), `batches` done in it, `step`s done in all.

    `sums`: over this epoch's examples so far, of what is measured, by name. `rows`: the epochs that are
    complete. `seconds`: training time over all starts, `epoch_seconds` of it in this epoch.
    """

    epoch: int = 1
    batches: int = 0
    step: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    seconds: float = 0.0
    epoch_seconds: float = 0.0


def has_state(folder: Path) -> bool:
    """Whether a training that was begun can go on from what is in its folder."""
    return (folder / STATE).exists()


def write_state(folder: Path, standing: Standing, tensors: Mapping[str, Any]) -> None:
    """Write where a training stands: `tensors` are state dicts by name."""
    with writing(folder / STATE) as stream:
        try:
            torch.save({"standing": asdict(standing), **tensors}, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # a full disk, which torch's own clean-up hides
                raise error.__context__ from None
            raise


def read_state(folder: Path) -> tuple[Standing, dict[str, Any]] | None:
    """What `write_state` wrote, on the CPU, or None for none. Raises RunError for a damaged file."""
    path = folder / STATE
    if not has_state(folder):
        return None
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        standing = Standing(**tensors.pop("standing"))
    except damaged_weights() as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RunError(f"{path} cannot be read ({reason}); start anew with --overwrite") from error
    return standing, tensors
