"""Settings of Stable Diffusion. Light to import, since options of the command line are these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from unprompt.errors import ConfigError
from unprompt.settings import DEVICES, check_settings, setting

DTYPES = ("float16", "bfloat16", "float32")

# What a run changes: `light` takes about 0.6 times the work of `competition` (steps times pixels).
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "competition": MappingProxyType({"steps": 50, "width": 768, "height": 768, "save_size": 512}),
        "light": MappingProxyType({"steps": 35, "width": 712, "height": 712, "save_size": None}),
    }
)


@dataclass(frozen=True)
class Sd2Config:
    """Settings of the Stable Diffusion engine. The defaults are the competition's."""

    model: str = setting("stable-diffusion-2", "diffusers folder or checkpoint name", metavar="FOLDER")
    steps: int = setting(50, "of the scheduler", shown="the preset's", least=1)
    guidance: float = setting(7.5, "how closely to follow the prompt; 1: not guided", metavar="G")
    width: int = setting(768, "of the images, a multiple of 8", metavar="PIXELS")
    height: int = setting(768, "of the images, a multiple of 8", metavar="PIXELS")
    save_size: int | None = setting(
        512,
        "scale a finished image down to this, where its longer side is longer",
        shown="the preset's",
        metavar="PIXELS",
        least=1,
    )
    scheduler: str = setting("ddim", "ddim, dpmsolver++, euler, euler-karras, pndm, unipc …")
    negative_prompt: str = setting("", "what the images should not show", metavar="TEXT")
    batch: int = setting(0, "images at once", shown="by the free memory")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    dtype: str = setting(
        "auto", "float16, bfloat16 or float32", shown="float16 on a GPU, else float32", metavar="T"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not 1 <= self.guidance <= 100:
            raise ConfigError(f"guidance must be between 1 (none) and 100, got {self.guidance}")
        for side in ("width", "height"):
            pixels = getattr(self, side)
            if pixels < 64 or pixels % 8:
                raise ConfigError(f"{side} must be a multiple of 8 and at least 64, got {pixels}")
        if self.negative_prompt and self.guidance == 1:
            raise ConfigError("a negative prompt has no effect with guidance 1; raise the guidance")
        if self.batch < 0:
            raise ConfigError(f"batch must be at least 1, or 0 for what the memory takes, got {self.batch}")
        if self.dtype not in ("auto", *DTYPES):
            raise ConfigError(f"dtype must be auto or one of {', '.join(DTYPES)}, got '{self.dtype}'")
