"""Teaching a CNN-LSTM captioner: features of images and their captions -> captioner.safetensors.

OUT/
  captioner.safetensors, captioner.json       the weights, and all about them, with the vocabulary
  metrics.csv, curves.png, tensorboard/       how the training went, epoch by epoch
  train.json                                  written last: settings, loss, seconds
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unprompt import __version__
from unprompt.errors import InputError
from unprompt.learning.accelerator import open_accelerator, shared_folder
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.curves import OUTPUTS
from unprompt.learning.loop import Batch, Examples, Learnt, learn
from unprompt.learning.padding import padded
from unprompt.learning.parts import Part
from unprompt.networks.captioners import MODEL_FILE
from unprompt.networks.cnn_lstm import BATCH, LONGEST, CnnLstm, Eyes, write_cnn_lstm
from unprompt.networks.cnn_lstm_config import END, PAD, SPECIAL, START, UNKNOWN, CnnLstmConfig
from unprompt.progress import Progress, silent
from unprompt.storage.resumable import FolderKind, fingerprint, finish
from unprompt.text.words import split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.datasets.pixels import Pixels
    from unprompt.learning.schedule import Schedule
    from unprompt.records import FloatArray

KIND = FolderKind(
    noun="CNN-LSTM captioner",
    record="train.json",
    outputs=(MODEL_FILE, "captioner.json", *OUTPUTS),
)


def train_cnn_lstm(
    features: FloatArray,
    captions: Sequence[str],
    out: Path,
    config: CnnLstmTraining | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach an LSTM to write the captions of N images of which it is told `features` (N, d).

    Killed at any moment and called again it goes on, and ends with the same bytes. Raises InputError where
    features and captions do not belong together or no caption has a word, RunError for a folder of something
    else.
    """
    config = config or CnnLstmTraining()
    if len(features) != len(captions) or not captions:
        raise InputError(f"a captioner needs a caption for each image, got {len(features)}, {len(captions)}")
    vocabulary = find_vocabulary(captions, config.min_count)
    words = word_rows(captions, vocabulary)
    accelerator = open_accelerator(device)
    plan = {
        "unprompt": __version__,
        "config": config.deciding(),
        "captions": fingerprint({"captions": list(captions)}),
        "images": hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()[:20],
    }
    with shared_folder(accelerator, out, KIND, plan, overwrite), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = CnnLstm(
            CnnLstmConfig(
                vocabulary,
                features.shape[1],
                config.backbone,
                config.size,
                config.stages,
                config.width,
                config.dropout,
            )
        )
        told = torch.from_numpy(np.asarray(features, np.float32))
        network.centre.copy_(told.mean(0))
        network.spread.copy_(told.std(0, correction=0) + 1e-3)
        part = Part(Telling(network), network=network)
        learnt = learn_captions(
            accelerator, part, features, words, config, out, "captions by a CNN-LSTM", progress
        )
        if accelerator.is_main_process:
            record = {
                "unprompt": __version__,
                **asdict(learnt),
                "images": len(captions),
                "words": len(vocabulary) - len(SPECIAL),
                "unknown": float((words == UNKNOWN).sum() / (words > END).sum()),
                "config": config.deciding(),
            }
            write_cnn_lstm(out / MODEL_FILE, network, record)
            finish(out, KIND, record)
    return learnt


def learn_captions(
    accelerator: Any,
    part: Part,
    seen: NDArray[np.floating[Any]],
    words: NDArray[np.int64],
    schedule: Schedule,
    out: Path,
    title: str,
    progress: Progress,
) -> Learnt:
    """Train a part, by Telling, with what was seen of N images (N, …) and their captions (N, T).

    `words`: START, numbers of words, END, then PAD. Leaves what `learn` leaves, and raises as it does.
    """

    def inputs(batch: Batch) -> tuple[Tensor, Tensor]:
        shown = torch.from_numpy(seen[batch.rows].astype(np.float32))
        said = words[batch.rows]
        said = said[:, : int((said != PAD).sum(1).max())]
        return shown.to(accelerator.device), torch.from_numpy(said).to(accelerator.device)

    examples = Examples(np.arange(len(words)), inputs)
    row = learn(accelerator, [part], examples, schedule, out, title, progress=progress)
    return Learnt(row["seconds"], row["loss"])


def find_vocabulary(
    captions: Sequence[str], min_count: int, split: Callable[[str], list[str]] = split_words
) -> tuple[str, ...]:
    """SPECIAL, then the words that captions have at least `min_count` times, the most frequent first.

    `split`: a caption -> its words. Raises InputError where there is none.
    """
    counts = Counter(word for caption in captions for word in split(caption))
    words = sorted((word for word in counts if counts[word] >= min_count), key=lambda w: (-counts[w], w))
    if not words:
        raise InputError(
            f"none of {len(counts):,} words of the captions is there {min_count} times; lower min_count"
        )
    return (*SPECIAL, *words)


def word_rows(
    captions: Sequence[str],
    vocabulary: Sequence[str],
    longest: int = LONGEST,
    split: Callable[[str], list[str]] = split_words,
) -> NDArray[np.int64]:
    """N captions -> (N, T) words by number: START, the first `longest` of the caption, END, then PAD."""
    numbers = {word: number for number, word in enumerate(vocabulary)}
    rows = [
        [START, *(numbers.get(word, UNKNOWN) for word in split(caption)[:longest]), END]
        for caption in captions
    ]
    return padded(rows, PAD, np.int64)


class Telling(nn.Module):  # type: ignore[misc]
    """The captioner's objective: the next word's cross entropy, mean over all words of the batch."""

    def __init__(self, network: nn.Module) -> None:
        """`network`: what was seen (B, …) and words so far (B, T) -> logits of the next (B, T, V)."""
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, words: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, …) and (B, T) -> loss, and its sum over the batch."""
        logits = self.network(features, words[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten(), ignore_index=PAD)
        return loss, {"loss": loss.detach() * len(words)}


def look_at(pixels: Pixels, eyes: Eyes, progress: Progress = silent) -> FloatArray:
    """What the LSTM is told of N images: (N, d)."""
    found = np.empty((len(pixels), eyes.width), np.float32)
    for start in range(0, len(pixels), BATCH):
        progress("looking at images", start, len(pixels))
        rows = np.arange(start, min(start + BATCH, len(pixels)))
        found[rows] = eyes.see(pixels.take(rows))
    progress("looking at images", len(pixels), len(pixels))
    return found
