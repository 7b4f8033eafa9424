"""Training a tiny BLIP on plain pictures, and reading it back as any captioner."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.learning.test_train_clip import InMemory
from tests.learning.two_coloured import two_coloured
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.learning.train_captioner import (
    KIND,
    SPECIAL,
    CaptionerTraining,
    token_rows,
    train_captioner,
    vocabulary_of,
)
from unprompt.networks.captioner import Captioner
from unprompt.storage.resumable import WORK

SIZE = 32
CONFIG = CaptionerTraining(
    epochs=100,
    batch=16,
    learning_rate=3e-3,
    size=SIZE,
    patch=16,
    width=64,
    image_layers=1,
    text_layers=1,
    guidance=0,
    save_minutes=60,
)


def plain_pictures() -> tuple[InMemory, list[str]]:
    """Pictures of two colours, 16 kinds twice, and what they show."""
    pixels, captions = two_coloured(SIZE)
    return InMemory(pixels), captions


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captioner") / "captioner"
    train_captioner(*plain_pictures(), out, CONFIG)
    return out


def test_pictures_get_their_captions(trained: Path) -> None:
    pixels, captions = plain_pictures()
    captioner = Captioner.load("cpu", trained)
    prepared = [captioner.prepare(Image.fromarray(pixels[row])) for row in range(16)]
    assert captioner.features(prepared).tolist() == captions[:16]


def test_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=3)
    saving = replace(config, save_minutes=0)
    train_captioner(*plain_pictures(), tmp_path / "whole", config)

    def kill(step: str, done: int, total: int) -> None:
        if step == "epoch 2" and done == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_captioner(*plain_pictures(), tmp_path / "captioner", saving, progress=kill)
    assert (tmp_path / "captioner" / WORK / "state.pt").exists()
    train_captioner(*plain_pictures(), tmp_path / "captioner", config)
    for name in ("model.safetensors", "config.json", "preprocessor_config.json", "vocab.txt"):
        assert (tmp_path / "captioner" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_overwriting_leaves_other_files_alone(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "captioner"
    shutil.copytree(trained, out)
    (out / "my_notes.json").write_text('{"mine": true}')
    with pytest.raises(RunError, match="holds a finished captioner; add --overwrite to replace it, or name"):
        train_captioner(*plain_pictures(), out, CONFIG)
    before = {path.name for path in out.iterdir()}
    train_captioner(*plain_pictures(), out, replace(CONFIG, epochs=1), overwrite=True)
    assert {path.name for path in out.iterdir()} == before
    assert (out / "my_notes.json").read_text() == '{"mine": true}'
    written = before - {"my_notes.json", KIND.record}
    assert [name for name in written if not any(fnmatch(name, pattern) for pattern in KIND.outputs)] == []


def test_teacher_is_learnt_and_thrown_away(tmp_path: Path) -> None:
    pixels, captions = plain_pictures()
    teacher = np.stack([pixels[row].reshape(-1, 3).mean(0) for row in range(len(pixels))]).astype(np.float32)
    plain, guided = (replace(CONFIG, epochs=8, guidance=share) for share in (0.0, 1.0))
    alone = train_captioner(pixels, captions, tmp_path / "alone", plain, teacher)
    taught = train_captioner(pixels, captions, tmp_path / "taught", guided, teacher)
    assert taught.loss - alone.loss < 0.9  # what the teacher adds to the loss: 1 would be nothing learnt
    from safetensors.torch import load_file

    names = [set(load_file(tmp_path / name / "model.safetensors")) for name in ("alone", "taught")]
    assert names[0] == names[1]


def test_vocabulary_is_berts_order(trained: Path) -> None:
    pieces = (trained / "vocab.txt").read_text().splitlines()
    assert tuple(pieces[:5]) == SPECIAL
    assert pieces[5:10] == ["above", "blue", "green", "grey", "red"]  # above stands in all captions
    assert len(set(pieces)) == len(pieces)
    captioner = Captioner.load("cpu", trained)
    tokenizer = captioner._tokenizer
    assert tokenizer("Grebe").input_ids[1:-1] == [
        pieces.index(piece) for piece in ("g", "##r", "##e", "##b", "##e")
    ]


def test_vocabulary_splits_as_the_tokenizer_does() -> None:
    pieces = vocabulary_of(["Three o'clock, Éire"])
    assert pieces[5:11] == ["'", ",", "clock", "eire", "o", "three"]


def test_rows_begin_and_end(trained: Path) -> None:
    tokenizer = Captioner.load("cpu", trained)._tokenizer
    count = len(tokenizer)
    red, above = tokenizer.convert_tokens_to_ids(["red", "above"])
    assert token_rows(tokenizer, ["red above red", "red"]).tolist() == [
        [count, red, above, red, 3],
        [count, red, 3, 0, 0],
    ]
    assert token_rows(tokenizer, ["red " * 100]).shape == (1, 64)


def test_what_makes_no_sense_is_told(tmp_path: Path) -> None:
    pixels, captions = plain_pictures()
    with pytest.raises(InputError, match="a caption for each image, got 32 and 31"):
        train_captioner(pixels, captions[1:], tmp_path / "few", CONFIG)
    with pytest.raises(InputError, match="teacher's features are of 31 images, and there are 32"):
        train_captioner(pixels, captions, tmp_path / "few", CONFIG, np.zeros((31, 3), np.float32))
    with pytest.raises(ConfigError, match="size 32 is not a multiple of the patch of 20 pixels"):
        replace(CONFIG, patch=20)
    with pytest.raises(ConfigError, match="width must be a multiple of 64, got 96"):
        replace(CONFIG, width=96)
    teacher = np.full((32, 3), np.nan, np.float32)
    with pytest.raises(RunError, match="the loss is not a number"):
        train_captioner(pixels, captions, tmp_path / "nan", replace(CONFIG, guidance=1.0), teacher)


def test_random_numbers_of_others_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    train_captioner(*plain_pictures(), tmp_path / "captioner", replace(CONFIG, epochs=1))
    assert torch.rand(3).equal(wanted)
