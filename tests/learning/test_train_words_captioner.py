"""Training a words captioner on plain pictures, and reading it back as any captioner."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.learning.test_train_clip import InMemory
from tests.learning.two_coloured import RGB, two_coloured
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.interrogator.caption_files import caption
from unprompt.learning.train_cnn_lstm import find_vocabulary, word_rows
from unprompt.learning.train_words_captioner import open_maps, train_words_captioner
from unprompt.learning.words_captioner_config import WordsCaptionerTraining
from unprompt.networks.captioner import CPU_BATCH
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioners import Several, batch_of, open_captioner
from unprompt.networks.cnn_lstm_config import SPECIAL
from unprompt.networks.words_captioner import BATCH, Eyes, WordsCaptioner, split_signs
from unprompt.regression.checkpoint import save_model
from unprompt.regression.config import TrainConfig
from unprompt.regression.eyes import eyes_of
from unprompt.regression.model import new_model
from unprompt.storage.resumable import WORK
from unprompt.storage.text_config import TextConfig

SIZE = 64  # two places each way
CONFIG = WordsCaptionerTraining(
    epochs=60, batch=16, learning_rate=3e-3, width=64, decoder_layers=1, dropout=0, save_minutes=60
)
REGRESSION = TrainConfig(backbone="tf_efficientnet_lite0", size=SIZE, fold_norms=True, head="words")


def plain_pictures() -> tuple[InMemory, list[str]]:
    """Pictures of two colours, 16 kinds twice, and what they show."""
    pixels, captions = two_coloured(SIZE)
    return InMemory(pixels), [caption.replace(" ", ", ", 1) for caption in captions]


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regression whose words are random: what is seen is what ImageNet has taught."""
    path = tmp_path_factory.mktemp("regression") / "best.safetensors"
    with torch.random.fork_rng(devices=[]):
        model = new_model(REGRESSION, tuple(RGB))
        torch.manual_seed(0)
        model.head.words.reset_parameters()
    save_model(path, model.spec, model.state_dict(), {})
    return path


@pytest.fixture(scope="module")
def seen(regression: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Eyes, np.ndarray]:
    eyes = eyes_of(regression)
    return eyes, open_maps(tmp_path_factory.mktemp("maps") / "maps.npy", plain_pictures()[0], eyes)


@pytest.fixture(scope="module")
def trained(seen: tuple[Eyes, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captioner") / "captioner"
    train_words_captioner(*seen, plain_pictures()[1], out, CONFIG)
    return out


def test_eyes_read_what_the_head_reads(regression: Path, seen: tuple[Eyes, np.ndarray]) -> None:
    from unprompt.regression.checkpoint import load_model

    eyes, maps = seen
    model = load_model(regression).model
    pixels, captions = plain_pictures()
    assert maps.shape == (len(captions), 4, 1280)
    assert maps.dtype == np.float16
    with torch.inference_mode():
        features = model.features(model.inputs(torch.from_numpy(pixels.take(np.arange(32)))))
        read = eyes.read(torch.from_numpy(maps.astype(np.float32)))
        torch.testing.assert_close(read[:, 0], model.head.logits(features), atol=0.02, rtol=0.01)


def test_pictures_get_their_captions_whatever_opens_it(trained: Path) -> None:
    pixels, captions = plain_pictures()
    for path in (trained, trained / "captioner.safetensors"):
        captioner = open_captioner("cpu", path)
        prepared = [captioner.prepare(Image.fromarray(pixels.take(np.array([row]))[0])) for row in range(16)]
        assert captioner.features(prepared).tolist() == captions[:16]
    several = Several(captioner, 6).features(prepared)
    assert several.shape == (16, 7)
    assert several[:, 0].tolist() == captions[:16]
    assert np.mean(several == np.array(captions[:16])[:, None]) > 0.9


def test_command_caption_takes_it_in_its_own_batches(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, captions = plain_pictures()
    rows, together = range(1, CPU_BATCH + 2), []
    look = WordsCaptioner.features

    def noted(self: WordsCaptioner, prepared: list[np.ndarray]) -> np.ndarray:
        together.append(len(prepared))
        return look(self, prepared)

    monkeypatch.setattr(WordsCaptioner, "features", noted)
    for row in rows:
        Image.fromarray(pixels.take(np.array([row]))[0]).save(tmp_path / f"{row}.png")
    found = caption([tmp_path], None, trained, None, CaptionConfig(), TextConfig(), device="cpu")
    assert [one.caption for one in found.found] == [captions[row] for row in rows]
    assert together == [len(rows)]


def test_it_says_how_many_pictures_it_takes_at_a_time(trained: Path, tmp_path: Path) -> None:
    for config, batch in ((None, BATCH), (CaptionConfig(batch=3), 3)):
        assert batch_of("cpu", trained, config) == batch
        assert open_captioner("cpu", trained, config).batch == batch
    assert batch_of("cpu", tmp_path) == CPU_BATCH != BATCH
    assert batch_of("cpu") == CPU_BATCH


def test_settings_of_other_captioners_are_refused(trained: Path) -> None:
    for config in (CaptionConfig(beams=3), CaptionConfig(prompt="a"), CaptionConfig(length=9)):
        with pytest.raises(ConfigError, match="leave out prompt, length and beams"):
            open_captioner("cpu", trained, config)
    with pytest.raises(ConfigError, match="--vocabulary belongs to"):
        open_captioner("cpu", trained, None, trained)


def test_killed_training_ends_with_the_same_bytes(seen: tuple[Eyes, np.ndarray], tmp_path: Path) -> None:
    captions = plain_pictures()[1]
    config = replace(CONFIG, epochs=4, dropout=0.2)
    train_words_captioner(*seen, captions, tmp_path / "whole", config)

    def kill(step: str, done: int, total: int) -> None:
        if step == "epoch 3" and done == 16:
            raise KeyboardInterrupt

    saving = replace(config, save_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        train_words_captioner(*seen, captions, tmp_path / "killed", saving, progress=kill)
    assert (tmp_path / "killed" / WORK).exists()
    train_words_captioner(*seen, captions, tmp_path / "killed", config)
    one, other = ((tmp_path / name / "captioner.safetensors").read_bytes() for name in ("whole", "killed"))
    assert one == other
    with pytest.raises(RunError):
        train_words_captioner(*seen, captions, tmp_path / "whole", config)


def test_signs_and_rows_by_hand() -> None:
    known = find_vocabulary(["a fox, a cat,", "a fox", "the cat."], 2, split_signs)
    assert known == (*SPECIAL, "a", ",", "cat", "fox")
    rows = word_rows(["a fox, red", "cat"], known, 3, split_signs)
    assert rows.tolist() == [[1, 4, 7, 5, 2], [1, 6, 2, 0, 0]]


def test_what_does_not_belong_together(seen: tuple[Eyes, np.ndarray], tmp_path: Path) -> None:
    eyes, maps = seen
    with pytest.raises(InputError, match="a caption for each image, got 32 and 1"):
        train_words_captioner(eyes, maps, ["a"], tmp_path / "few")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"head": "linear"}, "has a linear head; a words captioner sees by a words head"),
        (
            {"backbone": "vit_tiny_patch16_224", "fold_norms": False, "from_scratch": True},
            "mean of its last map",
        ),
    ],
)
def test_networks_that_cannot_be_read_place_by_place(other: dict, message: str, tmp_path: Path) -> None:
    config = replace(REGRESSION, **other)
    model = new_model(config, tuple(RGB) if config.head == "words" else ())
    save_model(tmp_path / "best.safetensors", model.spec, model.state_dict(), {})
    with pytest.raises(ConfigError, match=message):
        eyes_of(tmp_path / "best.safetensors")


@pytest.mark.parametrize("number", [0, -3, 10**9, "wide"])
def test_hostile_record(number: object, trained: Path, tmp_path: Path) -> None:
    for name in ("captioner.safetensors", "captioner.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    record = json.loads((tmp_path / "captioner.json").read_text())
    record["network"]["width"] = number
    (tmp_path / "captioner.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError):
        open_captioner("cpu", tmp_path)
