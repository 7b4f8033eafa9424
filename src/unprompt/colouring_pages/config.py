"""Settings of networks that draw lines, and of their training. Light: the command line is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unprompt.errors import ConfigError
from unprompt.learning.schedule import LinearDecay
from unprompt.settings import DEVICES, check_settings, setting

NORMS = ("batch", "instance", "group", "none")
UPS = ("transposed", "upsample")
GANS = ("vanilla", "lsgan", "wgangp")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DECODED = ("auto", "yes", "no")
BETAS = (0.5, 0.999)  # of Adam, for both networks
JITTER = 30 / 256  # pix2pix loads 286 pixels and cuts 256 of them

_FILTERS = "of the first convolution; the next ones have 2, 4, 8 and 8 times as many"
_NORM = "between convolutions, in both networks; only group, instance and none see one picture alone"


@dataclass(frozen=True)
class GeneratorConfig:
    """A U-Net that makes a picture of a picture: all that decides the names and shapes of its weights."""

    filters: int = setting(16, _FILTERS, least=1)
    levels: int = setting(5, "how often a picture is halved, and doubled again", least=2, most=10)
    norm: str = setting("group", _NORM, choices=NORMS)
    dropout: float = setting(0.0, "in the inner levels, below the fourth, while it learns", least=0, below=1)
    up: str = setting(
        "upsample", "how a level doubles: transposed convolution, or upsample and a convolution", choices=UPS
    )
    skips: bool = setting(True, "what a level saw is given to the one that doubles it again")
    channels: int = setting(1, "of what is made: 1 grey, 3 colours", least=1, most=3)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.channels == 2:
            raise ConfigError("channels must be 1 (grey) or 3 (colours), got 2")

    @property
    def multiple(self) -> int:
        """What both sides of a picture have to be a multiple of."""
        return int(2**self.levels)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that each level makes on the way down."""
        return tuple(self.filters * min(2**level, 8) for level in range(self.levels))


@dataclass(frozen=True)
class DiscriminatorConfig:
    """A PatchGAN, which judges a picture piece by piece. With 3 layers a piece is of 70 x 70 pixels."""

    filters: int = setting(16, _FILTERS, least=1)
    layers: int = setting(3, "convolutions that halve the picture", least=1)
    norm: str = setting("group", _NORM, choices=NORMS)
    channels: int = setting(4, "of the source and of what is made of it, together", least=1)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class PageTraining(GeneratorConfig):
    """Settings of a training that decide its result. The defaults are for minutes on two cores."""

    weights: Path | None = setting(
        None, "begin with this generator: one of ours, or latest_net_G.pth of pix2pix", metavar="FILE"
    )
    # The discriminator.
    judge_filters: int = setting(16, "of the discriminator's first convolution", least=1)
    judge_layers: int = setting(
        3, "convolutions of the discriminator that halve: 3 judge pieces of 70 x 70 pixels", least=1
    )
    # What is learnt.
    gan: str = setting(
        "vanilla", "the adversarial loss: cross entropy, squares, or Wasserstein with a penalty", choices=GANS
    )
    gan_weight: float = setting(1.0, "of the adversarial loss; 0: none, no discriminator", least=0)
    l1_weight: float = setting(100.0, "of the mean difference to the truth, on a scale of -1 to 1", least=0)
    entropy_weight: float = setting(
        0.0, "of the cross entropy of lines, which makes soft ridges where a line is in doubt", least=0
    )
    line_weight: float = setting(2.0, "in the cross entropy, how much more a line counts than paper", above=0)
    penalty: float = setting(10.0, "of wgangp: of slopes that are not 1", least=0)
    # How.
    epochs: int = setting(20, "how often each pair is seen", least=1)
    batch: int = setting(8, "pairs a step", least=1)
    learning_rate: float = setting(
        5e-4, "of Adam, for both; in the second half on a line to 0", metavar="LR", above=0, below=1
    )
    ema: float = setting(
        0.995, "decay of the moving average of the generator's weights; 0: none", least=0, below=1
    )
    size: int = setting(128, "side of what is learnt from in pixels", least=2)
    jitter: float = setting(
        JITTER, "pairs are made larger by this share, and cut somewhere", shown="30/256", least=0, most=1
    )
    mirror: bool = setting(True, "half of the pairs are seen mirrored, others each epoch")
    precision: str = setting("auto", "auto: half on a GPU that has it, fp32 on a CPU", choices=PRECISIONS)
    seed: int = setting(0, "of the first weights, the order, jitter and mirroring", least=0)

    def __post_init__(self) -> None:
        if isinstance(self.weights, str):
            object.__setattr__(self, "weights", Path(self.weights))
        super().__post_init__()
        if self.size % self.multiple:
            raise ConfigError(
                f"size must be a multiple of {self.multiple} with {self.levels} levels, got {self.size}"
            )
        if not (self.gan_weight or self.l1_weight or self.entropy_weight):
            raise ConfigError("gan_weight, l1_weight and entropy_weight are all 0: nothing would be learnt")
        if not self.gan_weight:
            return
        least = 3 * 2**self.judge_layers
        if self.size < least:
            raise ConfigError(
                f"a discriminator of {self.judge_layers} layers needs a size of {least}, got {self.size}; "
                "take fewer judge_layers"
            )
        if self.gan == "wgangp" and self.norm == "batch":
            raise ConfigError(
                "wgangp asks how each picture alone changes its score, which a norm over the batch hides; "
                "take the norm group, instance or none"
            )

    @property
    def generator(self) -> GeneratorConfig:
        """The generator's own settings."""
        return GeneratorConfig(**{item.name: getattr(self, item.name) for item in fields(GeneratorConfig)})

    @property
    def discriminator(self) -> DiscriminatorConfig:
        """The discriminator's own settings."""
        return DiscriminatorConfig(self.judge_filters, self.judge_layers, self.norm, 3 + self.channels)

    @property
    def load_size(self) -> int:
        """Side in pixels at which pairs are kept, to be cut to `size`."""
        return round(self.size * (1 + self.jitter))

    def schedule(self, save_minutes: float) -> LinearDecay:
        """How both networks learn."""
        return LinearDecay(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            warmup=0.0,
            clip=0.0,
            seed=self.seed,
            save_minutes=save_minutes,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them; of a file of weights its name."""
        return {**asdict(self), "weights": self.weights.name if self.weights else None}


@dataclass(frozen=True)
class PageMachine:
    """Settings of a training that decide how fast, and with how much memory, not what comes out."""

    device: str = setting("auto", DEVICES, metavar="DEVICE")
    accumulate: int = setting(1, "parts that a batch is cut into where memory is short", least=1)
    workers: int = setting(
        -1, "processes that decode pairs", shown="none for decoded ones, else one for each core", least=-1
    )
    decoded: str = setting(
        "auto", "keep all pairs decoded on disk; auto: where they take half the free space", choices=DECODED
    )
    keep_decoded: bool = setting(
        False, "leave the decoded pairs in the cache for the next training, where they go when this is done"
    )
    samples: int = setting(200, "steps between two sheets of samples; 0: none", least=0)
    save_minutes: float = setting(
        3.0, "minutes between two saves: what a kill can cost", least=0, below=math.inf
    )

    def __post_init__(self) -> None:
        check_settings(self)


# The settings of `PageTraining` that make it the paper's own training, by the networks' names there.
_PAPER = {
    "filters": 64,
    "norm": "batch",
    "dropout": 0.5,
    "up": "transposed",
    "judge_filters": 64,
    "epochs": 200,
    "batch": 1,
    "learning_rate": 2e-4,
    "ema": 0.0,
}
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "small": {},
        "unet_128": {**_PAPER, "levels": 7, "size": 128},
        "unet_256": {**_PAPER, "levels": 8, "size": 256},
    }
)
