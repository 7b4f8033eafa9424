"""A CNN-LSTM captioner: its words by hand, eight pairs learnt by heart, the same bytes after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learning.test_train_clip import InMemory
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.train_cnn_lstm import (
    MODEL_FILE,
    find_vocabulary,
    look_at,
    train_cnn_lstm,
    word_rows,
)
from unprompt.networks.cnn_lstm import CnnLstm, CnnLstmCaptioner, Eyes, read_cnn_lstm, write_cnn_lstm
from unprompt.networks.cnn_lstm_config import END, PAD, SPECIAL, START, UNKNOWN, CnnLstmConfig
from unprompt.storage.resumable import WORK

CAPTIONS = [
    "a red fox", "a blue owl", "the cat is green", "a drawing of a yellow bee with black stripes",
    "brown", "two white swans", "a grey mouse, its tail pink", "an orange",
]  # fmt: skip
CONFIG = CnnLstmTraining(epochs=150, batch=8, learning_rate=1e-2, width=32, dropout=0.0, save_minutes=60)


def eight() -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(0).normal(3, 2, (8, 5)).astype(np.float32), CAPTIONS


def test_words_below_the_count_are_unknown_and_no_others() -> None:
    captions = ["A red fox", "a red owl, red", "a blue fox"]  # a 3, red 3, fox 2, blue 1, owl 1
    assert find_vocabulary(captions, 1) == (*SPECIAL, "a", "red", "fox", "blue", "owl")
    assert find_vocabulary(captions, 2) == (*SPECIAL, "a", "red", "fox")
    known = find_vocabulary(captions, 2)
    a, red, fox = range(4, 7)
    assert word_rows(captions, known).tolist() == [
        [START, a, red, fox, END, PAD],
        [START, a, red, UNKNOWN, red, END],
        [START, a, UNKNOWN, fox, END, PAD],
    ]
    assert UNKNOWN not in word_rows(captions, find_vocabulary(captions, 1))
    with pytest.raises(InputError, match="none of 5 words of the captions is there 4 times"):
        find_vocabulary(captions, 4)


def test_eight_pairs_are_learnt_by_heart_and_read_back(tmp_path: Path) -> None:
    features, captions = eight()
    learnt = train_cnn_lstm(features, captions, tmp_path / "run", CONFIG)
    assert learnt.loss < 0.05
    network = read_cnn_lstm(tmp_path / "run" / MODEL_FILE)
    assert [" ".join(words) for words in network.write(torch.from_numpy(features))] == [
        "a red fox", "a blue owl", "the cat is green", "a drawing of a yellow bee with black stripes",
        "brown", "two white swans", "a grey mouse its tail pink", "an orange",
    ]  # fmt: skip
    # One by one as together.
    assert network.write(torch.from_numpy(features[3:4])) == network.write(torch.from_numpy(features))[3:4]
    record = json.loads((tmp_path / "run/captioner.json").read_text())
    assert record["network"]["vocabulary"][:4] == list(SPECIAL)
    assert (record["images"], record["unknown"]) == (8, 0)
    with pytest.raises(RunError):
        train_cnn_lstm(features, captions, tmp_path / "run", CONFIG)


def test_with_a_cut_off_rare_words_are_said_as_unknown(tmp_path: Path) -> None:
    features = np.eye(4, dtype=np.float32)
    captions = ["a red fox", "a red owl", "a blue cat", "a blue dog"]  # no animal twice
    train_cnn_lstm(features, captions, tmp_path / "run", replace(CONFIG, min_count=2))
    network = read_cnn_lstm(tmp_path / "run" / MODEL_FILE)
    assert [" ".join(words) for words in network.write(torch.from_numpy(features))] == [
        "a red <unk>",
        "a red <unk>",
        "a blue <unk>",
        "a blue <unk>",
    ]
    assert json.loads((tmp_path / "run/captioner.json").read_text())["unknown"] == pytest.approx(4 / 12)


def test_a_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=4, batch=4, dropout=0.3)
    train_cnn_lstm(*eight(), tmp_path / "whole", config)

    def kill(step: str, done: int, total: int) -> None:
        if step == "epoch 3" and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cnn_lstm(*eight(), tmp_path / "two", replace(config, save_minutes=0), progress=kill)
    assert (tmp_path / "two" / WORK / "state.pt").exists()
    train_cnn_lstm(*eight(), tmp_path / "two", config)
    once, twice = (tmp_path / name / MODEL_FILE for name in ("whole", "two"))
    assert once.read_bytes() == twice.read_bytes()


def test_the_image_is_told_before_the_first_word() -> None:
    """The logits for the first word are those of an LSTM run by hand over image, then START."""
    torch.manual_seed(0)
    network = CnnLstm(CnnLstmConfig((*SPECIAL, "red", "blue"), 3, width=4)).eval()
    network.centre.fill_(1.0)
    network.spread.fill_(2.0)
    features = torch.tensor([[1.0, 3.0, 5.0]])
    state = None
    for told in (network.image((features - 1) / 2), network.words(torch.tensor([START]))):
        seen, state = network.lstm(told[:, None], state)
    words = torch.tensor([[START, 4]])
    assert torch.allclose(network(features, words)[:, 0], network.next(seen[:, 0]), atol=1e-6)


def test_what_is_told_of_every_stage_begins_with_the_last_layer() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    tiny = timm.create_model("test_efficientnet", num_classes=0)
    last, every = (Eyes(tiny, "test_efficientnet", 64, stages) for stages in (False, True))
    pixels = InMemory(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    plain, all_of_it = look_at(pixels, last), look_at(pixels, every)
    assert plain.shape[1] < all_of_it.shape[1] == every.width
    assert np.allclose(all_of_it[:, : plain.shape[1]], plain, atol=1e-4)
    shown = last.preprocess.normalise(torch.from_numpy(pixels.take([0])))
    with torch.inference_mode():
        assert np.allclose(plain[0], tiny(shown).numpy()[0], atol=1e-4)


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    features, captions = eight()
    with pytest.raises(InputError, match="a caption for each image, got 7, 8"):
        train_cnn_lstm(features[:7], captions, tmp_path / "run", CONFIG)
    with pytest.raises(InputError, match="none of 0 words"):
        train_cnn_lstm(features[:2], ["", "..."], tmp_path / "run", CONFIG)
    with pytest.raises(ConfigError, match="a vocabulary begins with <pad>"):
        CnnLstmConfig(("a", "red"), 5)
    with pytest.raises(ConfigError, match="min_count"):
        CnnLstmTraining(min_count=0)
    write_cnn_lstm(tmp_path / "bare.safetensors", CnnLstm(CnnLstmConfig((*SPECIAL, "red"), 5)))
    with pytest.raises(CheckpointError, match="does not say which network looks"):
        CnnLstmCaptioner.load("cpu", tmp_path / "bare.safetensors")
    (tmp_path / "bare.json").unlink()
    with pytest.raises(CheckpointError, match="needs its record"):
        read_cnn_lstm(tmp_path / "bare.safetensors")
