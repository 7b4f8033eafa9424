"""Teaching a words captioner: maps of images and their captions -> captioner.safetensors.

OUT/
  captioner.safetensors, captioner.json       the weights, and all about them, with the vocabulary
  metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
  train.json                                  written last: settings, loss, seconds

Its eyes stay as they are, so what they see of an image is made once, and only the writer learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from unprompt import __version__
from unprompt.datasets.batches import batches
from unprompt.errors import InputError
from unprompt.learning.accelerator import open_accelerator, shared_folder
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.frozen_stages import LOOK_BATCH, SAVE
from unprompt.learning.loop import Learnt
from unprompt.learning.parts import Part
from unprompt.learning.train_cnn_lstm import Telling, find_vocabulary, learn_captions, word_rows
from unprompt.learning.words_captioner_config import WordsCaptionerTraining
from unprompt.networks.backbones import own_preprocess
from unprompt.networks.captioners import MODEL_FILE
from unprompt.networks.cnn_lstm_config import SPECIAL
from unprompt.networks.words_captioner import (
    FORM,
    LONGEST,
    Eyes,
    WordsCaptionNetwork,
    split_signs,
)
from unprompt.networks.words_captioner_config import WordsCaptionerConfig
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, fill_array, fingerprint, finish

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from unprompt.datasets.pixels import Pixels

KIND = FolderKind(
    noun="words captioner", record="train.json", outputs=(MODEL_FILE, "captioner.json", *OUTPUTS)
)


def train_words_captioner(
    eyes: Eyes,
    maps: NDArray[np.float16],
    captions: Sequence[str],
    out: Path,
    config: WordsCaptionerTraining | None = None,
    images: str = "",
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a writer the captions of N images of which `eyes` see `maps` (N, P, C).

    `images`: what tells these images and eyes from others, so that a training that was begun goes on with
    the same only. Killed at any moment and called again it ends with the same bytes. Raises InputError where
    maps and captions do not belong together or no word is frequent enough, RunError for a folder of something
    else.
    """
    config = config or WordsCaptionerTraining()
    if len(maps) != len(captions) or not captions:
        raise InputError(f"a captioner needs a caption for each image, got {len(maps)} and {len(captions)}")
    vocabulary = find_vocabulary(captions, config.min_count, split_signs)
    signs = word_rows(captions, vocabulary, LONGEST - 1, split_signs)
    accelerator = open_accelerator(device)
    plan = {
        "unprompt": __version__,
        "config": config.deciding(),
        "captions": fingerprint({"captions": list(captions)}),
        "images": images,
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = WordsCaptionNetwork(
            WordsCaptionerConfig(
                eyes.config,
                vocabulary,
                config.width,
                config.encoder_layers,
                config.decoder_layers,
                dropout=config.dropout,
            ),
            eyes,
        )
        network.eyes.requires_grad_(False).to(accelerator.device)
        part = Part(Telling(_Looking(network)), network=network.writer)
        learnt = learn_captions(
            accelerator, part, maps, signs, config, out, "captions by words that are seen", progress
        )
        if accelerator.is_main_process:
            record = {
                "unprompt": __version__,
                **asdict(learnt),
                "images": len(captions),
                "signs": len(vocabulary) - len(SPECIAL),
                "config": config.deciding(),
            }
            FORM.write(out / MODEL_FILE, network.cpu(), network.config, record, half=True)
            finish(out, KIND, record)
    return learnt


class _Looking(nn.Module):  # type: ignore[misc]
    """Maps (B, P, C) and signs (B, T) -> logits of the next (B, T, V). Its state is the writer's alone."""

    def __init__(self, network: WordsCaptionNetwork) -> None:
        super().__init__()
        self.writer = network.writer
        self._read = network.eyes.read  # a method is no module, so the eyes are not learnt or saved

    def forward(self, maps: Tensor, signs: Tensor) -> Tensor:
        with torch.no_grad():
            logits = self._read(maps)
        told: Tensor = self.writer(logits, maps, signs)
        return told


def open_maps(path: Path, pixels: Pixels, eyes: Eyes, progress: Progress = silent) -> NDArray[np.float16]:
    """What eyes see of N images, (N, P, C) in an .npy file, which is made where it is not there.

    A call that is killed goes on where it was. Raises RunError where the file cannot be written.
    """
    if not path.exists():
        fill_array(
            path,
            (len(pixels), eyes.config.places, eyes.config.channels),
            np.float16,
            partial(_seen, pixels, eyes),
            SAVE * LOOK_BATCH,
            "name another folder",
            "what is where",
            progress,
        )
    maps: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return maps


def _seen(pixels: Pixels, eyes: Eyes, start: int) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """The maps from row `start` on, batch by batch, each with its first row."""
    rows = np.arange(start, len(pixels))
    plan = [rows[first : first + LOOK_BATCH] for first in range(0, len(rows), LOOK_BATCH)]
    preprocess = own_preprocess(eyes.config.backbone, eyes.config.size)
    with closing(batches(pixels, plan, workers=0)) as loader, torch.inference_mode():
        for some, loaded in loader:
            yield int(some[0]), eyes.look(preprocess.normalise(loaded)).half().numpy()
