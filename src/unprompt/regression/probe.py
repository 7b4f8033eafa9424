"""Linear probing: the head alone, fitted to the features of the frozen backbone.

Fine-tuning then begins with a head that already points the right way, so that its first steps do not undo
what the backbone has learnt (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features"). The features
are computed once, so this costs one pass over the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from unprompt.datasets.seeds import derive_seed
from unprompt.regression.config import TrainConfig
from unprompt.regression.model import WordsHead
from unprompt.regression.objective import loss_of
from unprompt.regression.words import presence, word_loss

# The strongest leave little but the mean target: the right guess where images are few.
RIDGE_STRENGTHS = tuple(10.0**exponent for exponent in (-4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 2, 3))
PROBE_BATCH = 256
MLP_LEARNING_RATE = 1e-3
WORDS_LEARNING_RATE, WORDS_WEIGHT_DECAY = 2e-3, 0.05


def fit_head(
    head: Any,
    config: TrainConfig,
    features: torch.Tensor,
    targets: torch.Tensor,
    words: torch.Tensor | None,
    held_out_features: torch.Tensor,
    held_out_targets: torch.Tensor,
    device: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit a head of `config`'s kind in place; gives what it then makes of the features and the held-out ones.

    (n, d) features, (n, 384) targets and, for a words head, (n, L) words; held-out rows choose the strength
    of ridge regressions.
    """
    seed = derive_seed(config.seed, "probe")
    if config.head == "linear":
        ridge = fit_ridge(features, targets, held_out_features, held_out_targets)
        with torch.no_grad():
            head.weight.copy_(ridge.weight)
            head.bias.copy_(ridge.bias)
    elif words is not None:
        held_out = (held_out_features, held_out_targets)
        fit_words(head, features, targets, words, *held_out, config.probe, seed, device)
    else:

        def loss(raw: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
            return loss_of(raw, truth, config.mse).mean()

        fit_mlp(head, features, targets, loss, config.probe, seed, device)
    head.eval()
    with torch.no_grad():
        raw, raw_held_out = (
            torch.cat([head(part.to(device)).cpu() for part in rows.split(4096)])
            for rows in (features, held_out_features)
        )
    return raw, raw_held_out


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map from features to embeddings: `weight` (384, d), `bias` (384,).

    `strength`: the penalty in units of the features' mean variance, a row. `score`: what it was chosen by.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    strength: float
    score: float


def fit_ridge(
    features: torch.Tensor,
    targets: torch.Tensor,
    held_out_features: torch.Tensor,
    held_out_targets: torch.Tensor,
) -> Ridge:
    """Ridge regression in closed form, its strength chosen by the score on held-out rows.

    (n, d) and (n, 384), (m, d) and (m, 384) -> the W of least |(F - f) W' - (Y - y)|^2 + s |W|^2, with the
    columns' means f and y. One eigendecomposition serves all strengths.
    """
    mean, mean_target = features.mean(0, dtype=torch.float64), targets.mean(0, dtype=torch.float64)
    gram = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64)
    product = torch.zeros(features.shape[1], targets.shape[1], dtype=torch.float64)
    for some, their_targets in zip(features.split(4096), targets.split(4096), strict=True):
        centred = some.double() - mean
        gram += centred.T @ centred
        product += centred.T @ (their_targets.double() - mean_target)
    values, axes = torch.linalg.eigh(gram)
    turned = axes.T @ product  # (d, 384)
    scale = float(values.clamp_min(0).mean()) or 1.0
    best: Ridge | None = None
    for strength in RIDGE_STRENGTHS:
        weight = (axes @ (turned / (values.clamp_min(0) + strength * scale)[:, None])).T
        bias = mean_target - weight @ mean
        guess = held_out_features.double() @ weight.T + bias
        score = float(torch.cosine_similarity(guess, held_out_targets.double()).mean())
        if best is None or score > best.score:
            best = Ridge(weight.float(), bias.float(), strength, score)
    assert best is not None
    return best


def fit_mlp(
    head: Any,
    features: torch.Tensor,
    targets: torch.Tensor,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    epochs: int,
    seed: int,
    device: str,
) -> None:
    """Train a head in place on (n, d) features and (n, 384) targets, by AdamW with a cosine schedule."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=MLP_LEARNING_RATE, weight_decay=0.02)

    def loss_at(rows: torch.Tensor) -> torch.Tensor:
        return loss(head(features[rows].to(device)), targets[rows].to(device))

    head.train()
    _descend(optimizer, loss_at, len(features), epochs, seed)
    head.eval()


def fit_words(
    head: WordsHead,
    features: torch.Tensor,
    targets: torch.Tensor,
    words: torch.Tensor,
    held_out_features: torch.Tensor,
    held_out_targets: torch.Tensor,
    epochs: int,
    seed: int,
    device: str,
) -> None:
    """Train a words head in place: first which words are there, then what they mean together.

    (n, d) features, (n, 384) targets, (n, L) words as `word_rows` gives them; held-out rows choose the
    strength of the ridge regression.
    """
    count = len(head.words.bias)
    found = torch.stack([presence(rows, count).sum(0) for rows in words.split(4096)]).sum(0)
    share = (found + 0.5) / (len(words) + 1)
    with torch.no_grad():
        head.mean.copy_(features.mean(0))
        head.scale.copy_(1 / (features.std(0) + 1e-3))
        head.words.weight.zero_()
        head.words.bias.copy_(torch.logit(share))
    optimizer = torch.optim.AdamW(
        head.words.parameters(), lr=WORDS_LEARNING_RATE, weight_decay=WORDS_WEIGHT_DECAY
    )

    def loss_at(rows: torch.Tensor) -> torch.Tensor:
        return word_loss(head.logits(features[rows].to(device)), words[rows].to(device)).mean()

    _descend(optimizer, loss_at, len(features), epochs, seed)
    with torch.no_grad():
        likely, likely_held_out = (
            torch.cat([head.logits(part.to(device)).sigmoid().cpu() for part in rows.split(4096)])
            for rows in (features, held_out_features)
        )
        ridge = fit_ridge(likely, targets, likely_held_out, held_out_targets)
        head.embedding.weight.copy_(ridge.weight)
        head.embedding.bias.copy_(ridge.bias)


def _descend(
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[torch.Tensor], torch.Tensor],
    count: int,
    epochs: int,
    seed: int,
) -> None:
    """Some epochs over `count` rows in whole batches, with a cosine schedule."""
    dice = torch.Generator().manual_seed(seed)
    batch = min(PROBE_BATCH, count)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(epochs * (count // batch), 1))
    for _ in range(epochs):
        for rows in torch.randperm(count, generator=dice).split(batch):
            if len(rows) < batch:  # batch norm needs whole batches
                continue
            optimizer.zero_grad()
            loss_at(rows).backward()
            optimizer.step()
            schedule.step()
