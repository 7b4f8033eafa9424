"""Teaching a CNN-LSTM to caption coloured pictures, of pairs with captions."""

from __future__ import annotations

from pathlib import Path

from unprompt.datasets.pairs import Pairs
from unprompt.datasets.pixels import open_pixels
from unprompt.errors import InputError
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.loop import Learnt
from unprompt.learning.train_cnn_lstm import look_at, train_cnn_lstm
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.cnn_lstm import Eyes
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent


def train_captions(
    pairs: Pairs,
    out: Path,
    config: CnnLstmTraining | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Learnt:
    """Teach a CNN-LSTM the captions of the pairs' coloured pictures, and leave the folder `out`.

    Pairs without a caption are left out. Raises InputError where none has one or an image cannot be read,
    CheckpointError where the frozen network's weights are missing, RunError for a folder of something else.
    """
    config = config or CnnLstmTraining()
    captioned = [row for row, text in enumerate(pairs.captions or ()) if text.strip()]
    if not captioned:
        raise InputError("these pairs have no captions to learn from; `unprompt colour caption` writes some")
    those = pairs.at([pairs.ids[row] for row in captioned])
    where = choose_device(device)
    eyes = Eyes.load(config.backbone, config.size, config.stages, where)
    pixels = open_pixels(those.side("target"), eyes.preprocess, "auto", cache_folder() / "pixels", progress)
    features = look_at(pixels, eyes, progress)
    learnt = train_cnn_lstm(features, those.captions or (), out, config, where, overwrite, progress)
    pixels.discard()
    return learnt
