"""Settings of painting drawings. Light: the command line is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from unprompt.doodles.wording import STYLES
from unprompt.errors import ConfigError
from unprompt.painting.webui_config import AUTH, URL
from unprompt.settings import DEVICES, check_settings, setting

AUTO, POCKET, TXT2IMG, IMG2IMG = "auto", "pocket", "txt2img", "img2img"
CONTROLNET, CONTROLNET_IMG2IMG, T2I_ADAPTER, WEBUI = (
    "controlnet",
    "controlnet-img2img",
    "t2i-adapter",
    "webui",
)
PAINTERS: Mapping[str, str] = MappingProxyType(
    {
        AUTO: "the first of these for which there is something",
        POCKET: "the pocket world, which needs no network",
        TXT2IMG: "Stable Diffusion, from the words alone",
        IMG2IMG: "Stable Diffusion, beginning with the drawing",
        CONTROLNET: "with a ControlNet for scribbles",
        CONTROLNET_IMG2IMG: "with both",
        T2I_ADAPTER: "with a T2I-Adapter for sketches",
        WEBUI: "a web UI over HTTP",
    }
)
BEGINNING = (IMG2IMG, CONTROLNET_IMG2IMG, WEBUI)  # those that begin with the drawing
STABLE_DIFFUSION = (TXT2IMG, IMG2IMG, CONTROLNET, CONTROLNET_IMG2IMG, T2I_ADAPTER)
# What names something to paint with -> the painters that it is for.
PAINTERS_BY_NEED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "url": (WEBUI,),
        "webui_controlnet": (WEBUI,),
        "controlnet": (CONTROLNET, CONTROLNET_IMG2IMG),
        "adapter": (T2I_ADAPTER,),
        "model": STABLE_DIFFUSION,
    }
)
# A setting that is not for all -> the painters that make use of it.
PAINTERS_BY_SETTING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "follow": (POCKET, *STABLE_DIFFUSION[1:], WEBUI),
        "steps": (*STABLE_DIFFUSION, WEBUI),
        "guidance": (*STABLE_DIFFUSION, WEBUI),
        "strength": BEGINNING,
        "conditioning": (CONTROLNET, CONTROLNET_IMG2IMG, T2I_ADAPTER, WEBUI),
        "scheduler": STABLE_DIFFUSION,
        "dtype": STABLE_DIFFUSION,
    }
)
LOOSELY, CLOSELY, EXACTLY = "loosely", "closely", "exactly"
RANDOM = -1  # a seed by chance
MOST_VARIANTS = 16


class Following(NamedTuple):
    """How closely a picture follows its drawing, in numbers.

    `strength`: how much of the drawing is turned into noise where painting begins with it. `conditioning`:
    how strongly a ControlNet or T2I-Adapter acts, and `until` in how large a part of the steps.
    """

    strength: float
    conditioning: float
    until: float = 1.0


FOLLOW: Mapping[str, Following] = MappingProxyType(
    {
        LOOSELY: Following(1.0, 0.6, 0.6),
        CLOSELY: Following(0.95, 1.0),
        EXACTLY: Following(0.8, 1.4),
    }
)


@dataclass(frozen=True)
class DoodlePaint:
    """How a drawing becomes a picture."""

    painter: str = setting(
        AUTO, "; ".join(f"{name}: {about}" for name, about in PAINTERS.items()), choices=tuple(PAINTERS)
    )
    follow: str = setting(CLOSELY, "how the picture follows the drawing", choices=tuple(FOLLOW))
    style: str = setting("photo", "of the prompt that is made of the caption", choices=tuple(STYLES))
    seed: int = setting(
        1024, f"of the first picture, the next have the next; {RANDOM}: by chance", least=RANDOM
    )
    width: int = setting(512, "of the picture", metavar="PIXELS", least=64, most=2048)
    height: int = setting(512, "of the picture", metavar="PIXELS", least=64, most=2048)
    steps: int = setting(50, "of Stable Diffusion", least=1)
    guidance: float = setting(
        10.5, "how closely to follow the prompt; 1: not guided", metavar="G", least=1, most=100
    )
    strength: float | None = setting(
        None,
        "img2img: how much of the drawing becomes noise, to 1",
        shown=f"by --follow, {FOLLOW[CLOSELY].strength:g}",
        above=0,
        most=1,
    )
    conditioning: float | None = setting(
        None,
        "ControlNet, T2I-Adapter: how strongly it acts, 0 to 2",
        shown=f"by --follow, {FOLLOW[CLOSELY].conditioning:g}",
        least=0,
        most=2,
    )
    model: str | None = setting(
        None,
        "Stable Diffusion: a diffusers folder or a checkpoint's name",
        shown="one that is installed",
        metavar="FOLDER",
    )
    controlnet: Path | None = setting(None, "a ControlNet for scribbles", metavar="FOLDER")
    adapter: Path | None = setting(None, "a T2I-Adapter for sketches", metavar="FOLDER")
    scheduler: str = setting("ddim", "ddim, dpmsolver++, euler, unipc …")
    url: str | None = setting(
        None, f"the web UI's address, such as {URL}; user and password: ${AUTH}, as USER:PASSWORD"
    )
    webui_controlnet: str = setting("", "name of the web UI's ControlNet for scribbles, if it is to be used")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    dtype: str = setting(
        "auto", "float16, bfloat16 or float32", shown="float16 on a GPU, else float32", metavar="T"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        given = [name for name in PAINTERS_BY_NEED if getattr(self, name)]
        for name in given:
            if self.painter not in (AUTO, *PAINTERS_BY_NEED[name]):
                raise ConfigError(
                    f"{name} belongs to the painter {' or '.join(PAINTERS_BY_NEED[name])}, not to "
                    f"{self.painter}"
                )
        for one, other in combinations(given, 2):
            if not set(PAINTERS_BY_NEED[one]).intersection(PAINTERS_BY_NEED[other]):
                raise ConfigError(f"{one} and {other} belong to different painters; give one of them")
        if self.webui_controlnet and not self.url:
            raise ConfigError("webui_controlnet is a name in a web UI: give its address, url, too")
        if self.painter in (CONTROLNET, CONTROLNET_IMG2IMG) and self.controlnet is None:
            raise ConfigError(f"the painter {self.painter} needs a ControlNet's folder: controlnet")
        if self.painter == T2I_ADAPTER and self.adapter is None:
            raise ConfigError("the painter t2i-adapter needs a T2I-Adapter's folder: adapter")
        if self.painter == WEBUI and not self.url:
            raise ConfigError("the painter webui needs an address: url, such as http://127.0.0.1:7860")
        if self.named_painter is not None:
            self.check_steps(self.named_painter)

    @property
    def numbers(self) -> Following:
        """Strength and conditioning: those that are given, else what `follow` says."""
        said = FOLLOW[self.follow]
        return Following(
            said.strength if self.strength is None else self.strength,
            said.conditioning if self.conditioning is None else self.conditioning,
            said.until if self.conditioning is None else 1.0,
        )

    @property
    def steps_taken(self) -> int:
        """How many of the steps are taken where painting begins with the drawing: 47 of 50 at .95."""
        return min(int(self.steps * self.numbers.strength), self.steps)

    @property
    def named_painter(self) -> str | None:
        """The painter that is named, or that what is named is for; None: it depends on what is installed."""
        if self.painter != AUTO:
            return self.painter
        given: Mapping[str, object] = {
            WEBUI: self.url,
            CONTROLNET: self.controlnet,
            T2I_ADAPTER: self.adapter,
            IMG2IMG: self.model,
        }
        return next((kind for kind, what in given.items() if what), None)

    def check_steps(self, painter: str) -> None:
        """Raise ConfigError where the settings leave one of PAINTERS no step to take."""
        if painter in BEGINNING and self.steps_taken < 1:
            raise ConfigError(
                f"strength {self.numbers.strength:g} of {self.steps} steps is less than one step, which "
                "changes nothing; give more of either"
            )

    def unused_by(self, painter: str) -> list[str]:
        """The settings that are not the default's and of which one of PAINTERS makes no use."""
        return [
            name
            for name, painters in PAINTERS_BY_SETTING.items()
            if getattr(self, name) != getattr(DoodlePaint, name)
            and (
                painter not in painters
                or (name == "conditioning" and painter == WEBUI and not self.webui_controlnet)
            )
        ]
