"""How well colours follow words: scores of single drawings, and their means with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unprompt.colouring.examples import CHOICES, IGNORED
from unprompt.colouring.painter import basics_of, colours_of
from unprompt.colouring.palette import PAPER, WHITE, class_of, lab_of
from unprompt.ensemble import score_tables
from unprompt.pocket.closing import NOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring.mentions import Mention

    Ints = NDArray[np.int64]

SHARES = ("first", "second", "all", "unasked", "paper", "spilled")
SCORES = (*SHARES, "difference")
HALF = 0.5  # of a part's area that has to have the asked colour


def score_drawing(choices: Ints, right: Ints, areas: NDArray[np.floating], named: Ints) -> dict[str, float]:
    """Scores of one drawing, by the names in SHARES; those that do not apply are NaN.

    `choices`, `right`: (R,) as `targets_of` counts. `named`: (M,) the named colours, by number in CLASSES.

    first, second: whether most of the area that the first or second named colour is about, by size, has it;
    all: whether that is so of each named colour. unasked: the share of the area that no word is about,
    without paper, with its usual basic colour. paper: the share of paper that is left white. spilled: the
    share of what no word is about, without paper, that has a named colour all the same.
    """
    made, truth = basics_of(choices, named), basics_of(np.where(right == IGNORED, 0, right), named)
    asked = sorted(
        (
            (float(areas[right == CHOICES + m].sum()), m)
            for m in range(len(named))
            if (right == CHOICES + m).any()
        ),
        reverse=True,
    )
    hits = []
    for area, m in asked:
        hits.append(float(areas[(right == CHOICES + m) & (made == named[m])].sum() > HALF * area))
    unasked = (right > PAPER) & (right < CHOICES)
    paper = right == PAPER
    white = (made == PAPER) | (made == class_of("white"))
    return {
        "first": hits[0] if hits else np.nan,
        "second": hits[1] if len(hits) > 1 else np.nan,
        "all": float(all(hits)) if hits else np.nan,
        "unasked": _share(areas, unasked, made == truth),
        "paper": _share(areas, paper, white),
        "spilled": _share(areas, unasked, np.isin(made, named) & (made != truth)),
    }


def difference_of(
    colours: Ints, right: Ints, areas: NDArray[np.floating], mentions: Sequence[Mention]
) -> float:
    """Mean CIEDE2000 (Sharma et al. 2005) of the area that words are about to the colours asked for.

    0 … about 100; NaN where no word is about anything. `colours`: (R,) 0xRRGGBB, NOTHING for paper; `right`:
    (R,) as `targets_of` counts.
    """
    from skimage.color import deltaE_ciede2000

    asked = right >= CHOICES
    if not asked.any():
        return np.nan
    made = colours[asked]
    far = deltaE_ciede2000(
        lab_of(np.where(made == NOTHING, WHITE, made)), lab_of(colours_of(right[asked], mentions))
    )
    return float(np.average(far, weights=areas[asked]))


def _share(areas: NDArray[np.floating], among: NDArray[np.bool_], those: NDArray[np.bool_]) -> float:
    whole = float(areas[among].sum())
    return float(areas[among & those].sum()) / whole if whole else np.nan


def mean_scores(scores: Sequence[dict[str, float]], names: Sequence[str] = SCORES) -> dict[str, float]:
    """Means over the drawings to which a score applies; NaN where there is none."""
    return score_tables.mean_scores(scores, names)


def intervals(scores: Sequence[dict[str, float]], seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% bootstrap intervals of `mean_scores`, over drawings (Efron 1979)."""
    return score_tables.score_intervals(scores, SCORES, seed)
