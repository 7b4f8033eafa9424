"""The network: an image backbone, and a head that turns its features into the 384 numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from unprompt.errors import CheckpointError, ConfigError
from unprompt.learning.frozen_stages import later_stages
from unprompt.networks.backbones import (
    create,
    fold,
    load,
    own_preprocess,
    patch_of,
    pretrained_state,
    width_of,
)
from unprompt.networks.preprocess import Preprocess
from unprompt.records import DIM
from unprompt.regression.config import HEADS, TrainConfig

MLP_FACTOR = 16  # the hidden layer's width, in widths of the features


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build the network again, but its parameters."""

    backbone: str
    head: str
    preprocess: Preprocess
    patch: int = 0  # pixels; 0: the backbone's own
    fold_norms: bool = False
    words: tuple[str, ...] = ()  # what a words head knows

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ConfigError(f"head must be one of {', '.join(HEADS)}, got '{self.head}'")
        if self.patch < 0:
            raise ConfigError(f"patch must be at least 0, got {self.patch}")
        if (self.head == "words") != bool(self.words):
            raise ConfigError(
                f"a words head has words and no other has, got {self.head} with {len(self.words)}"
            )

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "words": list(self.words)}

    @classmethod
    def from_dict(cls, content: Any) -> ModelSpec:
        """Read what `as_dict` gave. Raises CheckpointError for what makes no sense as a description."""
        kinds = {
            "backbone": str,
            "head": str,
            "preprocess": dict,
            "patch": int,
            "fold_norms": bool,
            "words": list,
        }
        if not isinstance(content, dict) or set(content) != set(kinds):
            raise CheckpointError(f"a network is described by {', '.join(kinds)}; got {content!r:.200}")
        for name, kind in kinds.items():
            if type(content[name]) is not kind:
                raise CheckpointError(
                    f"'{name}' of a network must be {kind.__name__}, got {content[name]!r:.80}"
                )
        if not all(isinstance(word, str) for word in content["words"]):
            raise CheckpointError("'words' of a network must be texts")
        try:
            return cls(
                **{
                    **content,
                    "preprocess": Preprocess(**content["preprocess"]),
                    "words": tuple(content["words"]),
                }
            )
        except (ConfigError, TypeError, ValueError) as error:
            raise CheckpointError(f"the description of the network makes no sense: {error}") from error


class EmbeddingRegressor(torch.nn.Module):  # type: ignore[misc]
    """(B, 3, S, S) normalised pixels -> (B, 384) embeddings."""

    def __init__(self, spec: ModelSpec, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self.width = width_of(spec.backbone, backbone)
        self.head = _head(spec, self.width)

    def features(self, batch: torch.Tensor, stages: int = 0) -> torch.Tensor:
        """(B, 3, S, S) -> (B, d): what the backbone puts out.

        With `stages`, the batch is what so many first stages have made of images, (B, C, h, w).
        """
        return later_stages(self.backbone, stages, batch) if stages else self.backbone(batch)

    def raw(self, batch: torch.Tensor, stages: int = 0) -> torch.Tensor:
        """A batch as for `features` -> (B, 384): the head's output, of any length."""
        return self.head(self.features(batch, stages))

    def forward(self, batch: torch.Tensor, stages: int = 0) -> torch.Tensor:
        """A batch as for `features` -> (B, 384) unit rows, scaled in float32 whatever the precision."""
        return torch.nn.functional.normalize(self.raw(batch, stages).float(), dim=1)

    def inputs(self, loaded: torch.Tensor, stages: int = 0) -> torch.Tensor:
        """(B, S, S, 3) uint8, or (B, h, w, C) float16 of `stages` -> a batch, channels last."""
        return loaded.permute(0, 3, 1, 2).float() if stages else self.spec.preprocess.normalise(loaded)


class WordsHead(torch.nn.Module):  # type: ignore[misc]
    """(B, d) features -> how likely each of V words is in the prompt -> (B, 384), what such words mean."""

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.words = torch.nn.Linear(width, words)
        self.embedding = torch.nn.Linear(words, DIM)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """(B, d) -> (B, V): log odds of each word."""
        return self.words((features - self.mean) * self.scale)

    def meaning(self, logits: torch.Tensor) -> torch.Tensor:
        """(B, V) log odds -> (B, 384) of any length."""
        return self.embedding(logits.sigmoid())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, d) -> (B, 384) of any length."""
        return self.meaning(self.logits(features))


def _head(spec: ModelSpec, width: int) -> torch.nn.Module:
    if spec.head == "linear":
        return torch.nn.Linear(width, DIM)
    if spec.head == "words":
        return WordsHead(width, len(spec.words))
    hidden = MLP_FACTOR * width
    return torch.nn.Sequential(
        torch.nn.Linear(width, hidden),
        torch.nn.BatchNorm1d(hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, DIM),
    )


def new_model(config: TrainConfig, words: tuple[str, ...] = ()) -> EmbeddingRegressor:
    """The network that training begins with: `new_backbone` with a head; a words head knows `words`."""
    return with_head(config, new_backbone(config), words)


def new_backbone(config: TrainConfig) -> torch.nn.Module:
    """The backbone that training begins with: weights from a file or, from scratch, seeded by `config.seed`.

    torch's own random numbers are left as they were. Raises ConfigError for settings that the backbone was
    not made for, CheckpointError where its weights are missing or of another model.
    """
    size = own_preprocess(config.backbone, config.size).size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.from_scratch:
            backbone = create(config.backbone, size, config.patch, config.drop_path)
        else:
            state, source = pretrained_state(config.backbone, config.weights)
            backbone = load(config.backbone, size, config.patch, config.drop_path, state, source)
        if (config.size or config.patch) and size % (patch_of(backbone) or 1):
            raise ConfigError(
                f"size {size} is not a multiple of {config.backbone}'s patch of {patch_of(backbone)} pixels"
            )
        if config.fold_norms:
            fold(backbone, config.backbone)
    return backbone


def with_head(config: TrainConfig, backbone: torch.nn.Module, words: tuple[str, ...]) -> EmbeddingRegressor:
    """A backbone with a new head, seeded by `config.seed` whatever the backbone drew, in training mode."""
    spec = ModelSpec(
        backbone=config.backbone,
        head=config.head,
        preprocess=own_preprocess(config.backbone, config.size),
        patch=config.patch,
        fold_norms=config.fold_norms,
        words=words,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = EmbeddingRegressor(spec, backbone)
    model.train()
    return model


def build(spec: ModelSpec) -> EmbeddingRegressor:
    """The network of a description, with parameters that are still to be loaded, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        backbone = create(spec.backbone, spec.preprocess.size, spec.patch)
        if spec.fold_norms:
            fold(backbone, spec.backbone)
        model = EmbeddingRegressor(spec, backbone)
    model.eval()
    return model
