"""ControlNets and T2I-Adapters, run for real on tiny random models in the files of the published ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_sd import write_tiny_adapter, write_tiny_controlnet, write_tiny_sd
from unprompt.diffusion.engine import Sd2Engine, Sd2Renderer
from unprompt.diffusion.model import repainting
from unprompt.diffusion.scribble import ADAPTER, CONTROLNET, Control, ScribbleRenderer, load_control
from unprompt.errors import CheckpointError, ConfigError
from unprompt.painting.engine import Picture

PICTURES = [Picture("a", "a red cat", 11), Picture("b", "two dogs", 22), Picture("c", "a red cat", 12)]
SIZE = (72, 64)  # an odd number of latents across, as 504 pixels have

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd(tmp_path_factory.mktemp("sd") / "tiny", attention_first=True)


@pytest.fixture(scope="module")
def plain(model: Path) -> Sd2Renderer:
    engine = Sd2Engine(
        model=str(model), steps=4, width=SIZE[0], height=SIZE[1], save_size=None, device="cpu", guidance=5
    )
    return engine.open()


@pytest.fixture(scope="module")
def controlled(model: Path, plain: Sd2Renderer, tmp_path_factory: pytest.TempPathFactory) -> ScribbleRenderer:
    folder = write_tiny_controlnet(tmp_path_factory.mktemp("control") / "net", model)
    return scribbling(plain, folder, CONTROLNET)


@pytest.fixture(scope="module")
def adapted(plain: Sd2Renderer, tmp_path_factory: pytest.TempPathFactory) -> ScribbleRenderer:
    return scribbling(plain, write_tiny_adapter(tmp_path_factory.mktemp("adapter") / "net"), ADAPTER)


def scribbling(plain: Sd2Renderer, folder: Path, kind: str, batch: int = 1) -> ScribbleRenderer:
    network = load_control(folder, kind, plain.pipeline)
    return ScribbleRenderer(plain.engine, plain.pipeline, batch, network, kind)


def scribble(seed: int = 0) -> Image.Image:
    """White lines on black."""
    pixels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    rows = np.random.default_rng(seed).integers(0, SIZE[1], 4)
    pixels[rows] = 255
    return Image.fromarray(pixels).convert("RGB")


def start() -> Image.Image:
    return Image.fromarray(255 - np.asarray(scribble()))


def pixels(images: Sequence[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images]).astype(int)


def test_a_conditioning_of_0_is_the_painter_without_it_bit_for_bit(
    plain: Sd2Renderer, controlled: ScribbleRenderer, adapted: ScribbleRenderer
) -> None:
    off = Control(scribble(), 0.0)
    words = pixels(plain.render(PICTURES))
    assert np.array_equal(pixels(controlled.follow(PICTURES, off)), words)
    assert np.array_equal(pixels(adapted.follow(PICTURES, off)), words)
    again = Sd2Renderer(plain.engine, repainting(plain.pipeline), 1).repaint(PICTURES, start(), 0.75)
    assert np.array_equal(pixels(controlled.refollow(PICTURES, off, start(), 0.75)), pixels(again))


def test_the_control_image_its_scale_and_its_end_change_the_picture(
    plain: Sd2Renderer, controlled: ScribbleRenderer, adapted: ScribbleRenderer
) -> None:
    one = PICTURES[:1]
    for renderer in (controlled, adapted):
        off, on, stronger, other = (
            pixels(renderer.follow(one, Control(scribble(seed), scale)))
            for seed, scale in ((0, 0.0), (0, 1.0), (0, 1.5), (1, 1.0))
        )
        for a, b in ((off, on), (on, stronger), (on, other)):
            assert not np.array_equal(a, b)
    whole = pixels(controlled.follow(one, Control(scribble(), 1.0)))
    assert not np.array_equal(whole, pixels(controlled.follow(one, Control(scribble(), 1.0, until=0.5))))
    again = pixels(controlled.refollow(one, Control(scribble()), start(), 0.75))
    assert not np.array_equal(again, pixels(controlled.refollow(one, Control(scribble(1)), start(), 0.75)))
    assert not np.array_equal(again, pixels(controlled.refollow(one, Control(scribble()), start(), 0.5)))


def test_a_new_controlnet_whose_last_convolutions_are_0_follows_nothing(
    plain: Sd2Renderer, model: Path, tmp_path: Path
) -> None:
    new = scribbling(plain, write_tiny_controlnet(tmp_path / "new", model, zero=True), CONTROLNET)
    words = pixels(plain.render(PICTURES[:1]))
    assert np.array_equal(pixels(new.follow(PICTURES[:1], Control(scribble(), 1.0))), words)


def test_variants_equal_singles(plain: Sd2Renderer, controlled: ScribbleRenderer) -> None:
    control = Control(scribble())
    together = pixels(controlled.follow(PICTURES, control))
    singly = pixels([controlled.follow([picture], control)[0] for picture in PICTURES])
    assert np.array_equal(together, singly)
    assert len({row.tobytes() for row in together}) == len(PICTURES)
    # More at once are added up in another order: single levels of 255.
    batched = ScribbleRenderer(plain.engine, plain.pipeline, 3, controlled._network, CONTROLNET)
    assert np.abs(pixels(batched.follow(PICTURES, control)) - together).max() <= 2
    assert np.abs(pixels(batched.refollow(PICTURES, control, start(), 0.75))).shape == together.shape


def test_it_is_diffusers_own_pipeline(plain: Sd2Renderer, controlled: ScribbleRenderer) -> None:
    from diffusers import StableDiffusionControlNetImg2ImgPipeline

    parts = {name: part for name, part in plain.pipeline.components.items() if name != "image_encoder"}
    reference: Any = StableDiffusionControlNetImg2ImgPipeline(
        **parts, controlnet=controlled._network, requires_safety_checker=False
    )
    reference.set_progress_bar_config(disable=True)
    made = reference(
        prompt=PICTURES[0].prompt,
        negative_prompt="",
        image=start(),
        control_image=scribble(),
        strength=0.75,
        num_inference_steps=4,
        guidance_scale=5,
        controlnet_conditioning_scale=0.8,
        generator=torch.Generator("cpu").manual_seed(PICTURES[0].seed),
    ).images[0]
    own = controlled.refollow(PICTURES[:1], Control(scribble(), 0.8), start(), 0.75)[0]
    assert np.array_equal(np.asarray(made), np.asarray(own))


def test_an_adapter_takes_grey_or_colours_and_begins_with_no_image(
    plain: Sd2Renderer, adapted: ScribbleRenderer, tmp_path: Path
) -> None:
    coloured = scribbling(plain, write_tiny_adapter(tmp_path / "rgb", grey=False), ADAPTER)
    assert coloured.follow(PICTURES[:1], Control(scribble()))[0].size == SIZE
    with pytest.raises(ConfigError, match="begin with an image by a ControlNet"):
        adapted.refollow(PICTURES[:1], Control(scribble()), start(), 0.75)


def test_what_is_transparent_is_white_and_other_sizes_and_no_step_are_refused(
    plain: Sd2Renderer, controlled: ScribbleRenderer
) -> None:
    sheet = start().convert("RGBA")
    sheet.putalpha(Image.fromarray(255 - np.asarray(start().convert("L"))))  # ink on nothing
    flat = Image.new("RGB", SIZE, "white")
    flat.paste(sheet, (0, 0), sheet)
    control = Control(scribble())
    one = PICTURES[:1]
    assert np.array_equal(
        pixels(controlled.refollow(one, control, sheet, 0.75)),
        pixels(controlled.refollow(one, control, flat, 0.75)),
    )
    again = Sd2Renderer(plain.engine, repainting(plain.pipeline), 1)
    assert np.array_equal(pixels(again.repaint(one, sheet, 0.5)), pixels(again.repaint(one, flat, 0.5)))
    for render in (
        lambda: again.repaint(one, sheet.resize((64, 70)), 0.5),
        lambda: controlled.follow(one, Control(scribble().resize((60, 70)))),
    ):
        with pytest.raises(ConfigError, match="x 70 pixels does not fit pictures of 72 x 64"):
            render()
    with pytest.raises(ConfigError, match=r"strength 0\.2 of 4 steps is less than one step"):
        again.repaint(one, flat, 0.2)


@pytest.mark.parametrize(
    ("scale", "until", "says"),
    [
        (-0.1, 1, "conditioning must be from 0 to 2"),
        (2.5, 1, "conditioning"),
        (1, 0, "until must be above 0"),
    ],
)
def test_numbers_beyond_their_limits_are_refused(scale: float, until: float, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Control(scribble(), scale, until)


def test_other_folders_are_refused_in_words(plain: Sd2Renderer, model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json beside .* one ControlNetModel"):
        load_control(model, CONTROLNET, plain.pipeline)
    folder = write_tiny_controlnet(tmp_path / "net", model)
    config = json.loads((folder / "config.json").read_text())
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"not one")
    with pytest.raises(CheckpointError, match=r"safetensors is cut short or damaged .* get it again"):
        load_control(folder, CONTROLNET, plain.pipeline)
    other = write_tiny_controlnet(tmp_path / "other", model)
    import diffusers

    diffusers.ControlNetModel(**{**small(config), "cross_attention_dim": 64}).save_pretrained(other)
    with pytest.raises(CheckpointError, match=r"for another Stable Diffusion: .* texts of 64 numbers"):
        load_control(other, CONTROLNET, plain.pipeline)
    diffusers.T2IAdapter(1, [32, 48], 1, 8).save_pretrained(tmp_path / "narrow")
    with pytest.raises(CheckpointError, match=r"\(32, 48\) channels, the model's \(32, 64\)"):
        load_control(tmp_path / "narrow", ADAPTER, plain.pipeline)


def small(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what names its class and version."""
    return {name: value for name, value in config.items() if not name.startswith("_")}
