"""Settings of the captioner by groups of strokes and of its training. Light to import."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.doodles.scenes_config import SceneConfig
from unprompt.errors import ConfigError
from unprompt.learning.schedule import Schedule
from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class GroupSizes:
    """What decides the names and shapes of the weights, but the words."""

    stroke_width: int = setting(96, "numbers that a stroke is described by", least=8)
    stroke_layers: int = setting(3, "in which strokes look at each other", least=1)
    group_width: int = setting(160, "numbers that a group of strokes is described by", least=8)
    group_layers: int = setting(2, "in which groups look at each other", least=1)
    heads: int = setting(4, "of attention", least=1)
    dropout: float = setting(0.2, "share of what is known of a group that is hidden", least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("stroke_width", "group_width"):
            if getattr(self, name) % self.heads:
                raise ConfigError(
                    f"{name} must be a multiple of {self.heads} heads, got {getattr(self, name)}"
                )


@dataclass(frozen=True)
class GroupConfig(GroupSizes):
    """A captioner. `words`: of the namer that it was taught with, in their order."""

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "words", tuple(self.words))


@dataclass(frozen=True)
class GroupTraining(GroupSizes):
    """Settings of a training that decide its result."""

    namer: Path | None = setting(
        None,
        "namer.safetensors of --model namer, or DoodleNet's folder, that names things for the captioner",
        shown="the package's own",
        metavar="NAMER",
    )
    scenes: int = setting(10000, "scenes that are composed to learn from", least=8)
    touching: float = setting(0.5, "share of scenes in which things touch and overlap", least=0, most=1)
    traced: float = setting(
        0.35,
        "how often strokes are shown as a trace of a picture gives them: cut up, in no order",
        least=0,
        most=1,
    )
    stroke_epochs: int = setting(
        3, "how often a scene is seen to learn which strokes belong together", least=1
    )
    join_epochs: int = setting(
        20, "the same to learn which groups are one thing that strokes alone do not tell", least=1
    )
    group_epochs: int = setting(8, "the same to learn what groups of strokes are in their context", least=1)
    warp: float = setting(0.5, "how far drawings are stretched, turned and shaken", least=0, most=1)
    batch: int = setting(32, "scenes a step", least=1)
    learning_rate: float = setting(
        1.5e-3, "peak, after a warm-up; then half a cosine to 0", metavar="LR", above=0, below=1
    )
    weight_decay: float = setting(0.02, "of what has two dimensions and more", least=0)
    seed: int = setting(0, "of the scenes, the first weights and the order", least=0)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them; of the namer its name."""
        return {**asdict(self), "namer": self.namer.name if self.namer else None}

    def sizes(self) -> dict[str, Any]:
        """Those of the network."""
        return {name: getattr(self, name) for name in GroupSizes.__dataclass_fields__}

    @property
    def composed(self) -> SceneConfig:
        """The scenes that are learnt from: half of them of common nouns, half of any."""
        return SceneConfig(self.scenes, self.seed, "mixed", self.touching, warp=self.warp)

    def schedule(self, epochs: int, save_minutes: float) -> Schedule:
        """How one of the two networks learns."""
        return Schedule.of(self, epochs=epochs, save_minutes=save_minutes)


@dataclass(frozen=True)
class CaptionConfig:
    """How drawings are captioned."""

    weights: Path | None = setting(
        None, "captioner.safetensors of `unprompt doodle train`", shown="the package's own", metavar="FILE"
    )
    namer: Path | None = setting(
        None,
        "namer.safetensors of `unprompt doodle train` or DoodleNet's folder",
        shown="the package's own",
        metavar="PATH",
    )
    sure: float = setting(
        0.25, "how probable a noun has to be to be said; else it is something", least=0, most=1
    )

    def __post_init__(self) -> None:
        check_settings(self)
