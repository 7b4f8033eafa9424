"""The first thing a newcomer runs: scenes with known prompts, predicted and scored."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from unprompt.config import PredictConfig
from unprompt.files import write_bytes, write_prompts
from unprompt.generate.scenes import draw_scene, sample_scenes
from unprompt.outputs import RunResult
from unprompt.predict import predict
from unprompt.records import Prompts

COUNT = 24


@dataclass(frozen=True, eq=False)
class Demo:
    """The true prompts of the scenes and the run over them."""

    truths: Prompts
    run: RunResult


def write_scenes(folder: Path, count: int = COUNT) -> Prompts:
    """Draw `count` scenes as PNG files into `folder`/images, with `folder`/prompts.csv."""
    scenes = sample_scenes(count)
    ids = tuple(f"scene-{number:02d}" for number in range(1, count + 1))
    for image_id, scene in zip(ids, scenes, strict=True):
        stream = io.BytesIO()
        draw_scene(scene).save(stream, "PNG")
        write_bytes(folder / "images" / f"{image_id}.png", stream.getvalue())
    truths = Prompts(ids, tuple(scene.prompt for scene in scenes))
    write_prompts(folder / "prompts.csv", truths)
    return truths


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
