"""The eyes of a words captioner: a trained network's backbone, and what its words head reads."""

from __future__ import annotations

from pathlib import Path

import torch

from unprompt.errors import ConfigError
from unprompt.networks.backbones import CLIP, own_preprocess
from unprompt.networks.words_captioner import Eyes
from unprompt.networks.words_captioner_config import EyesConfig
from unprompt.regression.checkpoint import load_model
from unprompt.regression.model import EmbeddingRegressor, WordsHead

SAME = 1e-3  # what rounding may change of features


def eyes_of(path: Path) -> Eyes:
    """The eyes in a file that `unprompt train` left.

    Raises CheckpointError for another file, ConfigError for a network without a words head, and for one
    whose features are not the mean of its last map, since then words cannot be read place by place.
    """
    model: EmbeddingRegressor = load_model(path).model
    spec, head = model.spec, model.head
    if not isinstance(head, WordsHead):
        raise ConfigError(f"{path} has a {spec.head} head; a words captioner sees by a words head")
    own = own_preprocess(spec.backbone, spec.preprocess.size) if not spec.backbone.startswith(CLIP) else None
    if spec.patch or spec.preprocess != own:
        raise ConfigError(f"{path}: a words captioner sees by a network of timm's that sees as timm says")
    side = spec.preprocess.size
    with torch.inference_mode():
        noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        seen = model.backbone.forward_features(noise)
        features = model.backbone(noise)
    if seen.ndim != 4 or not bool(((seen.mean((2, 3)) - features).abs() <= SAME).all()):
        raise ConfigError(
            f"{path}: the features of {spec.backbone} are not the mean of its last map, so that its words "
            "cannot be read place by place; train a convolutional network for it"
        )
    eyes = Eyes(
        EyesConfig(
            spec.backbone, side, spec.fold_norms, seen.shape[1], seen.shape[2] * seen.shape[3], spec.words
        )
    )
    eyes.backbone.load_state_dict(model.backbone.state_dict())
    eyes.mean.copy_(head.mean)
    eyes.scale.copy_(head.scale)
    eyes.words.load_state_dict(head.words.state_dict())
    eyes.eval().requires_grad_(False)
    return eyes
