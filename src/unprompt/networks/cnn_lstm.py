"""A CNN-LSTM captioner: Vinyals et al. 2015, "Show and Tell: A Neural Image Caption Generator".

A frozen convolutional network says once what the image is; an LSTM is told that in its first step, in place
of a word, and then writes word by word, the likeliest each time. Words that training saw less often than its
`min_count` are all one word, <unk>.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unprompt.errors import CheckpointError
from unprompt.networks.backbones import load, own_preprocess, pretrained_state, width_of
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.cnn_lstm_config import END, PAD, START, CnnLstmConfig
from unprompt.networks.folding import fold_batch_norms
from unprompt.networks.sampling import draw, even_draws
from unprompt.networks.weight_files import WeightsForm

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from unprompt.records import FloatArray

FORM = WeightsForm("CNN-LSTM captioner", "unprompt-cnn-lstm", 1, "unprompt colour train-captions")
LONGEST = 40  # words of a caption
BATCH = 16


class Eyes:
    """A frozen backbone of timm's: images as bytes -> what the LSTM is told of them."""

    def __init__(self, network: nn.Module, name: str, size: int, stages: bool, device: str = "cpu") -> None:
        self.preprocess = own_preprocess(name, size)
        self._network = fold_batch_norms(network.eval().requires_grad_(False)).to(device)
        self._stages = stages
        self._device = device
        self._width = width_of(name, network)

    @classmethod
    def load(cls, name: str, size: int, stages: bool = False, device: str = "cpu") -> Eyes:
        """A backbone with the weights that an installed package has.

        `stages`: the mean of each stage's maps as well, where colours are seen more plainly than after the
        last layer, which tells kinds of things. Raises ConfigError for another name, CheckpointError where
        nothing has its weights.
        """
        state, source = pretrained_state(name, None)
        return cls(load(name, size, 0, 0.0, state, source), name, size, stages, device)

    @cached_property
    def width(self) -> int:
        """How many features it gives."""
        size = self.preprocess.size
        return int(self.see(np.zeros((1, size, size, 3), np.uint8)).shape[1])

    def see(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """(B, S, S, 3) -> (B, d) float32."""
        with torch.inference_mode():
            shown = self.preprocess.normalise(torch.from_numpy(pixels).to(self._device))
            if self._stages:
                last, maps = self._network.forward_intermediates(shown)
                told = [self._network.forward_head(last), *(one.mean((2, 3)) for one in maps)]
            else:
                told = [self._network(shown)]
            features: FloatArray = torch.cat(told, 1).float().cpu().numpy()
        return features


class CnnLstm(nn.Module):  # type: ignore[misc]
    """What writes. Parameters are random; `centre` and `spread` (d,) say how features lie."""

    def __init__(self, config: CnnLstmConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("centre", torch.zeros(config.features))
        self.register_buffer("spread", torch.ones(config.features))
        self.image = nn.Linear(config.features, config.width)
        self.words = nn.Embedding(len(config.vocabulary), config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(config.width, config.width, batch_first=True)
        self.next = nn.Linear(config.width, len(config.vocabulary))

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        """Features (B, d) and words (B, T), the first START -> logits of what follows each (B, T, V)."""
        told = torch.cat([self._image(features)[:, None], self.words(words)], 1)
        states, _ = self.lstm(self.dropout(told))
        logits: Tensor = self.next(self.dropout(states[:, 1:]))
        return logits

    def _image(self, features: Tensor) -> Tensor:
        image: Tensor = self.image((features - self.centre) / self.spread)
        return image

    def write(self, features: Tensor, longest: int = LONGEST, draws: Tensor | None = None) -> list[list[str]]:
        """(B, d) -> the words of B captions: the likeliest word, again and again (greedy).

        `draws`: (B, longest) numbers by which words are drawn instead, see sampling.py.
        """
        with torch.inference_mode():
            _, state = self.lstm(self._image(features)[:, None])
            words = torch.full((len(features), 1), START, device=features.device)
            rows = []
            going = torch.ones(len(features), dtype=torch.bool, device=features.device)
            for step in range(longest):
                seen, state = self.lstm(self.words(words), state)
                logits = self.next(seen[:, 0])
                logits[:, [PAD, START]] = -torch.inf  # no words, and nothing learns not to say them
                best = logits.argmax(1) if draws is None else draw(logits.softmax(1), draws[:, step])
                going = going & (best != END)
                if not going.any():
                    break
                rows.append(torch.where(going, best, END))
                words = best[:, None]
        if not rows:
            return [[] for _ in features]
        known = self.config.vocabulary
        return [[known[word] for word in row if word != END] for row in torch.stack(rows, 1).cpu().tolist()]


class CnnLstmCaptioner:
    """A CNN-LSTM as a backbone: what it gives for an image is its caption."""

    batch = BATCH

    def __init__(self, network: CnnLstm, eyes: Eyes, path: Path, device: str = "cpu") -> None:
        self.identity = sha256_of(path)
        self.name = f"cnn-lstm {self.identity}"
        self.title = f"CNN-LSTM ({path.parent.name})"
        self._network = network.to(device).eval()
        self._eyes = eyes
        self._device = device

    @classmethod
    def load(cls, device: str, path: Path) -> CnnLstmCaptioner:
        """Read a captioner.safetensors of `unprompt colour train-captions`. Raises CheckpointError."""
        network = read_cnn_lstm(path)
        config = network.config
        if not config.backbone:
            raise CheckpointError(
                f"{path} does not say which network looks at images for it; write it again with "
                "`unprompt colour train-captions`"
            )
        eyes = Eyes.load(config.backbone, config.size, config.stages, device)
        if eyes.width != config.features:
            raise CheckpointError(
                f"{path} was trained on {config.features} features of an image, {config.backbone} gives "
                f"{eyes.width}"
            )
        return cls(network, eyes, path, device)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """The central square: RGB image -> (S, S, 3) uint8."""
        return self._eyes.preprocess.fit(image)

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B times (S, S, 3) -> B captions."""
        return _joined(self._network.write(self._see(prepared)))

    def several(self, prepared: Sequence[NDArray[Any]], count: int) -> NDArray[np.str_]:
        """B times (S, S, 3) -> (B, 1 + K) captions: the likeliest, then K drawn ones (sampling.py)."""
        seen = self._see(prepared)
        draws = even_draws(count, LONGEST).to(self._device).repeat(len(seen), 1)
        drawn = _joined(self._network.write(seen.repeat_interleave(count, 0), draws=draws))
        return np.column_stack([_joined(self._network.write(seen)), drawn.reshape(-1, count)])

    def _see(self, prepared: Sequence[NDArray[Any]]) -> Tensor:
        return torch.from_numpy(self._eyes.see(np.stack(prepared))).to(self._device)


def _joined(captions: Sequence[Sequence[str]]) -> NDArray[np.str_]:
    return np.array([" ".join(words) for words in captions], dtype=np.str_)


def write_cnn_lstm(path: Path, network: CnnLstm, about: Mapping[str, Any] | None = None) -> None:
    """Write a captioner (.safetensors) and its record with its vocabulary beside it; see `WeightsForm`."""
    FORM.write(path, network, network.config, about)


def read_cnn_lstm(path: Path) -> CnnLstm:
    """A captioner in evaluation mode. Raises CheckpointError."""
    return FORM.read(path, CnnLstmConfig, CnnLstm)[1]
