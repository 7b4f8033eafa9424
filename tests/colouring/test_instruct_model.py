"""Codecs and readers of an InstructPix2Pix, and the small one that is made from nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.colouring.instruct_world import MACHINE, draw_balls
from tests.tiny_sd import write_tiny_sd
from unprompt.colouring.instruct_config import InstructPaint, InstructTraining, training_of
from unprompt.colouring.instruct_model import (
    TOKENS,
    AutoencoderCodec,
    BlockCodec,
    InstructModel,
    MiniLMReader,
    new_pocket,
    read_model,
    with_lines,
)
from unprompt.colouring.instruct_paint import open_painter
from unprompt.colouring.train_instruct import train_instruct
from unprompt.datasets.pairs import read_pairs
from unprompt.errors import CheckpointError
from unprompt.networks.minilm import PromptEncoder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> InstructModel:
    return read_model(write_tiny_sd(tmp_path_factory.mktemp("sd") / "tiny"), widened=True)


@pytest.fixture(scope="module")
def minilm() -> PromptEncoder:
    return PromptEncoder.load()


def pictures(*colours: tuple[float, float, float]) -> torch.Tensor:
    """Vertical stripes, 8 pixels wide and high, in -1 … 1: (1, 3, 8, 8 n)."""
    return torch.cat([torch.tensor(one).view(1, 3, 1, 1).expand(1, 3, 8, 8) for one in colours], dim=3)


# --- the autoencoder


def test_the_autoencoders_latents_are_the_pipelines(tiny: InstructModel) -> None:
    torch.manual_seed(0)
    source, target = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    pipeline = tiny.pipeline()
    with torch.no_grad():
        mean, spread = tiny.codec.encode(target, source)
        ours = tiny.codec.encode_picture(source)
        theirs = pipeline.prepare_image_latents(source, 2, 1, torch.float32, "cpu", False)
        known = tiny.codec.module.encode(target).latent_dist
        sample = known.sample(torch.Generator().manual_seed(3))
    noise = torch.randn(sample.shape, generator=torch.Generator().manual_seed(3))
    assert torch.equal(ours, theirs)
    torch.testing.assert_close(mean + spread * noise, sample)
    assert (tiny.codec.factor, tiny.codec.channels) == (8, 4)
    assert tiny.codec.scale == pipeline.vae.config.scaling_factor
    assert isinstance(tiny.codec, AutoencoderCodec)


def test_clips_states_are_the_pipelines(tiny: InstructModel) -> None:
    words = ["a red cat", ""]
    with torch.no_grad():
        theirs = tiny.pipeline()._encode_prompt(words, "cpu", 1, False)
    assert torch.equal(tiny.reader.states(words, "cpu"), theirs)


# --- blocks


def test_blocks_are_means_of_colours_between_the_lines() -> None:
    codec = BlockCodec(8)
    target = pictures((1.0, -1.0, 0.0), (0.5, 0.5, 0.5))
    source = torch.ones_like(target)
    target[..., :4], source[..., :4] = -1, -1  # a black line over half of the first block
    mean, spread = codec.encode(target, source)
    assert mean.shape == spread.shape == (1, 3, 1, 2)
    torch.testing.assert_close(mean[0, :, 0, 0], torch.tensor([1.0, -1.0, 0.0]), atol=3e-3, rtol=0)
    torch.testing.assert_close(mean[0, :, 0, 1], torch.full((3,), 0.5))
    assert not spread.any()


def test_the_drawings_latents_say_where_in_a_block_its_lines_are() -> None:
    codec = BlockCodec(4)
    source = torch.ones(1, 3, 4, 8)
    source[..., 2:, 4:6] = -1  # the lower left quarter of the second block
    latents = codec.encode_picture(source)
    assert latents.shape == (1, 4, 1, 2)
    assert latents[0, :, 0, 0].tolist() == [1, 1, 1, 1]
    assert latents[0, :, 0, 1].tolist() == [1, 1, -1, 1]
    assert not latents.eq(0).any()  # paper is not what stands for no drawing


def test_flat_pictures_come_back_with_their_lines_on_top() -> None:
    codec = BlockCodec(8)
    decoded = codec.decode(codec.encode(pictures((1.0, -1.0, 0.0)), pictures((1.0, 1.0, 1.0)))[0])
    torch.testing.assert_close(decoded, pictures((1.0, -1.0, 0.0)))
    red, drawing = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), "white")
    drawing.putpixel((3, 3), (0, 0, 0))
    made = np.asarray(codec.finish(red, drawing))
    assert made[3, 3].tolist() == [0, 0, 0]
    assert (np.delete(made.reshape(-1, 3), 3 * 8 + 3, axis=0) == (255, 0, 0)).all()
    assert np.array_equal(made, np.asarray(with_lines(red, drawing)))


# --- MiniLM


def test_minilms_mean_state_is_its_embedding(minilm: PromptEncoder) -> None:
    texts = ["a red ball and a blue box", "a cat"]
    for (states, _), embedding in zip(minilm.encode_tokens(texts), minilm.encode(texts), strict=True):
        mean = states.mean(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), embedding, atol=1e-5)


def test_the_reader_fills_up_with_zeros_and_reads_each_text_once(minilm: PromptEncoder) -> None:
    reader = MiniLMReader(minilm)
    states = reader.states(["a red ball", "", "a red ball"], "cpu")
    assert states.shape == (3, TOKENS, 384)
    assert torch.equal(states[0], states[2])
    assert states[0].abs().sum(dim=1).ne(0).sum() == 5  # three words and two marks
    assert states[1].abs().sum(dim=1).ne(0).sum() == 2
    together = reader.states(["a much longer text about a ball", "a red ball"], "cpu")
    torch.testing.assert_close(together[1], states[0])


def test_texts_that_are_cut_are_told(minilm: PromptEncoder) -> None:
    with pytest.warns(UserWarning, match="1 of 2 texts is longer than the model reads and will be cut"):
        MiniLMReader(minilm).warn_of_long(["red " * 40, "red"])


# --- the small one


def pocket_settings(**more: Any) -> InstructTraining:
    given = {"model": "pocket", "resolution": 32, "batch": 4, "steps": 4, "width": 32, "factor": 4}
    return training_of({**given, **more}, {})[0]


def test_the_pocket_model_is_small_and_sees_words_and_picture() -> None:
    model = new_pocket(pocket_settings())
    assert sum(value.numel() for value in model.unet.parameters()) < 2e6
    torch.manual_seed(0)
    noisy, picture = torch.randn(1, 3, 8, 8), torch.randn(1, 4, 8, 8)
    words = model.reader.states(["a red ball", "a blue ball"], "cpu")
    with torch.no_grad():
        said = [
            model.unet(torch.cat([noisy, seen], dim=1), 500, states).sample
            for seen, states in ((picture, words[:1]), (picture, words[1:]), (0 * picture, words[:1]))
        ]
    assert not torch.equal(said[0], said[1])
    assert not torch.equal(said[0], said[2])


def test_a_pocket_training_leaves_what_paints(tmp_path: Path) -> None:
    balls = draw_balls(tmp_path / "pairs")
    machine = replace(MACHINE, samples=4, sample_steps=2)
    learnt = train_instruct(read_pairs(balls), tmp_path / "run", pocket_settings(), machine)
    assert np.isfinite(learnt.rows[-1]["loss"])
    assert (tmp_path / "run" / "samples" / "0000004.png").is_file()
    folder = tmp_path / "run" / "model"
    painter = open_painter(folder, InstructPaint(steps=2, device="cpu"))
    drawing = Image.open(balls / "line" / "0.png").convert("RGB")
    made = painter.paint(drawing, "a red ball")
    assert made.size == (32, 32)
    ink = np.asarray(drawing)[..., 0] == 0
    assert (np.asarray(made)[ink] == 0).all()
    other = painter.paint(drawing, "a blue ball")
    assert made.tobytes() != other.tobytes()
    again = open_painter(folder, InstructPaint(steps=2, device="cpu")).paint(drawing, "a red ball")
    assert made.tobytes() == again.tobytes()


def test_a_pocket_folder_that_is_not_whole_is_told(tmp_path: Path) -> None:
    model = new_pocket(pocket_settings())
    model.save(tmp_path / "model", model.unet)
    record = tmp_path / "model" / "pocket.json"
    (tmp_path / "model" / "unet" / "config.json").rename(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"1 of 3 files is missing, first: unet/config\.json"):
        read_model(tmp_path / "model")
    record.write_text(json.dumps({**json.loads(record.read_text()), "reader": "another"}))
    with pytest.raises(CheckpointError, match="trained on the words of another encoder"):
        read_model(tmp_path / "model")


@pytest.mark.slow
def test_a_pocket_model_learns_which_colour_the_words_say(tmp_path: Path) -> None:
    balls = draw_balls(tmp_path / "pairs")
    config = pocket_settings(steps=120, batch=8, learning_rate=3e-3, ema=0.9)
    train_instruct(read_pairs(balls), tmp_path / "run", config, MACHINE)
    painter = open_painter(tmp_path / "run" / "model", InstructPaint(steps=6, guidance=3, device="cpu"))
    wanted = {"red": (255, 0, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "green": (0, 128, 0)}
    right = 0
    for number in range(2):
        drawing = Image.open(balls / "line" / f"{number}.png").convert("RGB")
        for colour in wanted:  # of which the pair itself had but one
            made = np.asarray(painter.paint(drawing, f"a {colour} ball")).astype(int)[14:18, 7:11]
            distances = {name: abs(made.mean(axis=(0, 1)) - rgb).sum() for name, rgb in wanted.items()}
            right += min(distances, key=distances.__getitem__) == colour
    assert right >= 6
