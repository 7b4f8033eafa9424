"""The prior: what to guess when nothing is known of an image."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.records import DIM, unit_rows
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    from unprompt.records import FloatArray


def prior_embedding() -> FloatArray:
    """The embedding to guess when nothing is known of an image: (384,) float32, unit length.

    It is the mean of the embeddings of a public prompt list; `data/prior.json` says which.
    """
    prior: FloatArray = unit_rows(prior_mean()[None])[0]
    return prior


def unrelated_similarity(embeddings: FloatArray) -> FloatArray:
    """Unit rows (..., 384) -> the mean similarity (...) of unrelated prompts with each.

    It is that with all prompts of the public list, and so the product with the list's mean.
    """
    return np.asarray(embeddings @ prior_mean(), dtype=np.float32)


def unrelated_prompts() -> float:
    """The mean similarity of two prompts drawn from the public list."""
    return float(prior_mean() @ prior_mean())


@cache
def prior_mean() -> FloatArray:
    """The mean embedding of the public prompt list, (384,) float32; shorter than unit length."""
    record = read_json(Path(str(files("unprompt") / "data" / "prior.json")))
    mean = np.frombuffer(base64.b64decode(record["embedding_float32_base64"]), dtype="<f4")
    assert mean.shape == (DIM,)
    return mean
