"""BLIP-2 is taught by pictures that it looks at, and a training that was killed ends with the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor, Blip2Processor

from tests.tiny_captioners import save_tiny_blip, save_tiny_blip2
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
from unprompt.learning.train_blip2 import (
    NOT_LEARNT,
    Blip2Learnt,
    Blip2Objective,
    TokenRows,
    begin,
    caption_losses,
    end_token,
    look,
    token_rows,
    train_blip2,
)
from unprompt.networks.captioner_files import CaptionNetwork, load_captioner

pytestmark = pytest.mark.usefixtures("one_thread")

CAPTIONS = ["a red house", "a blue ship near the river", "a dog", "the old cat and a bird"]
ALL = "language+vision+qformer"
TRAINING = Blip2Training(epochs=2, batch=2, learning_rate=1e-2, rank=4, alpha=8, seed=3)
MACHINE = Blip2Machine(device="cpu", gradient_checkpointing=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip2(tmp_path_factory.mktemp("blip2") / "tiny")


def load(folder: Path) -> CaptionNetwork:
    return load_captioner(folder, None, "fp32")


def pictures(count: int = 4) -> list[Image.Image]:
    noise = np.random.default_rng(4).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return [Image.fromarray(one) for one in noise]


def pixels(loaded: CaptionNetwork, count: int) -> torch.Tensor:
    found: torch.Tensor = loaded.image_processor(images=pictures(count), return_tensors="pt")["pixel_values"]
    return found


def tensors(rows: TokenRows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.from_numpy(rows.ids), torch.from_numpy(rows.labels), torch.from_numpy(rows.there)


def train(folder: Path, out: Path, config: Blip2Training = TRAINING, **more: Any) -> Blip2Learnt:
    return train_blip2(pictures(), CAPTIONS, folder, out, config, **{"machine": MACHINE, **more})


# --- what is learnt


def test_defaults_are_the_students() -> None:
    config = Blip2Training()
    assert (config.rank, config.alpha, config.dropout, config.targets) == (16, 32, 0.05, "language")
    assert (config.learning_rate, config.batch, config.epochs) == (5e-4, 60, 15)
    schedule = config.schedule(1.0)
    assert (schedule.weight_decay, schedule.share(0, 90), schedule.share(89, 90)) == (0, 1, 1)


def test_rows_of_tokens_are_the_processors_with_an_end(folder: Path) -> None:
    loaded = load(folder)
    rows = token_rows(loaded, CAPTIONS, 40)
    processor = AutoProcessor.from_pretrained(str(folder))
    assert isinstance(processor, Blip2Processor)
    for row, caption in enumerate(CAPTIONS):
        theirs = processor(images=pictures(1)[0], text=caption)["input_ids"][0]
        there = int(rows.there[row].sum())
        assert rows.ids[row, :there].tolist() == [*theirs, end_token(loaded.network)]
        assert (rows.ids[row, there:] == loaded.tokenizer.pad_token_id).all()


def test_image_tokens_the_given_start_and_pads_are_not_learnt(folder: Path) -> None:
    loaded = load(folder)
    rows = token_rows(loaded, ["a dog", "a red house"], 40)
    a, dog, red, house = loaded.tokenizer.convert_tokens_to_ids(["a", "dog", "red", "house"])
    image, pad, end = 4 * [loaded.network.config.image_token_index], 0, 2
    assert rows.ids.tolist() == [[*image, 2, a, dog, end, pad], [*image, 2, a, red, house, end]]
    nothing = 5 * [NOT_LEARNT]
    assert rows.labels.tolist() == [[*nothing, a, dog, end, NOT_LEARNT], [*nothing, a, red, house, end]]
    assert rows.there.tolist() == [[1] * 8 + [0], [1] * 9]


def test_captions_that_are_too_long_are_cut_and_counted(folder: Path) -> None:
    rows = token_rows(load(folder), ["a dog", "a red house near the river"], 3)
    assert (rows.cut, rows.ids.shape) == (1, (2, 4 + 1 + 3))
    assert rows.labels[1, -1] != 2  # a caption that is cut does not end there


def test_the_end_is_where_the_language_model_stops_to_write(folder: Path) -> None:
    network = load(folder).network
    assert end_token(network) == 2
    network.language_model.generation_config.eos_token_id = [7, 2]
    assert end_token(network) == 7
    network.language_model.generation_config.eos_token_id = None
    assert end_token(network) == network.config.text_config.eos_token_id


def test_losses_are_those_of_transformers(folder: Path) -> None:
    loaded = load(folder)
    seen = look(loaded.network, pixels(loaded, 4))
    ids, labels, there = tensors(token_rows(loaded, CAPTIONS, 40))
    losses, right = caption_losses(loaded.network, seen, ids, labels, there)
    for row in range(4):
        theirs = loaded.network(
            pixel_values=pixels(loaded, 4)[row : row + 1],
            input_ids=ids[row : row + 1],
            attention_mask=there[row : row + 1],
            labels=labels[row : row + 1],
        )
        assert losses[row].item() == pytest.approx(theirs.loss.item(), rel=1e-4)
        wanted = labels[row, 1:]
        hits = (theirs.logits[0, :-1].argmax(-1) == wanted)[wanted != NOT_LEARNT]
        assert right[row].item() == pytest.approx(hits.float().mean().item())


def test_another_picture_changes_the_loss(folder: Path) -> None:
    loaded = load(folder)
    network = Blip2Objective(begin(loaded, TRAINING, MACHINE)).eval()
    one, other = pixels(loaded, 2)[:1], pixels(loaded, 2)[1:]
    rows = tensors(token_rows(loaded, ["a red house"], 40))
    losses = [network(shown, *rows)[0].item() for shown in (one, other)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_without_image_tokens_it_would_change_nothing_and_nobody_would_be_told(folder: Path) -> None:
    """The student's way: text and picture by a processor that puts no image tokens before the words."""
    loaded = load(folder)
    processor = Blip2Processor(loaded.image_processor, loaded.tokenizer)
    losses = []
    for picture in pictures(2):
        given = processor(images=picture, text=["a red house"], return_tensors="pt")
        loss = loaded.network.requires_grad_(True)(**given, labels=given["input_ids"]).loss
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == losses[1]
    assert loaded.network.language_model.get_input_embeddings().weight.grad.abs().sum() > 0


def test_pads_change_nothing(folder: Path) -> None:
    loaded = load(folder)
    seen = look(loaded.network, pixels(loaded, 1))
    alone = tensors(token_rows(loaded, CAPTIONS[:1], 40))
    beside = tuple(rows[:1] for rows in tensors(token_rows(loaded, CAPTIONS[:2], 40)))
    assert beside[0].shape[1] > alone[0].shape[1]
    losses = [caption_losses(loaded.network, seen, *rows)[0].item() for rows in (alone, beside)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# --- the network


@pytest.mark.parametrize("targets", ["language", ALL])
def test_updates_alone_learn_and_parts_without_are_at_rest(folder: Path, targets: str) -> None:
    loaded = load(folder)
    objective = Blip2Objective(begin(loaded, replace(TRAINING, targets=targets), MACHINE)).train()
    objective(pixels(loaded, 2), *tensors(token_rows(loaded, CAPTIONS[:2], 40)))[0].backward()
    moved = {name for name, value in objective.named_parameters() if value.grad is not None}
    assert moved == set(objective.state_dict())
    assert moved
    assert all("lora_" in name for name in moved)
    blip2 = objective.network.get_base_model()
    assert blip2.language_model.training
    assert blip2.vision_model.training == blip2.qformer.training == (targets == ALL)


def test_gradient_checkpointing_gives_the_same_gradients(folder: Path) -> None:
    found = []
    for twice in (False, True):
        loaded = load(folder)
        network = begin(
            loaded, replace(TRAINING, targets=ALL), replace(MACHINE, gradient_checkpointing=twice)
        )
        objective = Blip2Objective(network).train()
        rows = tensors(token_rows(loaded, CAPTIONS, 40))
        torch.manual_seed(1)
        objective(pixels(loaded, 4), *rows)[0].backward()
        found.append([value.grad for value in objective.parameters() if value.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_batch_may_be_cut(folder: Path) -> None:
    """Captions of different lengths count alike in whichever part of a batch they are."""
    found = []
    for parts in ([slice(0, 4)], [slice(0, 1), slice(1, 4)]):
        loaded = load(folder)
        objective = Blip2Objective(begin(loaded, TRAINING, MACHINE)).eval()
        rows, shown = tensors(token_rows(loaded, CAPTIONS, 40)), pixels(loaded, 4)
        for part in parts:
            loss = objective(shown[part], *(row[part] for row in rows))[0]
            (loss * len(shown[part]) / 4).backward()
        found.append([value.grad for value in objective.parameters() if value.grad is not None])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-6)
    assert any(grad.abs().max() > 1e-4 for grad in found[0])


# --- trainings


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    train(folder, out, machine=replace(MACHINE, merge=True))
    return out


def updates_of(out: Path) -> bytes:
    return (out / "adapter" / "adapter_model.safetensors").read_bytes()


def test_what_a_training_leaves(whole: Path, folder: Path) -> None:
    there = {file.name for file in whole.iterdir()}
    assert there == {"adapter", "model", "metrics.csv", "curves.png", "tensorboard", "train.json"}
    record = json.loads((whole / "train.json").read_text())
    assert record["model"] == folder.name
    assert record["learning"] == 2 * 2 * 4 * (32 + 32)  # layers, q and k, rank, both sides
    assert record["epochs"][-1]["loss"] > 0
    assert 0 <= record["epochs"][-1]["accuracy"] <= 1
    assert load_captioner(whole / "model", None, "fp32").kind == "blip-2"


@pytest.mark.parametrize("targets", ["language", ALL])
def test_killed_training_ends_with_the_same_bytes(
    folder: Path, whole: Path, tmp_path: Path, targets: str
) -> None:
    config = replace(TRAINING, targets=targets)
    expected = updates_of(whole)
    if targets == ALL:
        train(folder, tmp_path / "whole", config)
        expected = updates_of(tmp_path / "whole")

    def kill(step: str, done: int, total: int) -> None:
        if step == "epoch 2" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, tmp_path / "run", config, machine=replace(MACHINE, save_minutes=0), progress=kill)
    assert not (tmp_path / "run" / "train.json").exists()
    learnt = train(folder, tmp_path / "run", config)
    assert learnt.resumed
    assert updates_of(tmp_path / "run") == expected
    with pytest.raises(RunError, match="finished training of a BLIP-2"):
        train(folder, tmp_path / "run", config)


def test_looking_once_learns_what_looking_each_time_does(folder: Path, tmp_path: Path, whole: Path) -> None:
    train(folder, tmp_path / "each", machine=replace(MACHINE, features="no"))
    once, each = (json.loads((out / "train.json").read_text()) for out in (whole, tmp_path / "each"))
    assert once["epochs"][-1]["loss"] == pytest.approx(each["epochs"][-1]["loss"], rel=1e-4)


def test_bf16(folder: Path, tmp_path: Path) -> None:
    learnt = train(folder, tmp_path / "run", replace(TRAINING, precision="bf16", epochs=1))
    assert np.isfinite(learnt.rows[-1]["loss"])
    record = json.loads((tmp_path / "run" / "train.json").read_text())
    assert record["machine"]["precision"] == "bf16"
    updates = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert {value.dtype for value in updates.values()} == {torch.float32}
    assert any(value.abs().max() > 0 for name, value in updates.items() if "lora_B" in name)


# --- what cannot be


def test_what_sees_cannot_learn_from_what_was_seen_before(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be kept"):
        train(
            folder, tmp_path / "run", replace(TRAINING, targets=ALL), machine=replace(MACHINE, features="yes")
        )
    assert not (tmp_path / "run").exists()


def test_models_that_are_no_blip2_on_a_decoder(tmp_path: Path) -> None:
    for make, words in ((save_tiny_blip, "a blip;"), (lambda at: save_tiny_blip2(at, "t5"), "T5")):
        with pytest.raises(CheckpointError, match=words):
            train(make(tmp_path / words.strip(";")), tmp_path / "run")


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        (CAPTIONS[:3], "4 pictures, 3 captions"),
        (["a dog", " ", "a cat", ""], "2 of 4 pictures have no caption, first: number 2"),
    ],
)
def test_captions_that_are_missing(folder: Path, tmp_path: Path, captions: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        train_blip2(pictures(), captions, folder, tmp_path / "run", TRAINING, MACHINE)


def test_a_batch_that_cannot_be_cut_is_told_before_anything_is_read(tmp_path: Path) -> None:
    for config, count in (
        (replace(TRAINING, accumulate=3), 4),
        (replace(TRAINING, batch=4, accumulate=3), 2),
    ):
        with pytest.raises(ConfigError, match=r"a batch of 2 images cannot be cut into 3 parts"):
            train_blip2(
                pictures(count), CAPTIONS[:count], tmp_path / "no model", tmp_path / "RUN", config, MACHINE
            )
