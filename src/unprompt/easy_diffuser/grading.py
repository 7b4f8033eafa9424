"""How good a relatedness is on images that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.easy_diffuser.relatedness import Relatedness, related
from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.easy_diffuser.round_trips import RoundTrips

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

BINS = 10
CERTAIN = 1.959964  # standard deviations either side of a 95% interval
LEAST_AUC = 0.6  # a relatedness whose AUC may be lower has no skill to speak of; 0.5 is chance


@dataclass(frozen=True)
class Share:
    """How many of `count` are right, as a share with its 95% interval; of nothing, 0 from 0 to 1."""

    right: int
    count: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, right: int, count: int) -> Share:
        """Wilson's interval: "Probable Inference" (1927)."""
        if count == 0:
            return cls(0, 0, 0.0, 0.0, 1.0)
        value, z2 = right / count, CERTAIN**2
        middle = (right + z2 / 2) / (count + z2)
        width = CERTAIN / (count + z2) * sqrt(right * (count - right) / count + z2 / 4)
        return cls(right, count, value, max(0.0, middle - width), min(1.0, middle + width))


@dataclass(frozen=True)
class Bin:
    """Pairs of like relatedness: `predicted` is its mean over them, `observed` how many are really there."""

    low: float
    high: float
    pairs: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Grade:
    """What a relatedness gets on N held-out images and T tags.

    `share`: of the pairs whose tag is in the prompt. `auc`: how often a pair that is there has the higher
    relatedness of two. `calibration_error`: the mean distance of predicted from observed over the `bins`.
    `precision` and `recall`: of the pairs at or above the threshold. `chosen`: how many of the learned rule's
    tags are really in the prompt, one tag an image; `naive`: the same of the tags with the lowest cosines, on
    all images; `naive_there`: on those for which the learned rule has a tag too.
    """

    images: int
    pairs: int
    share: float
    auc: float
    calibration_error: float
    bins: tuple[Bin, ...]
    precision: Share
    recall: Share
    chosen: Share
    naive: Share
    naive_there: Share


def grade(relatedness: Relatedness, trips: RoundTrips) -> Grade:
    """Grade on held-out round trips. Raises InputError where all tags are in their prompts, or none is."""
    r, there = relatedness.of(trips.cosines), trips.there  # (N, T) both
    hits = int(there.sum())
    if hits in (0, there.size):
        raise InputError(
            f"{hits} of {there.size:,} held-out pairs of an image and a tag have the tag in the prompt, so "
            "nothing can be graded; use more images, or a list of tags that fits the prompts"
        )
    called = r >= relatedness.threshold
    chosen = [related(row, relatedness.threshold)[:1] for row in r]
    farthest = there[np.arange(len(there)), trips.cosines.argmin(axis=1)]  # (N,)
    with_tag = np.array([bool(rows) for rows in chosen])
    right = int((called & there).sum())
    bins = calibration(r.ravel(), there.ravel())
    return Grade(
        images=len(there),
        pairs=there.size,
        share=hits / there.size,
        auc=auc(r.ravel(), there.ravel()),
        calibration_error=sum(one.pairs * abs(one.predicted - one.observed) for one in bins) / there.size,
        bins=bins,
        precision=Share.of(right, int(called.sum())),
        recall=Share.of(right, hits),
        chosen=Share.of(
            sum(bool(truth[row]) for truth, rows in zip(there, chosen, strict=True) for row in rows),
            int(with_tag.sum()),
        ),
        naive=Share.of(int(farthest.sum()), len(there)),
        naive_there=Share.of(int(farthest[with_tag].sum()), int(with_tag.sum())),
    )


def auc(scores: NDArray[np.floating], there: Bools) -> float:
    """The area under the ROC curve, from ranks: (P,) scores and truths. Equal scores count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # (P,), from 1, equals share their mean
    hits = int(there.sum())
    above = float(ranks[there].sum()) - hits * (hits + 1) / 2
    return above / (hits * (len(there) - hits))


def auc_interval(value: float, hits: int, misses: int) -> tuple[float, float]:
    """The 95% interval of an AUC of independent hits and misses.

    Hanley and McNeil, "The meaning and use of the area under a ROC curve" (1982), eq. 2.
    """
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (hits - 1) * (q1 - value**2) + (misses - 1) * (q2 - value**2)
    width = CERTAIN * sqrt(variance / (hits * misses))
    return max(0.0, value - width), min(1.0, value + width)


def why_no_skill(held_out: Mapping[str, Any]) -> str:
    """Why a relatedness with this grade (a Grade's fields) must not speak; "" where it may.

    It may where all of its AUC's interval is above LEAST_AUC. Pairs of one image are not independent, so that
    at most one hit an image is counted.
    """
    try:
        value, share = float(held_out["auc"]), float(held_out["share"])
        images, pairs = int(held_out["images"]), int(held_out["pairs"])
        hits = min(round(share * pairs), images)
        low, high = auc_interval(value, hits, pairs - hits)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return "its relatedness of tags has no grade on held-out images, so it is not asked; fit it anew"
    if low > LEAST_AUC:
        return ""
    return (
        "which words fit a picture is not told well enough here: of one that does and one that does not, the "
        f"right one is found in {value:.0%} of cases ({low:.0%} to {high:.0%}; the AUC on {images:,} "
        f"held-out images), where {LEAST_AUC:.0%} must be passed and 50% is chance"
    )


def calibration(r: Floats, there: Bools, bins: int = BINS) -> tuple[Bin, ...]:
    """Pairs (P,) in bins of the same number of pairs, from the least related up.

    Bins of the same width would hold nearly all pairs in the first, since few tags are in a prompt.
    """
    found = []
    for rows in np.array_split(np.argsort(r, kind="stable"), min(bins, len(r))):
        inside = r[rows]
        found.append(
            Bin(
                low=float(inside[0]),
                high=float(inside[-1]),
                pairs=len(rows),
                predicted=float(inside.mean()),
                observed=float(there[rows].mean()),
            )
        )
    return tuple(found)
