"""Teaching captioners that look at pixels: a writer over a map of places, and a CNN-LSTM.

OUT/
  captioner.safetensors, captioner.json       the weights, and all about them
  metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
  train.json                                  written last: settings, loss, seconds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from unprompt import __version__
from unprompt.datasets.seeds import derive_seed
from unprompt.doodles.drawing import Doodle, hash_drawings
from unprompt.doodles.grid_captioner import (
    BATCH,
    FORM,
    Grid,
    Writer,
    find_tokens,
    scene_pixels,
    write_tokens,
)
from unprompt.doodles.grid_config import GridTraining, LstmTraining
from unprompt.doodles.scenes import Scene, compose_scenes
from unprompt.learning.accelerator import open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.loop import Learnt
from unprompt.learning.padding import padded
from unprompt.learning.parts import Part
from unprompt.learning.train_cnn_lstm import Telling, learn_captions, train_cnn_lstm
from unprompt.networks.cnn_lstm import Eyes
from unprompt.networks.cnn_lstm_config import END, PAD, START
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, check_folder, fingerprint, finish

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_FILE = "captioner.safetensors"
KIND = FolderKind(
    noun="training of a captioner of pixels",
    record="train.json",
    outputs=(MODEL_FILE, "captioner.json", *OUTPUTS),
)


def train_grid(
    doodles: Sequence[Doodle],
    out: Path,
    config: GridTraining | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a writer with scenes of drawings, and leave the folder `out`.

    Raises InputError for drawings without words, CheckpointError where the frozen network's weights are
    missing, RunError for a folder of something else.
    """
    config = config or GridTraining()
    check_folder(out, KIND, overwrite)  # before scenes are composed
    accelerator = open_accelerator(device)
    words = tuple(sorted({doodle.word for doodle in doodles if doodle.word}))
    scenes = list(compose_scenes(doodles, config.composed(config.seed), progress))
    plan = {
        "unprompt": __version__,
        "config": config.deciding(),
        "scenes": fingerprint({"captions": [scene.caption for scene in scenes]}),
        "points": hash_drawings([scene.drawing for scene in scenes]),
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "networks"))
        tokens = find_tokens(words)
        places = _look(scenes, Grid(config.backbone, config.size, str(accelerator.device)), progress)
        writer = Writer(config.writer(tokens, places.shape[2]))
        some = torch.from_numpy(places[:512].astype(np.float32)).flatten(0, 1)
        writer.centre.copy_(some.mean(0))
        writer.spread.copy_(some.std(0, correction=0) + 1e-2)
        part, said = Part(Telling(writer), network=writer), _token_rows(scenes, tokens)
        learnt = learn_captions(
            accelerator, part, places, said, config, out, "captions by looking at places", progress
        )
        if accelerator.is_main_process:
            record = {
                "unprompt": __version__,
                "config": config.deciding(),
                **asdict(learnt),
                "drawings": len(doodles),
            }
            FORM.write(out / MODEL_FILE, writer, writer.config, record, half=True)
            finish(out, KIND, record)
    return learnt


def _look(scenes: Sequence[Scene], eyes: Grid, progress: Progress) -> NDArray[np.float16]:
    found = []
    for first in range(0, len(scenes), BATCH):
        some = [scene.drawing for scene in scenes[first : first + BATCH]]
        found.append(eyes.see(some).astype(np.float16))
        progress("looking at scenes", first + len(some), len(scenes))
    return np.concatenate(found)


def _token_rows(scenes: Sequence[Scene], tokens: Sequence[str]) -> NDArray[np.int64]:
    """(N, T): START, the facts as they are read from left to right, END, then PAD."""
    number = {token: at for at, token in enumerate(tokens)}
    rows = [[START, *(number[token] for token in write_tokens(scene.read())), END] for scene in scenes]
    return padded(rows, PAD, np.int64)


def train_lstm(
    doodles: Sequence[Doodle],
    out: Path,
    config: LstmTraining | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a CNN-LSTM the captions of scenes, as learning/train_cnn_lstm.py says. Raises as train_grid."""
    config = config or LstmTraining()
    where = choose_device(device)
    scenes = list(compose_scenes(doodles, config.composed(config.seed), progress))
    eyes = Eyes.load(config.backbone, config.size, config.stages, where)
    features = []
    for first in range(0, len(scenes), BATCH):
        some = scenes[first : first + BATCH]
        features.append(eyes.see(np.stack([scene_pixels(scene.drawing, config.size) for scene in some])))
        progress("looking at scenes", first + len(some), len(scenes))
    captions = [scene.caption for scene in scenes]
    return train_cnn_lstm(np.concatenate(features), captions, out, config.lstm(), where, overwrite, progress)
