"""What a training run leaves in its RUN folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from unprompt.records import Embeddings
from unprompt.regression.checkpoint import MODEL_FILE, load_model, save_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.gallery import choose_shown, draw_gallery
from unprompt.regression.scores import EpochScores, best_epoch, plot_scores, write_scores
from unprompt.storage.files import write_bytes
from unprompt.storage.toml_files import write_config

if TYPE_CHECKING:
    from unprompt.regression.material import Material
    from unprompt.regression.model import EmbeddingRegressor

LAST = "last.safetensors"
GALLERY_IMAGES = 24
GALLERY_BATCH = 32
BUNDLE = """\
# What `unprompt train` made here, alone. For a blend, copy the table into a bundle of your own.
name = "{name}"
description = "{backbone}, validation score {score:.4f}"

[[members]]
name = "regression"
kind = "regression"
weight = 1.0
checkpoint = "{checkpoint}"
"""


def write_epoch(
    out: Path, rows: tuple[EpochScores, ...], average: EmbeddingRegressor, *, drawn: bool
) -> None:
    """Write checkpoints, metrics and, `drawn`, curves after an epoch; the last of `rows` is its scores."""
    row = rows[-1]
    save_model(out / LAST, average.spec, average.state_dict(), asdict(row))
    if row.validation > max((earlier.validation for earlier in rows[:-1]), default=float("-inf")):
        save_model(out / MODEL_FILE, average.spec, average.state_dict(), asdict(row))
    write_scores(out, rows)
    if drawn:
        plot_scores(out / "curves.png", rows, average.spec.backbone)


def write_outputs(
    out: Path, material: Material, config: TrainConfig, device: str, rows: tuple[EpochScores, ...]
) -> None:
    """Write what comes once, at the end: the bundle, the settings and the gallery of the best checkpoint."""
    best = best_epoch(rows)
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in out.resolve().name)
    bundle = BUNDLE.format(
        name=name or "run", backbone=config.backbone, score=best.validation, checkpoint=MODEL_FILE
    )
    write_bytes(out / "bundle.toml", bundle.encode())
    write_config(
        out / "config.toml", config, f"Settings of this run; its validation score: {best.validation:.4f}"
    )
    network = load_model(out / MODEL_FILE).model.to(device)
    rows_shown = material.validation
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows_shown), GALLERY_BATCH):
            pixels = material.pixels.take(rows_shown[start : start + GALLERY_BATCH])
            batch = network.spec.preprocess.normalise(torch.from_numpy(pixels).to(device))
            found.append(network(batch).cpu().numpy())
    images = [material.dataset.images[row] for row in rows_shown]
    ids = tuple(image.image_id for image in images)
    shown = choose_shown(
        images,
        material.dataset.prompts.at(ids),
        Embeddings(ids, np.concatenate(found)),
        Embeddings(ids, material.targets[rows_shown]),
        [material.dataset.prompts.texts[row] for row in material.train],
        material.targets[material.train],
        GALLERY_IMAGES,
    )
    title = (
        f"Validation images, best to worst, with the nearest training prompt (score {best.validation:.3f})"
    )
    draw_gallery(out / "gallery.png", shown, title)
