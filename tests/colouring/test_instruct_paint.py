"""Painting with a tiny random InstructPix2Pix: diffusers' pixels, pictures of any kind, wrong folders."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.colouring.instruct_world import draw_balls
from tests.tiny_sd import write_tiny_sd
from unprompt.cli import main
from unprompt.colouring.instruct_config import InstructPaint
from unprompt.colouring.instruct_model import read_model
from unprompt.colouring.instruct_paint import open_painter
from unprompt.colouring.line_art import fitting
from unprompt.errors import CheckpointError, ConfigError, InputError

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = InstructPaint(steps=3, device="cpu")


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd(tmp_path_factory.mktemp("sd") / "tiny")


@pytest.fixture(scope="module")
def folder(sd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny InstructPix2Pix whose new half is not 0."""
    model = read_model(sd, widened=True)
    torch.manual_seed(5)
    model.unet.conv_in.weight.data[:, 4:].normal_(std=0.2)
    out = tmp_path_factory.mktemp("instruct") / "model"
    model.save(out, model.unet)
    return out


@pytest.fixture
def drawing() -> Image.Image:
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((8, 8, 50, 56), outline="black", width=3)
    return picture


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def by_hand(folder: Path, drawing: Image.Image, words: str, seed: int, **more: Any) -> np.ndarray:
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline

    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "guidance_scale": 7.5, "image_guidance_scale": 1.5, **more}
    generator = torch.Generator("cpu").manual_seed(seed)
    return pixels(pipeline(words, image=drawing, generator=generator, **options).images[0])


@pytest.mark.parametrize(
    ("changes", "theirs"),
    [
        ({}, {}),
        ({"guidance": 3.0}, {"guidance_scale": 3.0}),
        ({"guidance": 1.0}, {"guidance_scale": 1.0}),
        ({"image_guidance": 2.5}, {"image_guidance_scale": 2.5}),
        ({"steps": 5}, {"num_inference_steps": 5}),
        ({"negative_prompt": "a grey cat"}, {"negative_prompt": "a grey cat"}),
    ],
)
def test_the_pixels_are_those_of_diffusers(
    folder: Path, drawing: Image.Image, changes: dict[str, Any], theirs: dict[str, Any]
) -> None:
    ours = open_painter(folder, replace(CONFIG, **changes)).paint(drawing, "a red cat", seed=7)
    assert np.array_equal(pixels(ours), by_hand(folder, drawing, "a red cat", 7, **theirs))


def test_every_setting_and_input_changes_the_picture(folder: Path, drawing: Image.Image) -> None:
    first = pixels(open_painter(folder, CONFIG).paint(drawing, "a red cat"))
    changes: list[dict[str, Any]] = [
        {"guidance": 3.0},
        {"image_guidance": 2.5},
        {"negative_prompt": "grey"},
        {"seed": 1},
        {"scheduler": "ddim"},
        {"size": 48},
        {"keep_lines": True},
    ]
    for change in changes:
        other = pixels(open_painter(folder, replace(CONFIG, **change)).paint(drawing, "a red cat"))
        assert not np.array_equal(first, other), change
    painter = open_painter(folder, CONFIG)
    assert not np.array_equal(first, pixels(painter.paint(drawing, "a blue cat")))
    assert not np.array_equal(first, pixels(painter.paint(drawing.rotate(90), "a red cat")))


def test_variants_are_of_seeds_that_follow_each_other(folder: Path, drawing: Image.Image) -> None:
    painter = open_painter(folder, replace(CONFIG, seed=4, variants=3))
    found = list(painter.variants(drawing, "a red cat"))
    assert len({image.tobytes() for image in found}) == 3
    assert np.array_equal(pixels(found[2]), pixels(painter.paint(drawing, "a red cat", seed=6)))


@pytest.mark.parametrize("size", [(64, 64), (101, 57), (33, 400), (1, 1)])
def test_the_answer_has_the_size_of_the_drawing(folder: Path, size: tuple[int, int]) -> None:
    made = open_painter(folder, replace(CONFIG, steps=1)).paint(Image.new("RGB", size, "white"), "a cat")
    assert (made.size, made.mode) == (size, "RGB")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((64, 64), (64, 64)), ((101, 57), (64, 40)), ((57, 101), (40, 64)), ((1000, 1), (64, 8))],
)
def test_sizes_while_it_paints_are_multiples_in_proportion(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    assert fitting(size, 64, 8) == wanted


def test_the_size_is_that_which_the_model_learnt_at(folder: Path) -> None:
    assert open_painter(folder, CONFIG).size == 64
    assert open_painter(folder, replace(CONFIG, size=96)).size == 96


def test_what_is_transparent_is_white(folder: Path, drawing: Image.Image) -> None:
    """diffusers takes four channels for latents, and says nothing."""
    clear = drawing.convert("RGBA")
    clear.putdata([(r, g, b, 0) if r == 255 else (r, g, b, 255) for r, g, b in drawing.getdata()])
    dirty = Image.fromarray(np.where(np.asarray(clear)[..., 3:] == 0, 0, np.asarray(clear)).astype(np.uint8))
    painter = open_painter(folder, CONFIG)
    assert np.array_equal(pixels(painter.paint(dirty, "a cat")), pixels(painter.paint(drawing, "a cat")))


def test_kept_lines_are_as_dark_as_they_came(folder: Path) -> None:
    drawing = Image.new("RGB", (96, 64), "white")
    ImageDraw.Draw(drawing).rectangle((20, 20, 70, 50), outline="black", width=2)
    made = pixels(open_painter(folder, replace(CONFIG, keep_lines=True)).paint(drawing, "a cat"))
    ink = pixels(drawing)[..., 0] == 0
    assert (made[ink] == 0).all()
    plain = pixels(open_painter(folder, CONFIG).paint(drawing, "a cat"))
    assert np.array_equal(made[~ink], plain[~ink])


# --- what is refused


def test_a_text_to_image_model_is_told_what_to_do(sd: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"is a text-to-image model: its U-Net takes 4 channels, instruct needs 8; train it first with: "
        r"unprompt colour train PAIRS --out RUN --engine instruct --model",
    ):
        open_painter(sd, CONFIG)


def test_an_empty_folder_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"not a whole Stable Diffusion folder: .* missing, first"):
        open_painter(tmp_path, CONFIG)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no model folder"):
        open_painter(tmp_path / "none", CONFIG)


def test_a_text_encoder_of_another_model_is_told(folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(folder, tmp_path / "own"))
    from transformers import CLIPTextConfig, CLIPTextModel

    kept = json.loads((own / "text_encoder" / "config.json").read_text())
    other = CLIPTextConfig(**{**kept, "hidden_size": 16, "num_attention_heads": 2})
    CLIPTextModel(other).save_pretrained(own / "text_encoder")
    with pytest.raises(
        CheckpointError, match=r"attends to states of 32 numbers, and the text encoder gives 16"
    ):
        open_painter(own, CONFIG)


def test_wrong_low_rank_folders_are_told(sd: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"has no pytorch_lora_weights.safetensors; expected the folder"
    ):
        open_painter(sd, replace(CONFIG, lora=tmp_path))


def test_no_words_and_unknown_schedulers_are_refused(folder: Path, drawing: Image.Image) -> None:
    with pytest.raises(InputError, match="no words"):
        open_painter(folder, CONFIG).paint(drawing, "  ")
    with pytest.raises(ConfigError, match="there is no scheduler 'best'; there are: ddim"):
        open_painter(folder, replace(CONFIG, scheduler="best"))
    with pytest.raises(ConfigError, match="no effect with guidance 1"):
        InstructPaint(guidance=1.0, negative_prompt="grey")
    with pytest.raises(ConfigError, match="image_guidance has no effect with guidance 1"):
        InstructPaint(guidance=1.0, image_guidance=2.0)


def test_it_is_scored_beside_the_small_painter(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, out = draw_balls(tmp_path / "pairs", size=64), tmp_path / "grade.html"
    table = (pairs / "pairs.csv").read_text()  # the colours as they are drawn
    (pairs / "pairs.csv").write_text(table.replace("a red", "a #ff0000").replace("a green", "a #008000"))
    grade = ["colour", "grade", str(pairs), "--instruct", str(folder), "--most", "2", "--out", str(out)]
    assert not main([*grade, "--json"])
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["painter", "flood", "usual", "instruct"]
    assert scores["flood"]["all"]["difference"]["mean"] < 1
    assert scores["instruct"]["all"]["difference"]["mean"] > 5  # its weights are random
    assert out.read_text().count("<figcaption>instruct") == 2
