"""What a web UI sends as images: base64 of whatever format it is set to, made into PNG."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from PIL import Image

from unprompt.errors import UnreadableImageError
from unprompt.painting.webui_errors import WebUIError
from unprompt.storage.images import open_stored

SHOWN = 300  # characters of what a server said
_DATA_URL = re.compile(r"data:[^,]{0,100},")


def cut(text: str) -> str:
    """What a server said, on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def images_in(answer: Mapping[str, Any]) -> list[bytes]:
    """The encoded images of an answer. Raises WebUIError where there is none, or what is no base64."""
    images = answer.get("images")
    if not images:
        raise WebUIError(
            "the web UI answers without an image; see what it says itself, its setting for saving images, "
            "and whether it was interrupted"
        )
    if not isinstance(images, list):
        raise WebUIError(f"the web UI's 'images' is no list: {cut(json.dumps(images))}")
    return [_decoded(image, number) for number, image in enumerate(images, start=1)]


def _decoded(image: Any, number: int) -> bytes:
    """Base64, with or without a data URL's beginning -> bytes."""
    if not isinstance(image, str):
        raise WebUIError(f"image {number} of the web UI's answer is {cut(json.dumps(image))}, not a text")
    prefix = _DATA_URL.match(image)
    text = "".join(image[prefix.end() if prefix else 0 :].split())
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise WebUIError(
            f"image {number} of the web UI's answer is not base64 ({error}); is something between here and "
            "the server changing its answers?"
        ) from error


def as_png(encoded: bytes, number: int = 1) -> bytes:
    """An image in any format that Pillow reads -> PNG.

    A PNG is given back as it is, with its texts, once it is sure that it can be decoded. Raises WebUIError
    for what is no image, is damaged, or would be too large in memory; `number` is for its message.
    """
    which = f"image {number} of the web UI's answer"
    unknown = f"not an image ({len(encoded):,} bytes of something else)"
    try:
        with open_stored(io.BytesIO(encoded), unknown=unknown) as image:
            image.load()
            return encoded if image.format == "PNG" else _encoded_png(image)
    except UnreadableImageError as error:
        raise WebUIError(f"{which} is {error}") from error


def _encoded_png(image: Image.Image) -> bytes:
    """PNG, with the EXIF data: a JPEG of the web UI's has its parameters there."""
    stream = io.BytesIO()
    exif = image.info.get("exif")
    picture = image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else image
    picture.save(stream, "PNG", **({"exif": exif} if exif else {}))
    return stream.getvalue()
