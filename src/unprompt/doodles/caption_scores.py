"""How well captions say what is there: scores of single captions, and their means with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.facts import SceneFacts, same_facts
from unprompt.doodles.nouns import SOMETHING
from unprompt.ensemble import score_tables

if TYPE_CHECKING:
    pass

SCORES = ("nouns", "counts", "relations", "exact")


def score_caption(said: SceneFacts, truth: SceneFacts) -> dict[str, float]:
    """Scores of one caption, by the names in SCORES; those that do not apply are NaN.

    nouns: F1 of the different nouns; "something" is none of them and costs nothing but what it does not say.
    counts: of the nouns that are said rightly, the share whose count is right. relations: of the relations
    between nouns that are both said rightly, the share that is said and is right. exact: whether all facts
    are the same.
    """
    nouns, right = set(said.counts) - {SOMETHING}, set(truth.counts)
    hits = nouns & right
    whole = len(nouns) + len(right)
    related = [one for one in truth.related if one[0] in hits and (not one[2] or one[2] in hits)]
    return {
        "nouns": 2 * len(hits) / whole if whole else np.nan,
        "counts": (
            float(np.mean([said.counts[noun] == truth.counts[noun] for noun in hits])) if hits else np.nan
        ),
        "relations": float(np.mean([one in said.related for one in related])) if related else np.nan,
        "exact": float(same_facts(said, truth)),
    }


def mean_scores(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the captions to which a score applies; NaN where there is none."""
    return score_tables.mean_scores(scores, SCORES)


def intervals(scores: Sequence[dict[str, float]], seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% bootstrap intervals of `mean_scores`, over captions (Efron 1979)."""
    return score_tables.score_intervals(scores, SCORES, seed)


def cider(said: Sequence[str], truth: Sequence[str]) -> float:
    """CIDEr of N captions with one reference each, 0 to 10.

    Vedantam, Zitnick & Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation", eq. 1 to 4: the
    cosine of counts of 1 to 4 words that follow one another, each weighed by how few references have it.
    """
    count = len(truth)
    total = 0.0
    for length in range(1, 5):
        ours, theirs = ([_phrases(text, length) for text in texts] for texts in (said, truth))
        frequency = Counter(phrase for phrases in theirs for phrase in phrases)
        for one, other in zip(ours, theirs, strict=True):
            weighed = [
                {phrase: times * np.log(count / max(1, frequency[phrase])) for phrase, times in some.items()}
                for some in (one, other)
            ]
            lengths = [float(np.sqrt(sum(value**2 for value in some.values()))) for some in weighed]
            if min(lengths) > 0:
                common = sum(value * weighed[1].get(phrase, 0.0) for phrase, value in weighed[0].items())
                total += common / (lengths[0] * lengths[1])
    return 10 * total / 4 / max(1, count)


def _phrases(text: str, length: int) -> Counter[tuple[str, ...]]:
    words = text.lower().replace(",", "").split()
    return Counter(tuple(words[at : at + length]) for at in range(len(words) - length + 1))


def word_f1(said: str, truth: str) -> float:
    """F1 of all words, as often as they come: rewards a caption for its grammar too."""
    one, other = Counter(said.lower().split()), Counter(truth.lower().split())
    common = sum((one & other).values())
    return 2 * common / max(1, sum(one.values()) + sum(other.values()))
