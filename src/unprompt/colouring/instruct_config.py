"""Settings of InstructPix2Pix: its training and painting. Light: the command line is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unprompt.errors import ConfigError
from unprompt.learning.schedule import Constant
from unprompt.settings import DEVICES, check_settings, setting

POCKET = "pocket"  # in the place of a model's folder: a small U-Net from nothing
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
LATENTS = ("auto", "yes", "no")


@dataclass(frozen=True)
class InstructTraining:
    """Settings of a training that decide its result. The defaults are those of the paper and its students."""

    model: str = setting(
        "", "Stable Diffusion or an InstructPix2Pix as a diffusers folder, or pocket", metavar="FOLDER"
    )
    resolution: int = setting(256, "side of the pictures in pixels, a multiple of 8", least=8)
    batch: int = setting(2, "pairs that are computed at once", least=1)
    accumulate: int = setting(4, "such batches a step of the optimiser", least=1)
    steps: int = setting(15_000, "of the optimiser", least=1)
    learning_rate: float = setting(5e-5, "of AdamW", metavar="LR", above=0, below=1)
    warmup_steps: int = setting(0, "steps in which the learning rate rises to that", least=0)
    weight_decay: float = setting(0.01, "of AdamW", least=0)
    clip: float = setting(1.0, "longest gradient; 0: any", least=0)
    drop: float = setting(
        0.05,
        "share of examples without words, and as many without picture, and without both",
        least=0,
        most=0.3,
    )
    ema: float = setting(0.9999, "decay of the moving average of the weights; 0: none", least=0, below=1)
    flip: bool = setting(
        False, "half of the pairs are seen mirrored, but for those whose caption says left or right"
    )
    lora: int = setting(
        0, "rank of low-rank updates that are learnt in place of the whole U-Net; 0: the whole", least=0
    )
    precision: str = setting("auto", "auto: half on a GPU that has it, fp32 on a CPU", choices=PRECISIONS)
    seed: int = setting(42, "of the order, the noise and what is dropped", least=0)
    # What the U-Net of `pocket` is.
    factor: int = setting(
        8, "pocket: pixels of a side that become one latent, a power of two", least=2, most=32
    )
    width: int = setting(32, "pocket: channels of the U-Net, a multiple of 32", least=32)

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.model:
            raise ConfigError(
                "instruct needs a model to begin with: --model FOLDER of Stable Diffusion 1.5 in diffusers' "
                f"layout, or --model {POCKET} for a small one from nothing"
            )
        if self.factor & (self.factor - 1):
            raise ConfigError(f"factor must be a power of two, got {self.factor}")
        if self.width % 32:
            raise ConfigError(f"width must be a multiple of 32, got {self.width}")
        multiple = 4 * self.factor if self.pocket else 8
        if self.resolution % multiple:
            raise ConfigError(f"resolution must be a multiple of {multiple}, got {self.resolution}")
        if self.pocket and self.lora:
            raise ConfigError("lora is for a model that others trained; pocket learns whole")

    @property
    def pocket(self) -> bool:
        """Whether a small model is made from nothing."""
        return self.model == POCKET

    def schedule(self, batch: int, epochs: int, save_minutes: float) -> Constant:
        """How the U-Net learns, with `batch` pairs a step."""
        return Constant(
            epochs=epochs,
            batch=batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=0.0,
            clip=self.clip,
            seed=self.seed,
            save_minutes=save_minutes,
            warmup_steps=self.warmup_steps,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them; of a model's folder its name."""
        return {**asdict(self), "model": Path(self.model).name}


@dataclass(frozen=True)
class InstructMachine:
    """Settings of a training that decide how fast, and with how much memory, not what comes out."""

    device: str = setting("auto", DEVICES, metavar="DEVICE")
    gradient_checkpointing: bool = setting(True, "compute parts of the U-Net twice, which saves memory")
    latents: str = setting(
        "auto", "encode all pairs before training; auto: unless they are flipped", choices=LATENTS
    )
    workers: int = setting(0, "processes that decode pairs that are not encoded before", least=0)
    samples: int = setting(500, "steps between two sheets of samples; 0: none", least=0)
    sample_steps: int = setting(20, "of the scheduler, for a sample", least=1)
    sample_image: Path | None = setting(None, "a picture file to colour on each sheet", metavar="FILE")
    sample_prompt: str | None = setting(None, "the words for that picture", metavar="TEXT")
    checkpoint_steps: int = setting(5000, "steps between two checkpoints; 0: none", least=0)
    checkpoints: int = setting(1, "checkpoints that are kept, the newest", least=1)
    save_minutes: float = setting(
        10.0, "minutes between two saves: what a kill can cost", least=0, below=math.inf
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if isinstance(self.sample_image, str):
            object.__setattr__(self, "sample_image", Path(self.sample_image))
        if (self.sample_image is None) != (self.sample_prompt is None):
            raise ConfigError(
                "sample_image and sample_prompt go together: the picture, and what to make of it"
            )


@dataclass(frozen=True)
class InstructPaint:
    """Settings of painting with an InstructPix2Pix."""

    lora: Path | None = setting(
        None, "low-rank updates of a training with --lora, for the model that it began with", metavar="FOLDER"
    )
    steps: int = setting(20, "of the scheduler", least=1)
    guidance: float = setting(7.5, "how closely to follow the words; 1: not guided", metavar="G", least=1)
    image_guidance: float = setting(
        1.5, "how closely to keep to the picture, with a guidance above 1", metavar="G", least=1
    )
    negative_prompt: str = setting("", "what the picture should not show", metavar="TEXT")
    scheduler: str = setting("euler-a", "euler-a, as the paper's, ddim, dpmsolver++, euler, pndm, unipc …")
    size: int = setting(
        0, "longer side in pixels while it paints", shown="as it learnt; a web UI: 512", least=0
    )
    keep_lines: bool = setting(False, "put the lines of the drawing on top, as sharp as they came")
    seed: int = setting(0, "of the first variant; the next ones have the next", least=0)
    variants: int = setting(1, "pictures of each drawing", least=1)
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    dtype: str = setting(
        "auto", "float16, bfloat16 or float32", shown="float16 on a GPU, else float32", metavar="T"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.dtype not in ("auto", "float16", "bfloat16", "float32"):
            raise ConfigError(f"dtype must be auto, float16, bfloat16 or float32, got '{self.dtype}'")
        if self.negative_prompt and self.guidance == 1:
            raise ConfigError("a negative prompt has no effect with guidance 1; raise the guidance")
        if self.image_guidance != InstructPaint.image_guidance and self.guidance == 1:
            raise ConfigError("image_guidance has no effect with guidance 1; raise the guidance")


# What a pocket training has where nothing else is asked for: minutes on two cores.
POCKET_TRAINING: Mapping[str, Any] = MappingProxyType(
    {"resolution": 128, "batch": 16, "accumulate": 1, "steps": 2000, "learning_rate": 1e-3, "ema": 0.995}
)
POCKET_MACHINE: Mapping[str, Any] = MappingProxyType({"gradient_checkpointing": False, "checkpoint_steps": 0})


def training_of(
    training: Mapping[str, Any], machine: Mapping[str, Any]
) -> tuple[InstructTraining, InstructMachine]:
    """Both kinds of settings of those that were given; a pocket training has other defaults."""
    pocket = training.get("model") == POCKET
    return (
        InstructTraining(**{**(POCKET_TRAINING if pocket else {}), **training}),
        InstructMachine(**{**(POCKET_MACHINE if pocket else {}), **machine}),
    )
