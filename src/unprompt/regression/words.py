"""Prompts as bags of words: what a `words` head learns to see, beside the embedding.

An embedding is nearly a sum over the prompt's words, while which of a thousand things a picture shows hardly
matters to the squared error of 384 numbers: a linear head learns it last. So a `words` head first says how
likely each word is to be in the prompt, and then what such words mean together. On pocket scenes it makes
0.53 of the frozen features that give a linear head 0.47 (docs/LOG.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from unprompt.errors import ConfigError
from unprompt.learning.padding import padded
from unprompt.text.english import counted
from unprompt.text.words import split_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_WORDS = 5_000  # of a vocabulary: the most frequent


def distinct_words(prompt: str) -> list[str]:
    """The different words of a prompt, in lower case, in order."""
    return list(dict.fromkeys(split_words(prompt)))


def vocabulary_of(prompts: Sequence[str], least: int) -> tuple[str, ...]:
    """The words that occur in at least `least` prompts, up to MOST_WORDS, the most frequent first.

    Raises ConfigError where there are none.
    """
    counts = Counter(word for prompt in prompts for word in distinct_words(prompt))
    frequent = sorted((-count, word) for word, count in counts.items() if count >= least)
    if not frequent:
        raise ConfigError(
            f"no word occurs in {least} of {counted(len(prompts), 'prompt')}, which a words head learns "
            "from; "
            "give more prompts, lower word_count, or another head"
        )
    return tuple(word for _, word in frequent[:MOST_WORDS])


def word_rows(prompts: Sequence[str], vocabulary: Sequence[str]) -> NDArray[np.int32]:
    """N prompts -> (N, L) int32: places of their words in the vocabulary, filled up with its length."""
    place = {word: number for number, word in enumerate(vocabulary)}
    known = [[place[word] for word in distinct_words(prompt) if word in place] for prompt in prompts]
    return padded(known, len(vocabulary), np.int32)


def presence(rows: torch.Tensor, count: int) -> torch.Tensor:
    """(B, L) places as `word_rows` gives them -> (B, count) float32: 1 where a word is in the prompt."""
    marked = torch.zeros(len(rows), count + 1, device=rows.device)
    return marked.scatter_(1, rows.long(), 1.0)[:, :count]


def word_loss(logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy summed over the vocabulary: (B, V) logits, (B, L) places -> (B,) float32 nats."""
    wanted = presence(rows, logits.shape[1])
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none")
    return losses.sum(1)
