"""Members' embeddings -> one blend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import ConfigError, InputError
from unprompt.records import Embeddings, LazyEmbeddings, unit_rows
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.records import FloatArray, Rows

CANCELLED = 1e-6  # a blend shorter than this, relative to its weights, is float32's rounding


def check_weights(weights: Sequence[float], members: int) -> None:
    """Raise ConfigError unless there is one finite weight >= 0 a member and their sum is finite, not zero."""
    if len(weights) != members:
        raise ConfigError(
            f"{counted(members, 'member')} but {counted(len(weights), 'weight')}; give one weight a member"
        )
    bad = [weight for weight in weights if not math.isfinite(weight) or weight < 0]
    if bad:
        raise ConfigError(f"weights must be finite and not negative, got {bad[0]}")
    if not math.isfinite(sum(weights)):
        raise ConfigError("the weights sum to more than a number can be; only their ratio matters")
    if sum(weights) == 0:
        raise ConfigError("the weights sum to zero; give at least one member a share")


def blend(tables: Sequence[Embeddings], weights: Sequence[float]) -> Embeddings:
    """Weighted mean of unit vectors, matched by image id, scaled back to unit length.

    Each member's rows are scaled to unit length first, so that a weight is a share and not a matter of how
    long a member's vectors are (measured in the competition: .593 -> .597). Only the ratio of the weights
    matters. Shapes: k times (N, 384) -> (N, 384), rows in the order of the first table.

    Raises InputError where the members do not cover the same images, or where they cancel out to zero.
    """
    if not tables:
        raise ConfigError("nothing to blend; name at least one member's file")
    check_weights(weights, len(tables))
    ids = tables[0].ids
    for position, table in enumerate(tables[1:], start=2):
        extra = set(table.ids) - set(ids)
        if extra:
            raise InputError(
                f"member {position} has {counted(len(extra), 'image')} that member 1 lacks, first: "
                f"{min(extra)}; "
                "members of a blend must cover the same images"
            )
    shares = np.asarray(weights, dtype=np.float64) / max(weights)
    total = np.zeros((len(ids), tables[0].vectors.shape[1]))
    for position, (table, share) in enumerate(zip(tables, shares, strict=True), start=1):
        try:
            total += share * unit_rows(table.at(ids).vectors).astype(np.float64)
        except InputError as error:
            raise InputError(f"member {position}: {error}") from error
    total[np.linalg.norm(total, axis=1) < CANCELLED * shares.sum()] = 0
    return Embeddings(ids, unit_rows(total, "blended embeddings"))


def blend_lazily(tables: Sequence[LazyEmbeddings], weights: Sequence[float]) -> LazyEmbeddings:
    """What `blend` gives, of images that are asked for; all tables have the same ids in the same order."""

    def take(rows: Rows) -> FloatArray:
        return blend([table.some(rows) for table in tables], weights).vectors

    return LazyEmbeddings(tables[0].ids, take)
