"""A web UI's img2img: what one picture is asked for with, and the picture that comes back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image

from unprompt.painting.watch import Watch
from unprompt.painting.webui import IMG2IMG, request
from unprompt.painting.webui_config import Auth
from unprompt.painting.webui_images import as_png, images_in
from unprompt.storage.images import decode_image, encode_png

if TYPE_CHECKING:
    import httpx


def paint_over(
    url: str,
    fields: Mapping[str, Any],
    transport: httpx.BaseTransport | None = None,
    auth: Auth | None = None,
    watch: Watch | None = None,
) -> Image.Image:
    """The picture that a web UI makes of `img2img_fields`, RGB.

    `transport`: in place of the network. `auth`, `watch`: as `request` takes them. Raises WebUIError for all
    that goes wrong with the server, StoppedError where the watch says so.
    """
    answer = request(url, fields, auth=auth, transport=transport, path=IMG2IMG, watch=watch)
    # The ControlNet extension adds its control images behind the picture.
    return decode_image(as_png(images_in(answer)[0]))


def img2img_fields(
    picture: Image.Image,
    prompt: str,
    negative_prompt: str,
    strength: float,
    guidance: float,
    steps: int,
    seed: int,
    control: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What /sdapi/v1/img2img is asked for, of a picture whose sides are multiples of 8: one of its size.

    `control`: a unit of the ControlNet extension.
    """
    width, height = picture.size
    fields: dict[str, Any] = {
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "init_images": [_base64(picture)],
        "denoising_strength": strength,
        "seed": seed,
        "steps": steps,
        "cfg_scale": guidance,
        "width": width,
        "height": height,
        "batch_size": 1,
        "n_iter": 1,
    }
    if control is not None:
        fields["alwayson_scripts"] = {"controlnet": {"args": [control]}}
    return fields


def controlnet_unit(
    lines: Image.Image, model: str, weight: float = 1.0, until: float = 1.0
) -> dict[str, Any]:
    """A unit of the web UI's ControlNet extension, for "alwayson_scripts".

    `lines`: white on black, as its models of lines learnt, so that no preprocessor is named. `until`: the
    share of the steps after which it is left out.
    """
    return {
        "enabled": True,
        "image": _base64(lines),
        "module": "none",
        "model": model,
        "weight": weight,
        "guidance_start": 0.0,
        "guidance_end": until,
        "control_mode": "Balanced",
        "resize_mode": "Crop and Resize",
        "pixel_perfect": False,
    }


def _base64(image: Image.Image) -> str:
    return base64.b64encode(encode_png(image)).decode("ascii")
