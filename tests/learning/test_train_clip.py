"""Training a CLIP with a locked image tower, on a tiny network of timm's with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch

from unprompt.datasets.pixels import Pixels
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.learning.curves import read_metrics
from unprompt.learning.locked_tower import LockedTower
from unprompt.learning.train_clip import (
    ClipTraining,
    encode_texts,
    image_features,
    model_config,
    run_of_words,
    token_rows,
    train_clip,
    word_ends,
)
from unprompt.networks.backbones import fold
from unprompt.networks.clip import CONFIG_FILE, WEIGHTS_FILES, Clip
from unprompt.networks.preprocess import Preprocess
from unprompt.networks.tokens import clips_own
from unprompt.storage.resumable import WORK
from unprompt.text.clip_words import clip_tokenizer

SIZE = 32
NAME = "test_efficientnet"
CONFIG = ClipTraining(
    epochs=30,
    batch=16,
    learning_rate=3e-3,
    width=32,
    text_width=64,
    text_layers=1,
    runs=0.2,
    run_words=2,
    save_minutes=60,
)
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "cyan", "magenta")
SHAPES = ("square", "disc", "cross", "ring")


class InMemory(Pixels):
    """Images that lie in an array."""

    decoded = True

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> Any:
        return self._images[row]


@pytest.fixture(scope="module")
def tower() -> LockedTower:
    torch.manual_seed(1)
    network = timm.create_model(NAME, num_classes=0).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # else folding would have next to nothing to carry
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.bias, std=0.3)
    return LockedTower(NAME, Preprocess(SIZE), network.requires_grad_(False))


@pytest.fixture(scope="module")
def images() -> InMemory:
    return InMemory(np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, list[str]]:
    """Features in which colour and shape stand beside each other, and prompts that name both."""
    names = [(colour, shape) for colour in range(len(COLOURS)) for shape in range(len(SHAPES))] * 2
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.1, (len(names), timm.create_model(NAME, num_classes=0).num_features))
    for row, (colour, shape) in zip(features, names, strict=True):
        row[colour] += 3
        row[len(COLOURS) + shape] += 3
    prompts = [f"a {COLOURS[colour]} {SHAPES[shape]}" for colour, shape in names]
    return features.astype(np.float32), prompts


@pytest.fixture(scope="module")
def trained(
    tower: LockedTower, pairs: tuple[np.ndarray, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("clip") / "clip"
    train_clip(tower, *pairs, out, CONFIG)
    return out


def test_images_find_their_prompts(trained: Path, pairs: tuple[np.ndarray, list[str]]) -> None:
    features, prompts = pairs
    known = sorted(set(prompts))
    texts = Clip.load("cpu", checkpoint=trained).texts.encode(known).numpy()
    nearest = (image_features(trained, features) @ texts.T).argmax(axis=1)
    assert [known[row] for row in nearest] == prompts


def test_loaded_clip_sees_what_the_head_was_trained_on(
    tower: LockedTower, trained: Path, images: InMemory
) -> None:
    seen = Clip.load("cpu", checkpoint=trained).features([images[row] for row in range(len(images))])
    np.testing.assert_allclose(image_features(trained, tower.features(images)), seen, atol=2e-5)


def test_files_are_what_open_clip_loads(trained: Path) -> None:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{trained}")
    state = model.state_dict()
    assert not any(parameter.isnan().any() for parameter in state.values())
    clip = Clip.load("cpu", checkpoint=trained)
    ids = open_clip.get_tokenizer(f"local-dir:{trained}")(["a red ring"])
    with torch.inference_mode():
        theirs = model.eval().encode_text(ids, normalize=True)
    np.testing.assert_allclose(clip.texts.encode(["a red ring"]), theirs, atol=1e-5)


def test_killed_training_ends_with_the_same_bytes(
    tower: LockedTower, pairs: tuple[np.ndarray, list[str]], tmp_path: Path
) -> None:
    config = replace(CONFIG, epochs=2)
    saving = replace(config, save_minutes=0)
    train_clip(tower, *pairs, tmp_path / "whole", config)

    def kill(step: str, done: int, total: int) -> None:
        if step == "epoch 2" and done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_clip(tower, *pairs, tmp_path / "clip", saving, progress=kill)
    assert (tmp_path / "clip" / WORK / "state.pt").exists()
    steps = []
    train_clip(
        tower, *pairs, tmp_path / "clip", config, progress=lambda step, done, total: steps.append(step)
    )
    assert steps[0] == "epoch 2"
    for name in (WEIGHTS_FILES[0], CONFIG_FILE):
        assert (tmp_path / "clip" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_finished_folder_is_not_written_again(
    tower: LockedTower, pairs: tuple[np.ndarray, list[str]], trained: Path
) -> None:
    with pytest.raises(RunError, match="holds a finished CLIP"):
        train_clip(tower, *pairs, trained, CONFIG)


def test_image_tower_stays_as_it_is(tower: LockedTower, trained: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(trained / WEIGHTS_FILES[0])
    for name, tensor in tower.network.state_dict().items():
        torch.testing.assert_close(state[f"visual.trunk.{name}"], tensor, msg=name)


def test_folded_norms_come_back(tower: LockedTower, images: InMemory) -> None:
    network = timm.create_model(NAME, num_classes=0)
    network.load_state_dict(tower.network.state_dict())
    folded = LockedTower(NAME, tower.preprocess, fold(network.eval(), NAME).requires_grad_(False))
    assert len(folded.network.state_dict()) < len(tower.state())
    again = timm.create_model(NAME, num_classes=0)
    again.load_state_dict(folded.state())
    plain = LockedTower(NAME, tower.preprocess, again.eval())
    np.testing.assert_allclose(plain.features(images), tower.features(images), atol=1e-4)


def test_texts_of_unlike_lengths_are_encoded_as_one_by_one(tower: LockedTower) -> None:
    described = model_config(tower, CONFIG)
    torch.manual_seed(0)
    text = open_clip.CustomTextCLIP(
        described["embed_dim"], described["vision_cfg"], described["text_cfg"]
    ).text.eval()
    texts = ["ring", "a red ring in the fog", "!", "", "a green disc and a blue cross", "wow!!! ! !"] * 2
    ids = token_rows(texts, CONFIG.context)
    whole = clips_own(CONFIG.context)(texts)
    assert whole[:, : ids.shape[1]].equal(ids.long())
    mask = text.attn_mask
    with torch.inference_mode():
        torch.testing.assert_close(encode_texts(text, ids), text(whole), atol=1e-5, rtol=0)
    assert text.attn_mask is mask


def test_a_run_of_words_is_some_neighbouring_words_of_a_prompt() -> None:
    prompt = "a magenta teleporter, right of twins"
    words = ["a", "magenta", "teleporter", ",", "right", "of", "twins"]
    (ids,) = token_rows([prompt], CONFIG.context).numpy()
    tokenizer = clip_tokenizer()
    dice, ends = np.random.default_rng(0), word_ends()
    shown = set()
    for _ in range(500):
        row = run_of_words(ids, ends, 3, dice)
        stop = int(row.argmax())
        assert (row[0], row[stop]) == (ids[0], ids.max())
        assert not row[stop + 1 :].any()
        shown.add(tuple(tokenizer.decode(row[1:stop].tolist()).split()))
    every = [words[a : a + n] for n in (1, 2, 3) for a in range(len(words) - n + 1)]
    assert shown == {tuple(run) for run in every}


def test_a_prompt_without_words_stays_as_it_is() -> None:
    (ids,) = token_rows([""], CONFIG.context).numpy()
    assert run_of_words(ids, word_ends(), 3, np.random.default_rng(0)).tolist() == ids.tolist()


def test_what_makes_no_sense_is_told(
    tower: LockedTower, pairs: tuple[np.ndarray, list[str]], tmp_path: Path
) -> None:
    features, prompts = pairs
    with pytest.raises(InputError, match="a prompt for each image, got 64 and 63"):
        train_clip(tower, features, prompts[1:], tmp_path / "clip", CONFIG)
    with pytest.raises(ConfigError, match="text_width must be a multiple of 64, got 100"):
        replace(CONFIG, text_width=100)
    with pytest.raises(ConfigError, match="epochs must be at least 1, got 0"):
        replace(CONFIG, epochs=0)
    with pytest.raises(ConfigError, match="seed must be at least 0, got -1"):
        replace(CONFIG, seed=-1)
    with pytest.raises(ConfigError, match="runs is a share, between 0 and 1, got 2"):
        replace(CONFIG, runs=2)
    with pytest.raises(ConfigError, match="learning_rate must be above 0"):
        replace(CONFIG, learning_rate=0)
    with pytest.raises(RunError, match="the loss is not a number"):
        train_clip(tower, features * np.nan, prompts, tmp_path / "nan", CONFIG)


def test_other_clips_have_no_such_head(tmp_path: Path) -> None:
    from tests.tiny_clip import write_tiny_clip

    folder = write_tiny_clip(tmp_path, file=WEIGHTS_FILES[0])
    with pytest.raises(CheckpointError, match=r"no 'visual\.head\.proj\.weight'"):
        image_features(folder, np.zeros((1, 4), np.float32))


def test_record_says_what_was_done(trained: Path) -> None:
    record = json.loads((trained / "train.json").read_text())
    assert record["images"] == 64
    assert record["config"]["text_width"] == 64
    assert 0 < record["loss"] < np.log(16)  # chance
    rows = read_metrics(trained / "metrics.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 31))
    assert rows[-1]["loss"] == record["loss"]
    assert (trained / "curves.png").exists()
    assert not (trained / WORK).exists()
