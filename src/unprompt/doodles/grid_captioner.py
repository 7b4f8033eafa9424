"""A captioner of pixels: it writes facts word by word, and looks at a frozen network's map each time.

Xu et al. 2015, "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", with a
transformer's decoder as the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from unprompt.doodles.captioners import Caption, captioned
from unprompt.doodles.facts import BESIDE, IN_THE_SKY, RELATIONS, Kind, SceneFacts
from unprompt.doodles.grid_config import GridConfig
from unprompt.doodles.ink import picture_of
from unprompt.networks.backbones import load, own_preprocess, pretrained_state
from unprompt.networks.cnn_lstm_config import END, PAD, START
from unprompt.networks.folding import fold_batch_norms
from unprompt.networks.weight_files import WeightsForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.doodles.drawing import Drawing

FORM = WeightsForm(
    "grid captioner of drawings", "unprompt-doodle-grid", 1, "unprompt doodle train --model grid"
)
SPECIAL = ("<pad>", "<start>", "<end>")
MOST_COUNT = 12
LONGEST = 24  # tokens of a caption
LINE = 1.6 / 28  # of a picture's side
BATCH = 16


def find_tokens(words: Sequence[str]) -> tuple[str, ...]:
    """All that a writer can write about these nouns."""
    counts = [str(count) for count in range(1, MOST_COUNT + 1)]
    return (*SPECIAL, *counts, *RELATIONS, IN_THE_SKY, *words)


def write_tokens(facts: SceneFacts) -> list[str]:
    """2 cat beside 1 house, in the sky 1 sun."""
    found: list[str] = []
    for kind, relation in zip(facts.ground, ("", *facts.relations), strict=True):
        found += [*filter(None, (relation,)), str(min(kind.count, MOST_COUNT)), kind.noun]
    for kind in facts.sky:
        found += [IN_THE_SKY, str(min(kind.count, MOST_COUNT)), kind.noun]
    return found


def read_tokens(tokens: Sequence[str]) -> SceneFacts:
    """The facts of what was written; what is out of place is passed over."""
    ground: list[Kind] = []
    sky: list[Kind] = []
    relations: list[str] = []
    between, count, above = "", 1, False
    for token in tokens:
        if token in SPECIAL:
            continue
        if token == IN_THE_SKY:
            above = True
        elif token in RELATIONS:
            between = token
        elif token.isdigit():
            count = int(token)
        elif above:
            sky.append(Kind(token, count, True))
            count, above = 1, False
        else:
            if ground:
                relations.append(between or BESIDE)
            ground.append(Kind(token, count))
            between, count = "", 1
    return SceneFacts((*ground, *sky), tuple(relations))


class Writer(nn.Module):  # type: ignore[misc]
    """Places of a picture (B, P, channels) and tokens (B, T) -> logits of what follows each (B, T, V)."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("centre", torch.zeros(config.channels))
        self.register_buffer("spread", torch.ones(config.channels))
        self.places = nn.Linear(config.channels, width)
        side = -(-config.size // 32)
        self.where = nn.Parameter(torch.randn(side * side, width) * 0.02)
        self.tokens = nn.Embedding(len(config.tokens), width)
        self.order = nn.Parameter(torch.randn(LONGEST + 1, width) * 0.02)
        layer = nn.TransformerDecoderLayer(
            width, config.heads, 2 * width, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.layers, nn.LayerNorm(width))
        self.next = nn.Linear(width, len(config.tokens))

    def forward(self, places: Tensor, tokens: Tensor) -> Tensor:
        """Logits."""
        seen = self.places((places - self.centre) / self.spread) + self.where
        said = self.tokens(tokens) + self.order[: tokens.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device)
        logits: Tensor = self.next(self.decoder(said, seen, tgt_mask=mask, tgt_is_causal=True))
        return logits

    def write(self, places: Tensor) -> tuple[list[list[str]], list[float]]:
        """The likeliest token, again and again: the tokens of B captions, and their least probability."""
        known = self.config.tokens
        tokens = torch.full((len(places), 1), START, device=places.device)
        sure = torch.ones(len(places), device=places.device)
        going = torch.ones(len(places), dtype=torch.bool, device=places.device)
        with torch.inference_mode():
            for _ in range(LONGEST):
                logits = self(places, tokens)[:, -1]
                logits[:, [PAD, START]] = -torch.inf
                best = logits.softmax(1).max(1)
                going = going & (best.indices != END)
                sure = torch.where(going, torch.minimum(sure, best.values), sure)
                tokens = torch.cat([tokens, torch.where(going, best.indices, PAD)[:, None]], 1)
                if not going.any():
                    break
        rows = [[known[token] for token in row if token != PAD] for row in tokens[:, 1:].tolist()]
        return rows, sure.tolist()


class Grid:
    """A frozen backbone of timm's: drawings -> what it says of each place (B, P, channels) float32."""

    def __init__(self, backbone: str, size: int, device: str = "cpu") -> None:
        """Raises ConfigError for another name, CheckpointError where nothing has its weights."""
        state, source = pretrained_state(backbone, None)
        network = load(backbone, size, 0, 0.0, state, source)
        self._preprocess = own_preprocess(backbone, size)
        self._network = fold_batch_norms(network.eval().requires_grad_(False)).to(device)
        self._device = device

    def see(self, drawings: Sequence[Drawing]) -> NDArray[np.float32]:
        """What is at each place, row by row."""
        size = self._preprocess.size
        pixels = np.stack([scene_pixels(drawing, size) for drawing in drawings])
        with torch.inference_mode():
            shown = self._preprocess.normalise(torch.from_numpy(pixels).to(self._device))
            maps = self._network.forward_features(shown)
            found: NDArray[np.float32] = maps.flatten(2).transpose(1, 2).float().cpu().numpy()
        return found


def scene_pixels(drawing: Drawing, size: int) -> NDArray[np.uint8]:
    """A sheet as a network of pictures sees it (size, size, 3)."""
    pen = max(1.0, LINE * size / 6)
    grey = np.asarray(picture_of(drawing, size, pen, size / 20))
    return np.repeat(grey[..., None], 3, 2)


class GridCaptioner:
    """The writer with its eyes."""

    def __init__(self, writer: Writer, device: str = "cpu") -> None:
        self._writer = writer.to(device).eval()
        self._eyes = Grid(writer.config.backbone, writer.config.size, device)
        self._device = device

    @classmethod
    def load(cls, weights: Path, device: str = "cpu") -> GridCaptioner:
        """A captioner of `unprompt doodle train --model grid`. Raises CheckpointError."""
        return cls(FORM.read(weights, GridConfig, Writer)[1], device)

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        """One for each drawing."""
        found: list[Caption] = []
        for first in range(0, len(drawings), BATCH):
            some = drawings[first : first + BATCH]
            places = torch.from_numpy(self._eyes.see(some)).to(self._device)
            rows, sure = self._writer.write(places)
            for drawing, row, probability in zip(some, rows, sure, strict=True):
                facts = read_tokens(row) if drawing.strokes else SceneFacts(())
                found.append(captioned(facts, probability))
        return found
