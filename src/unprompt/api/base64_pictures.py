"""Pictures in JSON: base64 text to RGB images, and images to base64 PNG."""

from __future__ import annotations

import base64
import io
import re

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.api.config import MOST_IMAGE_MB, MOST_PIXELS
from unprompt.errors import UnreadableImageError
from unprompt.serving.uploads import Upload, read_upload
from unprompt.storage.images import PNG_LEVEL

NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")


def bytes_of(text: str) -> bytes:
    """The bytes of a base64 text, with or without a `data:image/png;base64,` before it.

    Line breaks are passed over. Raises UnreadableImageError where the text is not base64.
    """
    if text.startswith(("http://", "https://")):
        raise UnreadableImageError("an address; this server fetches nothing, send the picture as base64")
    if text.startswith("data:"):
        kind, comma, text = text.partition(",")
        if not comma or not kind.endswith(";base64"):
            raise UnreadableImageError("a data: address without base64; write data:image/png;base64,…")
    text = "".join(text.split())
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise UnreadableImageError(
            f"not base64: {_why_not(text)}; send the picture's file as base64"
        ) from None


def _why_not(text: str) -> str:
    """What is wrong with a text that is no base64."""
    if other := NOT_BASE64.search(text):
        return f"it has the character {other[0]!a}"
    if len(text) % 4:
        return f"its length is {len(text):,}, no multiple of 4, as if its end were missing"
    return "it has = before its end"


def decode(content: bytes, alpha: bool = False) -> Image.Image:
    """An image file's bytes -> RGB, as `read_image` does it; to RGBA of what is transparent with `alpha`.

    Raises UnreadableImageError for all that cannot be read, and for more than MOST_PIXELS pixels, which are
    counted before they are decoded.
    """
    return read_upload(Upload.of("image", content), MOST_IMAGE_MB, MOST_PIXELS, alpha)


def encode(image: Image.Image, parameters: str) -> str:
    """An image as base64 PNG, no `data:` before it; `parameters` stand in its text of that name.

    It is where the web UI writes how a picture was made, and where its tools look.
    """
    texts = PngInfo()
    texts.add_itxt("parameters", parameters)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=PNG_LEVEL, pnginfo=texts)
    return base64.b64encode(stream.getvalue()).decode("ascii")
