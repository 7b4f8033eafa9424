"""How related a tag is to an image, learned: r = sigmoid(a * cosine + b), and the r from which it is related.

a and b are those of Platt, "Probabilistic Outputs for Support Vector Machines" (1999): the binary cross
entropy over all pairs of an image and a tag, of r with whether the prompt names the tag's concept, with
Platt's targets (hits + 1) / (hits + 2) and 1 / (misses + 2) in place of 1 and 0, so that there is an answer
where the two kinds can be parted without an error.

The threshold is the r with the highest F1. Of a few hundred tags a prompt names two or three, so that nearly
every share of tags called related has a high balanced accuracy while nearly none of them is; F1 asks how many
of those called related are, and how many of those that are were called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import ConfigError, InputError, RunError
from unprompt.storage.files import read_json, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MOST_STEPS = 100  # of Newton's method; about ten are needed
GAIN = 1e-9  # of cross entropy, in nats over all pairs: a step that promises less is the last
SHORTEST = 1e-9  # of a step, before it is given up


@dataclass(frozen=True)
class Relatedness:
    """What was learned for one bundle and one list of tags.

    `a`, `b`, `threshold`: see the top of this file. `bundle`: whose cosines they are for, with what `space`
    is known by (see space.py). `tags`: those of the fit, since how common they are is in b. `fitted_on`:
    counts and settings of the fit, for people. `held_out`: its grade on held-out images (see grading.py),
    which decides whether it may speak.
    """

    a: float
    b: float
    threshold: float
    bundle: str
    space: tuple[float, ...]
    tags: tuple[str, ...]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    held_out: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("a", "b", "threshold"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
                raise InputError(f"'{name}' must be a number, got {number!r}")
        if self.a <= 0:
            raise InputError(f"'a' must be above 0, or a tag is less related the nearer it is; got {self.a}")
        if not 0 <= self.threshold <= 1:
            raise InputError(f"'threshold' is a relatedness, from 0 to 1, got {self.threshold}")
        for name, kind in (("space", int | float), ("tags", str)):
            values = getattr(self, name)
            if isinstance(values, str) or not values or not all(isinstance(value, kind) for value in values):
                raise InputError(f"'{name}' must be a list of {'texts' if kind is str else 'numbers'}")
            object.__setattr__(self, name, tuple(values))

    def of(self, cosines: NDArray[np.floating]) -> Floats:
        """Cosines of images with tags -> their relatedness, of the same shape, between 0 and 1."""
        return sigmoid(self.a * np.asarray(cosines, dtype=np.float64) + self.b)


def read_relatedness(path: Path) -> Relatedness:
    """Read what `unprompt easy-diffuser fit` wrote. Raises InputError for any other file."""
    content = read_json(path)
    missing = [item.name for item in fields(Relatedness) if item.name not in content]
    if missing:
        raise InputError(
            f"{path} has no '{missing[0]}'; name a file that `unprompt easy-diffuser fit` has written"
        )
    try:
        return Relatedness(**{item.name: content[item.name] for item in fields(Relatedness)})
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def check_place(path: Path) -> None:
    """Raise ConfigError for a folder, and for a file that is no relatedness, which is not to be replaced."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it with --out")
    if path.exists():
        try:
            read_relatedness(path)
        except InputError as error:
            raise ConfigError(
                f"{path} is there already, and not from `unprompt easy-diffuser fit`; name another file with "
                "--out"
            ) from error


def write_relatedness(path: Path, relatedness: Relatedness) -> None:
    """Write it as JSON, whole or not at all.

    Raises RunError where the file cannot be written.
    """
    try:
        write_json(path, asdict(relatedness))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error


def sigmoid(numbers: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow and exact in both tails."""
    values: Floats = np.exp(-np.logaddexp(0, -numbers))
    return values


def fit_sigmoid(cosines: NDArray[np.floating], there: Bools) -> tuple[float, float]:
    """Cosines (P,) of pairs, and whether each is a hit (P,) -> a and b, by Newton's method.

    Raises InputError where there are only hits or only misses, where all cosines are the same, and where
    hits are not nearer than misses.
    """
    check_both_kinds(there)
    hits, misses = int(there.sum()), int((~there).sum())
    numbers = np.asarray(cosines, dtype=np.float64)
    centre, spread = float(numbers.mean()), float(numbers.std())
    if spread == 0:
        raise InputError(f"all {len(there):,} cosines of images and tags are the same: {centre:.4f}")
    points = np.stack([(numbers - centre) / spread, np.ones(len(numbers))])  # (2, P)
    targets = np.where(there, (hits + 1) / (hits + 2), 1 / (misses + 2))
    slopes = np.array([0.0, np.log((hits + 1) / (misses + 1))])
    loss = _cross_entropy(slopes @ points, targets)
    for _ in range(MOST_STEPS):
        r = sigmoid(slopes @ points)
        gradient = points @ (r - targets)
        step = np.linalg.solve((points * (r * (1 - r))) @ points.T, gradient)
        if gradient @ step < GAIN:
            break
        size = 1.0
        while (tried := _cross_entropy((slopes - size * step) @ points, targets)) >= loss and size > SHORTEST:
            size /= 2
        if tried >= loss:  # only rounding is left
            break
        slopes, loss = slopes - size * step, tried
    a = float(slopes[0] / spread)
    if a <= 0:
        raise InputError(
            f"tags that are in the prompts are no nearer to the images than others (a = {a:.3g}), so "
            "relatedness cannot be learned here; use more images, or another bundle or list of tags"
        )
    return a, float(slopes[1]) - a * centre


def check_both_kinds(there: Bools) -> None:
    """Raise InputError where pairs of an image and a tag are only hits or only misses."""
    if there.all() or not there.any():
        what = "all" if there.any() else "none"
        raise InputError(
            f"{what} of {there.size:,} pairs of an image and a tag have the tag in the prompt, so there is "
            "nothing to learn; use a list of tags that fits the prompts, or more images"
        )


def _cross_entropy(logits: Floats, targets: Floats) -> float:
    """The sum over pairs, in nats."""
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def best_threshold(r: Floats, there: Bools) -> float:
    """Relatedness (P,) of pairs, and whether each is a hit (P,) -> the threshold with the highest F1.

    Halfway to the next pair below; of equal ones the highest. There must be a hit.
    """
    order = np.argsort(-r, kind="stable")
    ranked, hits = r[order], np.cumsum(there[order])
    f1 = 2 * hits / (np.arange(1, len(r) + 1) + hits[-1])
    last_of_equals = np.append(ranked[:-1] > ranked[1:], True)
    last = int(np.where(last_of_equals, f1, -1).argmax())
    return float(ranked[last] if last + 1 == len(r) else (ranked[last] + ranked[last + 1]) / 2)


def related(r: Floats, threshold: float) -> list[int]:
    """Relatedness (T,) of tags -> the rows of those at or above the threshold, the least related first."""
    rows = np.flatnonzero(r >= threshold)
    ordered: list[int] = rows[np.argsort(r[rows], kind="stable")].tolist()
    return ordered
