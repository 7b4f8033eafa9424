"""Colouring by a Stable Diffusion web UI over HTTP: an InstructPix2Pix, a ControlNet, or img2img alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from unprompt.colouring.line_art import fitting, with_lines
from unprompt.colouring.webui_config import WebUIPaint
from unprompt.errors import InputError
from unprompt.painting.webui import IMG2IMG, request
from unprompt.painting.webui_images import as_png, controlnet_unit, images_in, sent_image
from unprompt.storage.images import decode_image, image_of

if TYPE_CHECKING:
    from unprompt.storage.images import AnyImage

MULTIPLE = 8  # of both sides


class WebUIPainter:
    """A web UI that colours, one picture a request."""

    def __init__(self, config: WebUIPaint) -> None:
        self.config = config

    def paint(self, picture: AnyImage, words: str, seed: int | None = None) -> Image.Image:
        """The picture coloured as the words say: RGB, of the picture's own size.

        What is transparent is white. `seed`: of the noise (None: the settings'). Raises UnreadableImageError
        for what is no picture, InputError for no words, and WebUIError for all that goes wrong there.
        """
        if not words.strip():
            raise InputError("there are no words to colour by")
        drawing = image_of(picture)
        small = drawing.resize(fitting(drawing.size, self.config.size, MULTIPLE), Image.Resampling.LANCZOS)
        fields = webui_fields(small, words, self.config, self.config.seed if seed is None else seed)
        answer = request(self.config.url, fields, path=IMG2IMG)
        # The ControlNet extension adds its control images behind the picture.
        made = decode_image(as_png(images_in(answer)[0]))
        if made.size != drawing.size:
            made = made.resize(drawing.size, Image.Resampling.LANCZOS)
        return with_lines(made, drawing) if self.config.keep_lines else made

    def variants(self, picture: AnyImage, words: str) -> list[Image.Image]:
        """As many as the settings say, of seeds that follow each other."""
        first = self.config.seed
        return [self.paint(picture, words, seed) for seed in range(first, first + self.config.variants)]


def webui_fields(drawing: Image.Image, words: str, config: WebUIPaint, seed: int) -> dict[str, Any]:
    """What /sdapi/v1/img2img is asked for a drawing whose sides are multiples of 8."""
    width, height = drawing.size
    fields: dict[str, Any] = {
        "prompt": words,
        "negative_prompt": config.negative_prompt,
        "init_images": [sent_image(drawing)],
        "denoising_strength": config.strength,
        "seed": seed,
        "steps": config.steps,
        "cfg_scale": config.guidance,
        "image_cfg_scale": config.image_guidance,
        "sampler_name": config.sampler,
        "width": width,
        "height": height,
        "batch_size": 1,
        "n_iter": 1,
    }
    if config.controlnet:
        lines = ImageOps.invert(drawing.convert("L")).convert("RGB")
        fields["alwayson_scripts"] = {"controlnet": {"args": [controlnet_unit(lines, config.controlnet)]}}
    return fields
