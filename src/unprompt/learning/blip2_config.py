"""Settings of teaching a BLIP-2 by low-rank updates. Light: options of the command line are these."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from unprompt.learning.schedule import Constant
from unprompt.settings import DEVICES, check_settings, setting

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
FEATURES = ("auto", "yes", "no")


@dataclass(frozen=True)
class Blip2Training:
    """Settings that decide what is learnt. Adam, its rate, batch and epochs are the student project's."""

    targets: str = setting(
        "language",
        "parts that get updates, joined by +: language (q_proj, k_proj), vision (qkv), qformer (query, "
        "value); or names of layers",
        metavar="PARTS",
    )
    rank: int = setting(16, "of the updates", least=1)
    alpha: float = setting(32.0, "updates count alpha / rank", above=0, below=math.inf)
    dropout: float = setting(0.05, "share of what enters an update that is left out", least=0, below=1)
    epochs: int = setting(15, "how often each picture is learnt from", least=1)
    batch: int = setting(60, "pictures a step of the optimiser", least=1)
    accumulate: int = setting(1, "parts of a batch, one after the other in memory", least=1)
    learning_rate: float = setting(5e-4, "of Adam, from the first step to the last", above=0, below=math.inf)
    clip: float = setting(0.0, "longest gradient; 0: any", least=0)
    length: int = setting(40, "tokens of a caption that are learnt, its end among them", least=2)
    precision: str = setting("auto", "auto: half on a GPU that has it, fp32 on a CPU", choices=PRECISIONS)
    seed: int = setting(0, "of the order, the updates' beginning and the dropout", least=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def schedule(self, save_minutes: float) -> Constant:
        """How the updates learn: by Adam, which is AdamW without decay, at one rate."""
        return Constant(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            warmup=0.0,
            clip=self.clip,
            seed=self.seed,
            save_minutes=save_minutes,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True)
class Blip2Machine:
    """Settings that decide how fast, and with how much memory, not what is learnt."""

    device: str = setting("auto", DEVICES, metavar="DEVICE")
    gradient_checkpointing: bool = setting(True, "compute layers twice, which saves memory")
    features: str = setting(
        "auto",
        "look at each picture once and keep what was seen; auto: unless vision or qformer learn",
        choices=FEATURES,
    )
    merge: bool = setting(False, "also write the whole model with its updates added: 15 GB for opt-2.7b")
    save_minutes: float = setting(
        10.0, "minutes between two saves inside an epoch: what a kill can cost", least=0, below=math.inf
    )

    def __post_init__(self) -> None:
        check_settings(self)
