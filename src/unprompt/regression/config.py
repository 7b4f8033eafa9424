"""Settings of `unprompt train` and `unprompt tune`. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError
from unprompt.settings import DEVICES, check_settings, setting

HEADS = ("linear", "mlp", "words")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DECODED = ("auto", "yes", "no")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `unprompt train` that decide its result. `train --config` reads them from a TOML file."""

    # The network.
    backbone: str = setting("vit_base_patch16_224", "a timm model, or open_clip:MODEL for a CLIP image tower")
    weights: Path | None = setting(
        None,
        "the backbone's weights, .safetensors or .pth",
        shown="found by name where a package has them",
        metavar="FILE",
    )
    from_scratch: bool = setting(False, "begin with random weights")
    head: str = setting(
        "linear", "mlp: d -> 16d, batch norm, ReLU, 384; words: d -> the prompts' words -> 384", choices=HEADS
    )
    word_count: int = setting(
        10, "a words head knows the words that stand in so many training prompts or more", least=1
    )
    size: int = setting(0, "side of the input in pixels", shown="the backbone's own", least=0)
    patch: int = setting(0, "side of a ViT's patch in pixels", shown="the backbone's own", least=0)
    drop_path: float = setting(0.0, "stochastic depth", least=0, below=1)
    fold_norms: bool = setting(
        False,
        "make batch norms part of the convolutions: a third faster on a CPU, and no batch statistics",
    )
    freeze: tuple[str, ...] = setting(
        (), "patterns of backbone parameters that stay as they are: 'blocks.0.*' '*.conv_dw.weight'"
    )
    keep_frozen: bool = setting(
        False, "run frozen first stages once, and keep what they make of each image, in float16, on disk"
    )
    # Learning.
    epochs: int = setting(5, "how often each image is seen", least=1)
    batch: int = setting(64, "images a step, over all processes and accumulated parts", least=2)
    learning_rate: float = setting(1e-4, "peak, after the warm-up", metavar="LR", above=0, below=1)
    head_learning_rate: float = setting(0.0, "of the head", shown="the same", least=0, below=1)
    layer_decay: float = setting(
        0.8, "each layer farther from the head learns this much slower", above=0, most=1
    )
    weight_decay: float = setting(0.02, "of AdamW", least=0, below=1)
    warmup: float = setting(0.1, "share of the steps in which the learning rate rises", least=0, below=1)
    ema: float = setting(0.999, "decay of the moving average of the weights; 0: none", least=0, below=1)
    clip: float = setting(1.0, "longest gradient; 0: any", least=0)
    mse: float = setting(0.0, "share of the squared error in the loss, the rest is cosine", least=0, below=1)
    word_share: float = setting(
        0.02, "of a words head's cross entropy, in nats an image, in the loss", least=0, below=1
    )
    probe: int = setting(
        20,
        "epochs of the head alone first, 0: none; a linear head is solved for at once",
        least=0,
    )
    augment: tuple[str, ...] = setting(
        (), "crop, shift, colour, blur, erase, or flip, which contradicts left and right in prompts"
    )
    precision: str = setting("auto", "auto: half on a GPU that has it, fp32 on a CPU", choices=PRECISIONS)
    # The data.
    validation: float = setting(0.05, "share of the images kept for validation", above=0, below=1)
    group_cosine: float = setting(
        0.7, "prompts at this cosine or nearer stay on one side of the split", above=0, most=1
    )
    limit: int = setting(
        0, "learn from so many images at most; the validation images stay the same", shown="all", least=0
    )
    seed: int = setting(0, "of the split, the order and the augmentations", least=0)

    def __post_init__(self) -> None:
        if isinstance(self.weights, str):
            object.__setattr__(self, "weights", Path(self.weights))
        for name in ("augment", "freeze"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        check_settings(self)
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

    device: str = setting("auto", DEVICES, metavar="DEVICE")
    accumulate: int = setting(
        1, "parts that a batch is cut into where memory is short; the result stays the same", least=1
    )
    checkpointing: bool = setting(False, "less memory for a third more time")
    channels_last: bool = setting(True, "images with their channels last in memory")
    compile: bool = setting(False, "torch.compile")
    workers: int = setting(
        -1, "processes that decode images", shown="none for decoded ones, else one for each core", least=-1
    )
    decoded: str = setting(
        "auto", "keep all images decoded on disk; auto: where they take half the free space", choices=DECODED
    )
    keep_decoded: bool = setting(
        False, "leave the decoded images in the cache for the next training, where they go when this is done"
    )
    save_minutes: float = setting(10.0, "minutes between two saves: what a kill can cost", least=0)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class TuneConfig:
    """Settings of `unprompt tune`."""

    trials: int = setting(20, "training runs in all, those of earlier calls included", least=1)
    learning_rate: tuple[float, float] = setting(
        (1e-5, 1e-3), "range of the learning rate", metavar=("LOW", "HIGH")
    )
    batch: tuple[int, ...] = setting((16, 32, 64, 128, 256), "batch sizes to choose from", metavar="B")
    patch: tuple[int, ...] = setting((8, 16, 32), "patch sizes of a ViT to choose from", metavar="P")
    seed: int = setting(0, "of the search", metavar="S")

    def __post_init__(self) -> None:
        check_settings(self)
        low, high = self.learning_rate
        if not 0 < low <= high < 1:
            raise ConfigError(f"learning_rate must be a range above 0, lowest first, got {low} to {high}")
        if not self.batch or not self.patch:
            raise ConfigError("batch and patch need at least one value each")
