"""What is known of prompts before an image is looked at."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from unprompt.ensemble.prior import prior_embedding, unrelated_prompts, unrelated_similarity
from unprompt.storage.files import read_json


def test_the_unrelated_level_is_the_product_with_the_mean_of_the_list() -> None:
    length = read_json(Path(str(files("unprompt") / "data" / "prior.json")))["length"]  # of that mean
    prior = prior_embedding()
    across = np.roll(prior, 1)
    across -= (across @ prior) * prior  # nothing in common with the mean
    across /= np.linalg.norm(across)
    rows = np.stack([prior, across, 0.6 * prior + 0.8 * across])
    assert unrelated_similarity(rows) == pytest.approx([length, 0, 0.6 * length], abs=1e-5)
    assert unrelated_similarity(rows[0]).shape == ()
    assert unrelated_prompts() == pytest.approx(length**2, abs=1e-5)


@pytest.mark.slow
def test_sentences_about_different_things_are_as_near_as_unrelated_ones() -> None:
    """A list that has nothing to do with the package's: 12 sentences, each compared with the 11 others."""
    pytest.importorskip("tokenizers")
    from unprompt.networks.minilm import PromptEncoder

    said = (
        "a red bus in the rain", "portrait of an old sailor, oil painting", "a bowl of ramen",
        "the moon over a lake", "a robot playing chess", "a castle made of ice", "two foxes in the snow",
        "a map of an unknown island", "a child with a kite", "a neon sign that says open",
        "a vase of tulips", "an astronaut riding a horse",
    )  # fmt: skip
    rows = PromptEncoder.load("cpu").encode(list(said))
    measured = (rows @ rows.T)[np.triu_indices(len(said), k=1)].mean()
    assert measured == pytest.approx(unrelated_prompts(), abs=0.08)
