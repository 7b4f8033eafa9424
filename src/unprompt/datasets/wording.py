"""What the prompts of a data set are like: how long they are, which words they use, how they begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.storage.packages import package_folder
from unprompt.text.clip_words import CLIP_TOKENS, clip_tokenizer
from unprompt.text.words import STOP_WORDS, split_compounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPENING = 3  # words
SHOWN = 20  # words and openings that are listed
CLIP_MARKS = 2  # of start and end, which count among the 77 tokens that Stable Diffusion's text encoder reads


@dataclass(frozen=True, eq=False)
class Lengths:
    """How long n > 0 prompts are, in one unit.

    `values` (n,) whole numbers; `limit` is the greatest that has influence, None where there is no such.
    Median and 95th percentile are lengths that a prompt really has: at least that share is no longer.
    """

    unit: str
    values: NDArray[np.int64]
    limit: int | None = None

    @property
    def median(self) -> int:
        """Half of the prompts are no longer than this."""
        return self._percentile(0.5)

    @property
    def p95(self) -> int:
        """95 of 100 prompts are no longer than this."""
        return self._percentile(0.95)

    @property
    def longest(self) -> int:
        """The length of the longest prompt."""
        return int(self.values.max())

    @property
    def over_limit(self) -> int:
        """How many prompts are longer than the limit."""
        return 0 if self.limit is None else int((self.values > self.limit).sum())

    def _percentile(self, share: float) -> int:
        return int(np.quantile(self.values, share, method="inverted_cdf"))


@dataclass(frozen=True)
class Frequent:
    """A word or opening, and in how many of the prompts it stands."""

    text: str
    count: int
    share: float


@dataclass(frozen=True)
class Wording:
    """The words of n prompts.

    `lengths`: by unit. `vocabulary`: how many different words. `once`: how many of them stand in a single
    prompt. `words`: the most frequent ones that mean something, `openings`: the most frequent beginnings.
    """

    lengths: tuple[Lengths, ...]
    vocabulary: int
    once: int
    words: tuple[Frequent, ...]
    openings: tuple[Frequent, ...]


def study_wording(texts: Sequence[str]) -> Wording:
    """Count lengths, words and openings of n > 0 prompts.

    Every prompt counts, one that stands five times counts five times. Lengths are in words, in characters
    and, where open_clip is installed, in CLIP tokens.
    """
    times_by_text = Counter(texts)
    words_by_text = {text: split_compounds(text) for text in times_by_text}
    prompts_by_word: Counter[str] = Counter()
    prompts_by_opening: Counter[str] = Counter()
    for text, times in times_by_text.items():
        for word in set(words_by_text[text]):
            prompts_by_word[word] += times
        if len(words_by_text[text]) >= OPENING:
            prompts_by_opening[" ".join(words_by_text[text][:OPENING])] += times
    telling = {word: count for word, count in prompts_by_word.items() if word not in STOP_WORDS}
    lengths = [
        Lengths("words", np.array([len(words_by_text[text]) for text in texts])),
        Lengths("characters", np.array([len(text) for text in texts])),
    ]
    if package_folder("open_clip"):
        tokens_by_text = dict(zip(times_by_text, count_tokens(times_by_text), strict=True))
        lengths.append(
            Lengths("tokens", np.array([tokens_by_text[text] for text in texts]), CLIP_TOKENS + CLIP_MARKS)
        )
    return Wording(
        lengths=tuple(lengths),
        vocabulary=len(prompts_by_word),
        once=sum(count == 1 for count in prompts_by_word.values()),
        words=most_frequent(telling, len(texts)),
        openings=most_frequent(prompts_by_opening, len(texts)),
    )


def most_frequent(counts: dict[str, int], total: int) -> tuple[Frequent, ...]:
    """The first `SHOWN` of what stands in more than one of `total` prompts, ties in alphabetical order."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Frequent(text, count, count / total) for text, count in ranked[:SHOWN] if count > 1)


def count_tokens(texts: Iterable[str]) -> list[int]:
    """How many tokens CLIP makes of each text, start and end marks included, nothing cut off."""
    tokenizer = clip_tokenizer()
    return [len(tokenizer.encode(text)) + CLIP_MARKS for text in texts]
