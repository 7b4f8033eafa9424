"""Settings of teaching a CNN-LSTM captioner. Light to import, as the command line is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unprompt.learning.schedule import Schedule
from unprompt.settings import setting


@dataclass(frozen=True)
class CnnLstmTraining(Schedule):
    """Words, sizes and schedule. The defaults are for minutes on one core."""

    epochs: int = setting(20, "how often each caption is learnt from", least=1)
    learning_rate: float = setting(
        2e-3, "peak, after the warm-up; then half a cosine to 0", above=0, below=math.inf
    )
    min_count: int = setting(1, "words that captions have less often than this become <unk>", least=1)
    width: int = setting(256, "of word vectors and of the LSTM's state", least=1)
    dropout: float = setting(0.3, "share of what goes into the LSTM and out of it", least=0, below=1)
    backbone: str = setting("tf_efficientnet_lite0", "timm's network that looks at the image", metavar="NAME")
    size: int = setting(128, "pixels a side that it sees", least=32)
    stages: bool = setting(False, "tell of each of its stages, not of its last layer alone")
