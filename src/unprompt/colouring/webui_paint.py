"""Colouring by a Stable Diffusion web UI over HTTP: an InstructPix2Pix, a ControlNet, or img2img alone."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageOps

from unprompt.colouring.webui_config import WebUIPaint
from unprompt.colouring.whole_picture import WholePainter
from unprompt.painting.watch import Watch
from unprompt.painting.webui_config import Auth
from unprompt.painting.webui_img2img import controlnet_unit, img2img_fields, paint_over


class WebUIPainter(WholePainter):
    """A web UI that colours, one picture a request."""

    config: WebUIPaint

    def __init__(self, config: WebUIPaint, auth: Auth | None = None) -> None:
        """`auth`: user and password of the server's --api-auth."""
        self.config = config
        self._auth = auth

    @property
    def size(self) -> int:
        """The longer side in pixels while it paints."""
        return self.config.size

    def _painted(self, drawing: Image.Image, words: str, seed: int, watch: Watch) -> Image.Image:
        fields = webui_fields(drawing, words, self.config, seed)
        return paint_over(self.config.url, fields, auth=self._auth, watch=watch)


def webui_fields(drawing: Image.Image, words: str, config: WebUIPaint, seed: int) -> dict[str, Any]:
    """What /sdapi/v1/img2img is asked for a drawing whose sides are multiples of 8."""
    unit = None
    if config.controlnet:
        lines = ImageOps.invert(drawing.convert("L")).convert("RGB")
        unit = controlnet_unit(lines, config.controlnet)
    fields = img2img_fields(
        drawing, words, config.negative_prompt, config.strength, config.guidance, config.steps, seed, unit
    )
    return {**fields, "image_cfg_scale": config.image_guidance, "sampler_name": config.sampler}
