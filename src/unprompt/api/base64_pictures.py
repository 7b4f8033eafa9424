"""Pictures in JSON: base64 text to RGB images, and images to base64 PNG."""

from __future__ import annotations

import base64
import binascii
import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.api.config import MOST_IMAGE_MB, MOST_PIXELS
from unprompt.errors import UnreadableImageError
from unprompt.serving.uploads import Upload, read_upload
from unprompt.storage.images import PNG_LEVEL


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
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableImageError(f"not base64: {error}") from None


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
