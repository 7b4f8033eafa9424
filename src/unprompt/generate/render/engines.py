"""The render engines by name: which settings each has, and how it is opened with them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError
from unprompt.generate.engines import EngineKind

if TYPE_CHECKING:
    from unprompt.diffusion.engine import Sd2Engine
    from unprompt.painting.engine import RenderEngine
    from unprompt.pocket.engine import PocketEngine


def _pocket(size: tuple[int, int] | None, device: str) -> PocketEngine:
    from unprompt.pocket.engine import PocketEngine

    if size is None:
        return PocketEngine()
    width, height = size
    return PocketEngine(width) if width == height else PocketEngine(width, height)


def _sd2(
    size: tuple[int, int] | None, device: str, preset: str = "competition", **settings: Any
) -> Sd2Engine:
    from unprompt.diffusion.config import PRESETS
    from unprompt.diffusion.engine import Sd2Engine

    if preset not in PRESETS:
        raise ConfigError(f"there is no preset '{preset}'; there are: {', '.join(PRESETS)}")
    if size is not None:
        settings |= {"width": size[0], "height": size[1]}
        settings.setdefault("save_size", None)
    return Sd2Engine(**{**PRESETS[preset], "device": device, **settings})


# All are opened with a size, width and height in pixels, None where none was given, and with a device.
RENDER_ENGINES: Mapping[str, EngineKind[RenderEngine]] = MappingProxyType(
    {
        "pocket": EngineKind(_pocket),
        "sd2": EngineKind(
            _sd2,
            (
                "model",
                "preset",
                "steps",
                "guidance",
                "save_size",
                "scheduler",
                "negative_prompt",
                "batch",
                "dtype",
            ),
        ),
    }
)
