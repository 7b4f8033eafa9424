"""A captioner whose eyes are a `words` head: it is told, place by place, how likely each word is.

The regression's backbone ends in a map whose mean its head reads: the log odds of each word being in the
prompt. The head is linear, so it reads each place of the map as well (Zhou et al. 2016, "Learning Deep
Features for Discriminative Localization", class activation maps), and the mean of what it reads there is what
it reads of the whole. A small transformer writes the caption from these words and their places (Vaswani et
al. 2017, "Attention Is All You Need"). The next word's logits begin with the eyes' own log odds of the words
at the places that are looked at, as a pointer does (See et al. 2017, "Get To The Point"), so that a rare noun
can be said that has hardly ever been learnt to be said.

Nothing learns to see here: that is what a captioner from nothing has no time for on two cores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unprompt.errors import CheckpointError
from unprompt.networks.backbones import create, fold, own_preprocess
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.cnn_lstm_config import END, PAD, SPECIAL, START, UNKNOWN
from unprompt.networks.sampling import draw, even_draws
from unprompt.networks.weight_files import WeightsForm
from unprompt.networks.words_captioner_config import EyesConfig, WordsCaptionerConfig
from unprompt.text.words import split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FORM = WeightsForm("words captioner", "unprompt-words-captioner", 1, "unprompt pocket")
LONGEST = 48  # signs of a caption
BATCH = 16
RUN = 3  # signs in a row that are not said twice
LEAST = 1e-4  # probability of a word; smaller ones tell nothing
CAREFUL = 0.25  # of the eyes' log odds, to begin with: places are surer than the whole

_SIGN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")
_CLOSES = frozenset(",.;:!?)")


def split_signs(caption: str) -> list[str]:
    """Words as they are spelt, and marks, each by itself: "A fox, asleep" -> A fox , asleep."""
    return _SIGN.findall(caption)


def join_signs(signs: Sequence[str]) -> str:
    """The caption again, with no space before a mark that closes."""
    return "".join(sign if sign in _CLOSES else f" {sign}" for sign in signs).strip()


class Eyes(nn.Module):  # type: ignore[misc]
    """A backbone and the linear part of a words head: images -> maps -> log odds of words at each place."""

    def __init__(self, config: EyesConfig) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            self.backbone = create(config.backbone, config.size)
        if config.fold_norms:
            fold(self.backbone, config.backbone)
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("scale", torch.ones(config.channels))
        self.words = nn.Linear(config.channels, len(config.words))

    def look(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised -> (B, P, C), what is at each place, row by row."""
        maps: Tensor = self.backbone.forward_features(images)
        return maps.flatten(2).transpose(1, 2)

    def read(self, maps: Tensor) -> Tensor:
        """(B, P, C) -> (B, 1 + P, W) log odds: of the whole, then of each place."""
        logits = self.words((maps - self.mean) * self.scale)
        return torch.cat([logits.mean(1, keepdim=True), logits], 1)


class Writer(nn.Module):  # type: ignore[misc]
    """Log odds of words (B, 1 + P, W), maps (B, P, C) and signs (B, T) -> logits of the next (B, T, V)."""

    def __init__(self, config: WordsCaptionerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.read_words = nn.Linear(len(config.eyes.words), width, bias=False)
        self.read_map = nn.Linear(config.eyes.channels, width)
        self.where = nn.Parameter(torch.randn(1 + config.eyes.places, width) * 0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(_Layer(config) for _ in range(config.encoder_layers))
        self.seen = nn.LayerNorm(width)
        self.signs = nn.Embedding(len(config.vocabulary), width)
        self.order = nn.Parameter(torch.randn(LONGEST + 1, width) * 0.02)
        self.decoder = nn.ModuleList(_Layer(config, crossed=True) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.asks, self.keys = nn.Linear(width, width), nn.Linear(width, width)
        self.next = nn.Linear(width, len(config.vocabulary))
        self.trust = nn.Parameter(torch.tensor([CAREFUL, CAREFUL]))  # in the whole, in the place looked at
        self.gate = nn.Linear(width, 1)  # a word of the image's, or of the grammar's
        self.register_buffer("pointed", _pointers(config), persistent=False)

    def see(self, logits: Tensor, maps: Tensor) -> Tensor:
        """What is looked at while writing: (B, 1 + P, width)."""
        said = (logits.sigmoid() + LEAST).log() - np.log(LEAST)
        whole = maps.mean(1, keepdim=True)
        seen = self.read_words(said / 4) + self.read_map(torch.cat([whole, maps], 1))
        seen = self.dropout(seen) + self.where
        for layer in self.encoder:
            seen = layer(seen)
        found: Tensor = self.seen(seen)
        return found

    def forward(self, logits: Tensor, maps: Tensor, signs: Tensor) -> Tensor:
        """Logits of what follows each sign."""
        seen, spelt = self.see(logits, maps), self._spelt(logits)
        hidden = self.dropout(self.signs(signs) + self.order[: signs.shape[1]])
        for layer in self.decoder:
            hidden = layer(hidden, seen, causal=True)
        return self._told(self.norm(hidden), seen, spelt)

    def _spelt(self, logits: Tensor) -> Tensor:
        """(B, 1 + P, W) -> (B, 1 + P, V): log odds of each sign, 0 for those that are no words."""
        return functional.pad(logits, (0, 1))[..., self.pointed]

    def _told(self, hidden: Tensor, seen: Tensor, spelt: Tensor) -> Tensor:
        """(B, T, width) states -> (B, T, V): what the grammar says next, and what is seen."""
        scores = self.asks(hidden) @ self.keys(seen).transpose(1, 2) / hidden.shape[2] ** 0.5  # (B, T, 1 + P)
        # Trust in the whole image, and in the place that is looked at.
        shares = self.trust[1] * scores.softmax(2) + functional.pad(self.trust[:1], (0, spelt.shape[1] - 1))
        told: Tensor = self.next(hidden) + (self.gate(hidden).sigmoid() * shares) @ spelt
        return told

    def write(self, logits: Tensor, maps: Tensor, samples: int = 1) -> tuple[Tensor, Tensor]:
        """Write captions: signs (B, K, T), and how likely each caption was, log (B, K).

        One sample is the likeliest sign, again and again, but for one that would end three in a row that were
        said before (Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization"): of an
        image unlike all it has learnt from, a captioner else says "a pile of a pile of". More samples are
        drawn (sampling.py).
        """
        device = maps.device
        draws = even_draws(samples, LONGEST).to(device) if samples > 1 else None
        with torch.inference_mode():
            seen, spelt = self.see(logits, maps), self._spelt(logits)
            count = len(maps)
            last = torch.full((count, samples), START, device=device)
            going = torch.ones(count, samples, dtype=torch.bool, device=device)
            likely = torch.zeros(count, samples, device=device)
            kept: list[_Kept] = [_Kept() for _ in self.decoder]
            rows: list[Tensor] = []
            for step in range(LONGEST):
                hidden = self.signs(last) + self.order[step]
                for layer, known in zip(self.decoder, kept, strict=True):
                    hidden = layer.step(hidden, seen, known)
                told = self._told(self.norm(hidden), seen, spelt)  # (B, K, V)
                told[..., [PAD, START, UNKNOWN]] = -torch.inf
                told = told.log_softmax(2)
                if draws is not None:
                    last = draw(told.exp(), draws[:, step].expand(count, -1))
                elif step < RUN:
                    last = told.argmax(2)
                else:
                    ends = _ends_of_runs(torch.cat(rows, 1))
                    last = told.scatter(2, ends[:, None], -torch.inf).argmax(2)
                last = torch.where(going, last, END)
                likely += torch.where(going, told.gather(2, last[..., None])[..., 0], 0)
                going = going & (last != END)
                rows.append(last)
                if not going.any():
                    break
        return torch.stack(rows, 2), likely


def _ends_of_runs(said: Tensor) -> Tensor:
    """Signs so far (B, t) -> those that would end a run that was said before (B, t - 2), PAD where none."""
    same = torch.ones_like(said[:, RUN - 1 :], dtype=torch.bool)
    for place in range(1, RUN):  # the end that would be next stands `place` after each sign of the run
        same &= said[:, RUN - 1 - place : said.shape[1] - place] == said[:, -place, None]
    return said[:, RUN - 1 :].where(same, PAD)


class _Kept:
    """Keys and values of the signs before, one layer's: (B K, heads, t, d)."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def grow(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        self.keys = key if self.keys is None else torch.cat([self.keys, key], 2)
        self.values = value if self.values is None else torch.cat([self.values, value], 2)
        return self.keys, self.values


class _Layer(nn.Module):  # type: ignore[misc]
    """A transformer's layer, norms first (Xiong et al. 2020), with or without a look at what is seen."""

    def __init__(self, config: WordsCaptionerConfig, crossed: bool = False) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.norm, self.asks, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), _zero(width)
        if crossed:
            self.cross_norm, self.cross_asks = nn.LayerNorm(width), nn.Linear(width, width)
            self.cross_keys, self.cross_out = nn.Linear(width, 2 * width), _zero(width)
        self.think_norm = nn.LayerNorm(width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, seen: Tensor | None = None, causal: bool = False) -> Tensor:
        """(B, T, width) -> the same, each token having looked at those before it, or at all."""
        query, key, value = map(self._heads, self.asks(self.norm(tokens)).chunk(3, 2))
        looked = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self._after(tokens + self.dropout(self.out(_joined(looked))), seen)

    def step(self, tokens: Tensor, seen: Tensor, kept: _Kept) -> Tensor:
        """The next token of each of K captions an image: (B, K, width) -> the same."""
        alone = tokens.reshape(-1, 1, tokens.shape[2])
        query, key, value = map(self._heads, self.asks(self.norm(alone)).chunk(3, 2))
        looked = functional.scaled_dot_product_attention(query, *kept.grow(key, value))
        return self._after(tokens + self.out(_joined(looked)).view_as(tokens), seen)

    def _after(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        if seen is not None:
            query = self._heads(self.cross_asks(self.cross_norm(tokens)))
            key, value = map(self._heads, self.cross_keys(seen).chunk(2, 2))
            looked = functional.scaled_dot_product_attention(query, key, value)
            tokens = tokens + self.dropout(self.cross_out(_joined(looked)))
        return tokens + self.dropout(self.think(self.think_norm(tokens)))

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)


def _zero(width: int) -> nn.Linear:
    """A layer that adds nothing to begin with."""
    layer = nn.Linear(width, width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _pointers(config: WordsCaptionerConfig) -> Tensor:
    """For each sign the eyes' word that it is, W for none: (V,)."""
    place = {word: number for number, word in enumerate(config.eyes.words)}
    spelt = [split_words(sign) for sign in config.vocabulary]
    none = len(config.eyes.words)
    return torch.tensor(
        [
            place.get(words[0], none) if number >= len(SPECIAL) and len(words) == 1 else none
            for number, words in enumerate(spelt)
        ]
    )


class WordsCaptionNetwork(nn.Module):  # type: ignore[misc]
    """Eyes and writer, as they lie in one file. Without `eyes` they are made, and read from the file."""

    def __init__(self, config: WordsCaptionerConfig, eyes: Eyes | None = None) -> None:
        super().__init__()
        self.config = config
        self.eyes = eyes or Eyes(config.eyes)
        self.writer = Writer(config)


class WordsCaptioner:
    """A words captioner as a backbone: what it gives for an image is its caption."""

    batch = BATCH

    def __init__(self, network: WordsCaptionNetwork, path: Path, device: str = "cpu") -> None:
        self.identity = sha256_of(path)
        self.name = f"words captioner {self.identity}"
        self.title = f"words captioner ({path.parent.name})"
        self._network = network.to(device).eval().requires_grad_(False)
        eyes = network.config.eyes
        self._preprocess = own_preprocess(eyes.backbone, eyes.size)
        self._device = device

    @classmethod
    def load(cls, device: str, path: Path) -> WordsCaptioner:
        """Read a captioner.safetensors. Raises CheckpointError where it is damaged or not one of these."""
        config, network = FORM.read(path, WordsCaptionerConfig, WordsCaptionNetwork)
        found = network.eyes.backbone.num_features
        if found != config.eyes.channels:
            raise CheckpointError(
                f"{path} is of {config.eyes.channels} channels, {config.eyes.backbone} has {found}"
            )
        return cls(network, path, device)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """The central square: RGB image -> (S, S, 3) uint8."""
        return self._preprocess.fit(image)

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        """B times (S, S, 3) -> B captions."""
        return self._said(*self._look(prepared), 1)[:, 0]

    def several(self, prepared: Sequence[NDArray[Any]], count: int) -> NDArray[np.str_]:
        """B times (S, S, 3) -> (B, 1 + K) captions: the likeliest, then K drawn; see `Writer.write`."""
        seen = self._look(prepared)
        return np.concatenate([self._said(*seen, 1), self._said(*seen, count)], 1)

    def _look(self, prepared: Sequence[NDArray[Any]]) -> tuple[Tensor, Tensor]:
        """Log odds of words (B, 1 + P, W) and maps (B, P, C)."""
        pixels = torch.from_numpy(np.stack(prepared)).to(self._device)
        with torch.inference_mode():
            maps = self._network.eyes.look(self._preprocess.normalise(pixels)).float()
            return self._network.eyes.read(maps), maps

    def _said(self, logits: Tensor, maps: Tensor, count: int) -> NDArray[np.str_]:
        """The likeliest caption of each image where one is asked for, else drawn ones: (B, K)."""
        signs, _ = self._network.writer.write(logits, maps, count)
        known = self._network.config.vocabulary
        said = [
            [join_signs([known[sign] for sign in row if sign != END]) for row in rows]
            for rows in signs.tolist()
        ]
        return np.array(said, dtype=np.str_)
