"""Settings of `unprompt train` and `unprompt tune`. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError

HEADS = ("linear", "mlp", "words")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `unprompt train` that decide its result. `train --config` reads them from a TOML file."""

    # The network.
    backbone: str = "vit_base_patch16_224"  # a timm name, or open_clip:NAME for a CLIP image tower
    weights: Path | None = None  # file with the backbone's weights; None: where they are found by name
    from_scratch: bool = False  # random weights instead
    head: str = "linear"  # linear; mlp: d -> 16d, batch norm, ReLU, 384; words: d -> words -> 384
    word_count: int = 10  # a words head knows the words of so many training prompts
    size: int = 0  # side of the input in pixels (0: the backbone's own)
    patch: int = 0  # side of a ViT's patch in pixels (0: the backbone's own)
    drop_path: float = 0.0  # stochastic depth
    fold_norms: bool = (
        False  # batch norms become part of the convolutions: a third faster, no batch statistics
    )
    freeze: tuple[str, ...] = ()  # patterns of backbone parameters that stay as they are, like blocks.0.*
    keep_frozen: bool = False  # run frozen first stages once and keep what they make, in float16, on disk
    # Learning.
    epochs: int = 5
    batch: int = 64  # images an optimiser's step, over all processes and accumulated parts
    learning_rate: float = 1e-4  # peak, after the warm-up
    head_learning_rate: float = 0.0  # 0: the same
    layer_decay: float = 0.8  # each layer farther from the head learns this much slower
    weight_decay: float = 0.02
    warmup: float = 0.1  # share of all steps
    ema: float = 0.999  # decay of the weights' moving average (0: none)
    clip: float = 1.0  # longest gradient (0: any)
    mse: float = 0.0  # share of the squared error in the loss; the rest is cosine
    word_share: float = 0.02  # of a words head's cross entropy, in nats an image, added to the loss
    probe: int = (
        20  # epochs of the head alone on the frozen backbone's features, before fine-tuning (0: none)
    )
    augment: tuple[str, ...] = ()  # names from regression/augment.py
    precision: str = "auto"  # auto: bf16 or fp16 on a GPU that has it, fp32 on a CPU
    # The data.
    validation: float = 0.05  # share of the images
    group_cosine: float = 0.7  # prompts this close stay on one side of the split
    limit: int = 0  # learn from so many images at most (0: all); the validation images stay the same
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.weights, str):
            object.__setattr__(self, "weights", Path(self.weights))
        for name in ("augment", "freeze"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        for name, least in (
            ("size", 0), ("patch", 0), ("epochs", 1), ("batch", 2), ("probe", 0), ("limit", 0), ("seed", 0),
            ("word_count", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.head not in HEADS:
            raise ConfigError(f"head must be one of {', '.join(HEADS)}, got '{self.head}'")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got '{self.precision}'")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate must be above 0 and below 1, got {self.learning_rate}")
        if not 0 <= self.head_learning_rate < 1:
            raise ConfigError(
                f"head_learning_rate must be at least 0 and below 1, got {self.head_learning_rate}"
            )
        for name in ("drop_path", "warmup", "mse", "ema", "weight_decay", "word_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        for name in ("layer_decay", "group_cosine"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if not 0 < self.validation < 1:
            raise ConfigError(f"validation is a share of the images between 0 and 1, got {self.validation}")
        if self.clip < 0:
            raise ConfigError(f"clip must not be negative, got {self.clip}")
        if self.keep_frozen and self.augment:
            raise ConfigError("keep_frozen looks at each image once, as it is; leave out it or augment")
        if self.from_scratch and self.weights:
            raise ConfigError("from_scratch and weights exclude each other")

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return {**asdict(self), "weights": str(self.weights) if self.weights else None}


@dataclass(frozen=True)
class MachineConfig:
    """Settings of `unprompt train` that decide how fast, and with how much memory, not what comes out.

    They may change when a run goes on.
    """

    device: str = "auto"
    accumulate: int = 1  # parts that a batch is cut into, one after the other in memory
    checkpointing: bool = False  # compute activations twice instead of keeping them
    channels_last: bool = True
    compile: bool = False  # torch.compile
    workers: int = -1  # processes that decode images (-1: none for decoded ones, else one for each core)
    decoded: str = (
        "auto"  # keep all images decoded on disk: yes, no, auto (where they take half the free space)
    )
    save_minutes: float = 10.0  # between two saves inside an epoch: what a kill can cost

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise ConfigError(f"accumulate must be at least 1, got {self.accumulate}")
        if self.workers < -1:
            raise ConfigError(f"workers must be at least -1, got {self.workers}")
        if self.decoded not in ("auto", "yes", "no"):
            raise ConfigError(f"decoded must be auto, yes or no, got '{self.decoded}'")
        if self.save_minutes < 0:
            raise ConfigError(f"save_minutes must not be negative, got {self.save_minutes}")


@dataclass(frozen=True)
class TuneConfig:
    """Settings of `unprompt tune`."""

    trials: int = 20  # in all, those of earlier calls included
    learning_rate: tuple[float, float] = (1e-5, 1e-3)
    batch: tuple[int, ...] = (16, 32, 64, 128, 256)
    patch: tuple[int, ...] = (8, 16, 32)  # of ViTs; other backbones have none
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials must be at least 1, got {self.trials}")
        low, high = self.learning_rate
        if not 0 < low <= high < 1:
            raise ConfigError(f"learning_rate must be a range above 0, lowest first, got {low} to {high}")
        if not self.batch or not self.patch:
            raise ConfigError("batch and patch need at least one value each")
