"""Two small transformers: which strokes belong together, and what groups of strokes are among the others.

Between them a smaller network, which decides about groups that the first is not sure of; see joins.py.

Both look at tokens and at pairs of them (Vaswani et al. 2017, with what is known of a pair added to each
attention, as in Shaw et al. 2018, "Self-Attention with Relative Position Representations"). What a group is
called starts from the namer's own answer; groups that look the same add up theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from unprompt.doodles.group_config import GroupConfig
from unprompt.doodles.strokes import PAIR, STROKE

GROUP = 8  # numbers about a group of strokes
BOTH = 5  # numbers about two groups
JOIN = 17  # numbers about two groups that may be one thing
INNER = 32  # numbers that a pair is described by
LEAST = 1e-4  # probability; smaller ones tell nothing
NEVER = -1e4
RARE = -2.0  # log odds to begin with that two are the same


class Told(NamedTuple):
    """B sheets with up to T tokens: `each` (B, T, n), `pairs` (B, T, T, m), `there` (B, T) bool."""

    each: Tensor
    pairs: Tensor
    there: Tensor


class GroupNetwork(nn.Module):  # type: ignore[misc]
    """All three, as they lie in one file."""

    def __init__(self, config: GroupConfig) -> None:
        super().__init__()
        self.config = config
        self.strokes = Belonging(config)
        self.joins = Joining()
        self.names = Naming(config)


class Belonging(nn.Module):  # type: ignore[misc]
    """Strokes -> how much each two are of one thing (B, S, S), above 0 for it."""

    def __init__(self, config: GroupConfig) -> None:
        super().__init__()
        width = config.stroke_width
        self.embed = nn.Sequential(nn.Linear(STROKE, width), nn.GELU(), nn.Linear(width, width))
        self.among = _Among(width, config.stroke_layers, config.heads, PAIR)

    def forward(self, told: Told) -> Tensor:
        """Symmetric scores."""
        _, same = self.among(self.embed(told.each), told.pairs, told.there)
        return same


class Joining(nn.Module):  # type: ignore[misc]
    """What is known of two groups (N, JOIN) -> how much they are one thing (N,), above 0 for it."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(JOIN, INNER), nn.GELU(), nn.Linear(INNER, 1))

    def forward(self, told: Tensor) -> Tensor:
        return self.weigh(told)[:, 0]


class Naming(nn.Module):  # type: ignore[misc]
    """Groups with a namer's answers -> what each is, and which are the same kind of thing."""

    def __init__(self, config: GroupConfig) -> None:
        super().__init__()
        width, words = config.group_width, len(config.words)
        self.embed = nn.Sequential(nn.Linear(GROUP, width), nn.GELU(), nn.Linear(width, width))
        self.answers = nn.Linear(words, width)
        # The same drawings come in many scenes: without it their answers are learnt by heart.
        self.dropout = nn.Dropout(config.dropout)
        self.among = _Among(width, config.group_layers, config.heads, BOTH)
        self.context = nn.Linear(width, words + 1)
        self.trust = nn.Parameter(torch.tensor([1.0, 0.5]))  # in the own answer, in those of the same kind
        nn.init.zeros_(self.context.weight)

    def forward(self, told: Told, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """And a namer's probabilities (B, G, words) -> logits (B, G, words + 1), same (B, G, G).

        The last logit is for what is no thing, but a piece of another.
        """
        answers = (probabilities + LEAST).log()
        centred = answers - answers.mean(2, keepdim=True)
        evidence = alike(probabilities)
        hidden, same = self.among(
            self.dropout(self.embed(told.each) + self.answers(self.dropout(centred / 4))),
            torch.cat([told.pairs, evidence[..., None]], 3),
            told.there,
        )
        others = torch.eye(same.shape[1], dtype=torch.bool, device=same.device)
        shares = same.sigmoid().masked_fill(others | ~told.there[:, None], 0)
        named = self.trust[0] * centred + self.trust[1] * (shares @ centred)
        return functional.pad(named, (0, 1)) + self.context(self.dropout(hidden)), same


def alike(probabilities: Tensor) -> Tensor:
    """How much likelier two groups are the same word than by chance, log (B, G, G)."""
    words = probabilities.shape[2]
    return ((probabilities @ probabilities.transpose(1, 2)) * words + 1e-2).log()


class _Among(nn.Module):  # type: ignore[misc]
    """Tokens look at each other -> tokens, and a score for each two."""

    def __init__(self, width: int, layers: int, heads: int, pair: int) -> None:
        super().__init__()
        self.pair = nn.Sequential(nn.Linear(pair, INNER), nn.ReLU(), nn.Linear(INNER, INNER), nn.ReLU())
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.side = nn.Linear(width, INNER)
        self.same = nn.Sequential(nn.ReLU(), nn.Linear(INNER, INNER), nn.ReLU(), nn.Linear(INNER, 1))
        nn.init.constant_(self.same[-1].bias, RARE)

    def forward(self, tokens: Tensor, pairs: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        # Sheets have few tokens or many: only pairs that are there are computed, each once.
        at = (there[:, :, None] & there[:, None]).triu().nonzero(as_tuple=True)
        sheet, one, other = at
        known = self.pair(pairs[at])  # (P, INNER)
        for layer in self.layers:
            tokens = layer(tokens, known, at)
        tokens = self.norm(tokens)
        side = self.side(tokens)
        first, second = side[sheet, one], side[sheet, other]
        scores = self.same(known + first + second - (first - second).abs())[:, 0]
        same = scores.new_zeros(pairs.shape[:3])
        same[sheet, one, other] = scores
        same[sheet, other, one] = scores
        return tokens, same


class _Layer(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.asks = nn.Linear(width, 3 * width)
        self.bias = nn.Linear(INNER, heads)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, known: Tensor, at: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        batch, count, width = tokens.shape
        asked = self.asks(self.norm(tokens)).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        sheet, one, other = at
        each = self.bias(known)
        bias = each.new_full((batch, self.heads, count, count), NEVER)
        bias[sheet, :, one, other] = each
        bias[sheet, :, other, one] = each
        looked = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        tokens = tokens + self.out(looked.transpose(1, 2).reshape(batch, count, width))
        return tokens + self.think(tokens)
