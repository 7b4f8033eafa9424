"""The words head: bags of words by hand, its fit, and whole runs with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.regression.test_train import CPU, TINY, learnt, same_weights
from unprompt.datasets.dataset import read_dataset
from unprompt.errors import ConfigError
from unprompt.networks.preprocess import Preprocess
from unprompt.regression.checkpoint import load_model, save_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.model import ModelSpec, WordsHead, new_model
from unprompt.regression.probe import fit_ridge, fit_words
from unprompt.regression.train import train
from unprompt.regression.words import distinct_words, presence, vocabulary_of, word_loss, word_rows

pytestmark = pytest.mark.usefixtures("small_gallery")

PROMPTS = ("A red Fox, a FOX's tail", "two foxes", "red sky at 5 o'clock", "RED")
WORDS = replace(TINY, head="words", word_count=2, probe=3)


def test_words_by_hand() -> None:
    assert distinct_words(PROMPTS[0]) == ["a", "red", "fox", "fox's", "tail"]
    assert distinct_words("Émile’s 35mm_photo -- 5 o'clock'") == ["émile’s", "35mm", "photo", "5", "o'clock"]
    assert distinct_words(" ,.- ") == []


def test_vocabulary_by_hand() -> None:
    assert vocabulary_of(PROMPTS, 2) == ("red",)
    assert vocabulary_of(PROMPTS, 1)[:3] == ("red", "5", "a")  # the most frequent, then by the alphabet
    with pytest.raises(ConfigError, match=r"no word occurs in 4 of 4 prompts.*word_count"):
        vocabulary_of(PROMPTS, 4)


def test_rows_and_presence_by_hand() -> None:
    rows = word_rows(PROMPTS, ("sky", "red", "fox"))
    assert rows.tolist() == [[1, 2], [3, 3], [1, 0], [1, 3]]
    expected = [[0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert presence(torch.from_numpy(rows), 3).tolist() == expected
    assert presence(torch.from_numpy(word_rows(["nothing"], ("sky",))), 1).tolist() == [[0]]


def test_word_loss_is_the_cross_entropy_of_each_word() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0], [1.0, -3.0, 0.5]])
    rows = torch.tensor([[1, 3], [0, 2]])  # place 3 of 3 words is a filler
    likely = logits.sigmoid().double()
    by_hand = [
        -(torch.log(1 - likely[0, 0]) + torch.log(likely[0, 1]) + torch.log(1 - likely[0, 2])),
        -(torch.log(likely[1, 0]) + torch.log(1 - likely[1, 1]) + torch.log(likely[1, 2])),
    ]
    assert word_loss(logits, rows).tolist() == pytest.approx([float(loss) for loss in by_hand], abs=1e-5)


def test_probe_finds_which_words_are_there_and_what_they_mean() -> None:
    """Features that show each of 60 things weakly, embeddings that are sums over things: where a linear map
    spreads its error over all directions, the words head names the thing."""
    dice = torch.Generator().manual_seed(0)
    meanings = torch.nn.functional.normalize(torch.randn(60, 384, generator=dice), dim=1)
    looks = 3 * torch.randn(60, 40, generator=dice)

    def scenes(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        thing = torch.randint(60, (count, 1), generator=dice)
        seen = looks[thing[:, 0]] + torch.randn(count, 40, generator=dice) + 5
        return seen, meanings[thing[:, 0]], thing

    features, targets, words = scenes(3000)
    held_out, truth, _ = scenes(500)
    head = WordsHead(40, 60)
    fit_words(head, features, targets, words, held_out, truth, epochs=20, seed=0, device="cpu")
    linear = fit_ridge(features, targets, held_out, truth)
    with torch.inference_mode():
        score = float(torch.cosine_similarity(head(held_out), truth).mean())
    assert score > 0.97
    assert score > linear.score + 0.1


def test_a_words_network_comes_back_with_its_words(tmp_path: Path) -> None:
    config = TrainConfig(backbone="test_vit", from_scratch=True, size=32, head="words")
    model = new_model(config, ("fox", "l’été", "5")).eval()
    save_model(tmp_path / "m.safetensors", model.spec, model.state_dict(), {})
    loaded = load_model(tmp_path / "m.safetensors").model
    pixels = torch.randn(2, 3, 32, 32)
    assert loaded.spec == model.spec
    with torch.inference_mode():
        assert torch.equal(loaded(pixels), model(pixels))


@pytest.mark.parametrize(("head", "words"), [("words", ()), ("linear", ("fox",))])
def test_only_a_words_head_has_words(head: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="a words head has words and no other has"):
        ModelSpec("test_vit", head, Preprocess(32), words=words)


def test_run_with_words_goes_on_as_a_whole_one(pairs: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def interrupt(step: str, at: int, total: int) -> None:
        if step == "epoch 2" and at:
            raise StoppedError

    train(pairs, tmp_path / "WHOLE", WORDS, CPU)
    with pytest.raises(StoppedError):
        train(pairs, tmp_path / "RUN", WORDS, CPU, progress=interrupt)
    assert train(pairs, tmp_path / "RUN", WORDS, CPU).resumed
    assert learnt(tmp_path / "RUN") == learnt(tmp_path / "WHOLE")
    assert same_weights(tmp_path / "RUN" / "last.safetensors", tmp_path / "WHOLE" / "last.safetensors")
    words = load_model(tmp_path / "RUN" / "best.safetensors").model.spec.words
    assert set(words) <= {word for text in read_dataset(pairs).prompts.texts for word in distinct_words(text)}
    assert "a" in words


def test_share_of_the_words_is_in_the_loss(pairs: Path, tmp_path: Path) -> None:
    """Without their share the loss of an epoch is one minus its score; with it, it is larger."""
    for share, more in ((0.0, False), (0.02, True)):
        run = tmp_path / str(share)
        train(pairs, run, replace(WORDS, epochs=1, word_share=share), CPU)
        row = learnt(run)[-1]
        assert (row["loss"] > 1 - row["train"] + 0.05) is more
        assert np.isfinite(row["validation"])
