"""Painting with an InstructPix2Pix: a drawing and words become a picture, by diffusers' own pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from unprompt.colouring.instruct_config import InstructPaint
from unprompt.colouring.instruct_model import InstructModel, load_lora, read_model
from unprompt.colouring.line_art import fitting, with_lines
from unprompt.errors import InputError
from unprompt.networks.devices import choose_device
from unprompt.storage.images import image_of

if TYPE_CHECKING:
    from unprompt.storage.images import AnyImage

MULTIPLE = 8  # what both sides are made a multiple of, at least


class InstructPainter:
    """A model on its device, and how it paints. Each picture has its own seed, and is painted alone."""

    def __init__(self, model: InstructModel, config: InstructPaint) -> None:
        """`config`: with a device and a dtype that are not auto."""
        self.model = model
        self.config = config
        self.pipeline = model.pipeline(scheduler=config.scheduler).to(config.device)

    @property
    def size(self) -> int:
        """The longer side in pixels while it paints."""
        return self.config.size or int(self.pipeline.unet.config.sample_size) * self.model.codec.factor

    def paint(self, picture: AnyImage, words: str, seed: int | None = None) -> Image.Image:
        """The picture coloured as the words say: RGB, of the picture's own size.

        What is transparent is white. `seed`: of the noise (None: the settings'). Raises UnreadableImageError
        for what is no picture, and InputError for no words.
        """
        if not words.strip():
            raise InputError("there are no words to colour by")
        drawing = image_of(picture)
        small = drawing.resize(fitting(drawing.size, self.size, self._multiple), Image.Resampling.LANCZOS)
        made = self._painted(small, words, self.config.seed if seed is None else seed)
        if made.size != drawing.size:
            made = made.resize(drawing.size, Image.Resampling.LANCZOS)
        if self.config.keep_lines:
            made = with_lines(made, drawing)
        return made

    def variants(self, picture: AnyImage, words: str) -> list[Image.Image]:
        """As many as the settings say, of seeds that follow each other."""
        first = self.config.seed
        return [self.paint(picture, words, seed) for seed in range(first, first + self.config.variants)]

    @property
    def _multiple(self) -> int:
        return max(MULTIPLE, self.model.codec.factor)

    def _painted(self, drawing: Image.Image, words: str, seed: int) -> Image.Image:
        return paint_once(self.pipeline, self.model, drawing, words, seed, self.config)


def paint_once(
    pipeline: Any, model: InstructModel, drawing: Image.Image, words: str, seed: int, config: InstructPaint
) -> Image.Image:
    """What a pipeline of `model` makes of a drawing whose sides are multiples; the same size."""
    device = pipeline.unet.device
    made = pipeline(
        image=drawing,
        prompt_embeds=model.reader.states([words], device),
        negative_prompt_embeds=model.reader.states([config.negative_prompt], device),
        num_inference_steps=config.steps,
        guidance_scale=config.guidance,
        image_guidance_scale=config.image_guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
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
