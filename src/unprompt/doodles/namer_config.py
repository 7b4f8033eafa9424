"""Settings of naming drawings and of learning to. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError
from unprompt.learning.schedule import Schedule
from unprompt.settings import check_settings, setting

ARCHITECTURES = ("residual", "doodlenet")
TIMM = "timm/"


@dataclass(frozen=True)
class NamerConfig:
    """A network that names drawings: all that decides the names and shapes of its weights, and what it sees.

    `words`: what it tells apart, in the order of its outputs.
    """

    architecture: str = setting(
        "residual",
        "residual: our own; doodlenet: the layers of Yining Shi's DoodleNet; or one of timm's from nothing, "
        "such as timm/mobilenetv3_small_100",
    )
    side: int = setting(28, "pixels a side at which drawings are seen", least=16, most=256)
    pen: float = setting(1.6, "width of the lines there, in pixels", above=0, most=32)
    margin: float = setting(1.6, "pixels that stay free around a drawing there", least=0, most=64)
    filters: int = setting(16, "of the first convolution of our own", least=1)
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_settings(self)
        if self.architecture not in ARCHITECTURES and not self.architecture.startswith(TIMM):
            raise ConfigError(
                f"architecture {self.architecture} is none of {', '.join(ARCHITECTURES)} and {TIMM}NAME"
            )
        object.__setattr__(self, "words", tuple(self.words))


@dataclass(frozen=True)
class NamerTraining(NamerConfig):
    """Settings of a training that decide its result."""

    teacher: Path | None = setting(
        None,
        "learn to answer as another namer does: DoodleNet's folder, or a file of weights",
        metavar="NAMER",
    )
    weights: Path | None = setting(
        None, "begin with a namer: a folder or file as for --teacher; none: from nothing", metavar="NAMER"
    )
    epochs: int = setting(30, "how often all drawings are seen", least=1)
    repeats: int = setting(4, "times that an epoch sees each drawing that a hand drew", least=1)
    batch: int = setting(128, "drawings a step", least=2)
    learning_rate: float = setting(
        2e-3, "peak, after a warm-up; then half a cosine to 0", metavar="LR", above=0, below=1
    )
    weight_decay: float = setting(0.02, "of what has two dimensions and more", least=0)
    ema: float = setting(0.999, "decay of the moving average of the weights; 0: none", least=0, below=1)
    temperature: float = setting(2.0, "by which the teacher's answers are softened", above=0)
    teacher_share: float = setting(
        0.7, "of the loss that is for the teacher's answers; the rest is for the words", least=0, most=1
    )
    smoothing: float = setting(0.1, "share of a word's certainty that goes to all words", least=0, below=1)
    warp: float = setting(
        1.0, "how strongly drawings are bent, turned and stretched; 0: not", least=0, most=4
    )
    partial: float = setting(
        0.15, "how often only the first strokes are shown, as while somebody draws", least=0, most=1
    )
    mixed: float = setting(
        0.0,
        "how often strokes of two drawings are shown as one, for the teacher alone to name",
        least=0,
        most=1,
    )
    seed: int = setting(0, "of the first weights, the order and the warps", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixed and not self.teacher:
            raise ConfigError("two drawings mixed have no word: mixed needs a teacher that names them")
        if self.partial + self.mixed > 1:
            raise ConfigError(
                f"partial {self.partial:g} and mixed {self.mixed:g} are shares of all that is shown: "
                "together at most 1"
            )

    def namer(self, words: tuple[str, ...]) -> NamerConfig:
        """The network's own settings."""
        return NamerConfig(self.architecture, self.side, self.pen, self.margin, self.filters, words)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them; of files their names."""
        names = {name: path.name for name in ("teacher", "weights") if (path := getattr(self, name))}
        return {**asdict(self), "teacher": None, "weights": None, **names}

    def schedule(self, save_minutes: float) -> Schedule:
        """How it learns."""
        return Schedule.of(self, save_minutes=save_minutes)
