"""Settings of teaching a words captioner. Light to import."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unprompt.learning.schedule import Schedule
from unprompt.settings import setting


@dataclass(frozen=True)
class WordsCaptionerTraining(Schedule):
    """Words, sizes and schedule. The defaults are for minutes on two cores."""

    epochs: int = setting(8, "how often each caption is learnt from", least=1)
    learning_rate: float = setting(
        1.5e-3, "peak, after the warm-up; then half a cosine to 0", above=0, below=math.inf
    )
    min_count: int = setting(2, "words and marks that captions have less often are not learnt", least=1)
    width: int = setting(192, "of all that the writer knows of a place or a word", least=4)
    encoder_layers: int = setting(1, "in which places look at each other", least=0)
    decoder_layers: int = setting(1, "in which words look at those before them, and at places", least=1)
    dropout: float = setting(0.15, "share of what is seen and said that is hidden", least=0, below=1)
