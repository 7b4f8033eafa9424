"""Painting with an InstructPix2Pix: a drawing and words become a picture, by diffusers' own pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from unprompt.colouring.instruct_config import InstructPaint
from unprompt.colouring.instruct_model import InstructModel, load_lora, read_model
from unprompt.colouring.whole_picture import MULTIPLE, WholePainter
from unprompt.networks.devices import choose_device
from unprompt.painting.watch import Watch
from unprompt.progress import Tell, untold


class InstructPainter(WholePainter):
    """A model on its device, and how it paints."""

    config: InstructPaint

    def __init__(self, model: InstructModel, config: InstructPaint) -> None:
        """`config`: with a device and a dtype that are not auto."""
        self.model = model
        self.config = config
        self.pipeline = model.pipeline(scheduler=config.scheduler).to(config.device)

    @property
    def size(self) -> int:
        """The longer side in pixels while it paints."""
        return self.config.size or int(self.pipeline.unet.config.sample_size) * self.model.codec.factor

    @property
    def multiple(self) -> int:
        """What both sides are made a multiple of: 8 at least, and whole latents."""
        return max(MULTIPLE, self.model.codec.factor)

    def _painted(self, drawing: Image.Image, words: str, seed: int, watch: Watch) -> Image.Image:
        watch.check()  # loading the model took its time
        return paint_once(self.pipeline, self.model, drawing, words, seed, self.config, watch.tell)


def paint_once(
    pipeline: Any,
    model: InstructModel,
    drawing: Image.Image,
    words: str,
    seed: int,
    config: InstructPaint,
    tell: Tell = untold,
) -> Image.Image:
    """What a pipeline of `model` makes of a drawing whose sides are multiples; the same size."""
    device = pipeline.unet.device

    def after_step(pipeline: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        tell(step + 1, pipeline.num_timesteps)
        return tensors

    made = pipeline(
        image=drawing,
        prompt_embeds=model.reader.states([words], device),
        negative_prompt_embeds=model.reader.states([config.negative_prompt], device),
        num_inference_steps=config.steps,
        guidance_scale=config.guidance,
        image_guidance_scale=config.image_guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=after_step,
    ).images[0]
    return model.codec.finish(made, drawing)


def open_painter(folder: Path, config: InstructPaint | None = None) -> InstructPainter:
    """The painter of a folder that a training left, of a published InstructPix2Pix, or with `config.lora`.

    Raises CheckpointError for a folder that is not there, not whole or of another kind of model, and
    ConfigError for settings that are none.
    """
    config = config or InstructPaint()
    device = choose_device(config.device)
    dtype = config.dtype
    if dtype == "auto":
        dtype = "float16" if device.startswith("cuda") else "float32"
    config = replace(config, device=device, dtype=dtype)
    model = read_model(folder, device, dtype, widened=config.lora is not None)
    painter = InstructPainter(model, config)
    if config.lora is not None:
        load_lora(painter.pipeline, config.lora)
    return painter
