"""What attacks the readers of this room: pictures in every format that Pillow can write here."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
from PIL import Image

from tests.fuzzing import Attack
from unprompt.storage.images import decode_image, open_stored

MODES = ("RGB", "RGBA", "L", "1", "P", "CMYK", "I;16", "F", "LA")
OPTIONS = {
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate"}),
    "WEBP": ({}, {"lossless": True}),
    "JPEG": ({}, {"progressive": True}),
    "GIF": ({}, {"interlace": 0}),
    "TGA": ({}, {"compression": "tga_rle"}),
}


def pictures() -> list[tuple[str, bytes]]:
    """A small picture in all formats and modes that Pillow writes here, the formats that are refused too."""
    Image.init()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    pixels[:, 8:24] = 200
    whole = Image.fromarray(pixels)
    found = []
    for kind in sorted(Image.SAVE):
        for mode in MODES:
            picture = whole.convert("L").convert(mode) if mode in ("I;16", "F", "LA") else whole.convert(mode)
            for options in OPTIONS.get(kind, ({},)):
                stream = BytesIO()
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        picture.save(stream, kind, **options)
                except Exception:  # noqa: BLE001  # that mode is not of that format
                    continue
                found.append((f"{kind} {mode}.{kind.lower()}", stream.getvalue()))
    return found


def decode(name: str, content: bytes) -> None:
    """Read a file's bytes as readers of pictures do."""
    decode_image(content)


def look_at(name: str, content: bytes) -> None:
    """Open a file as readers of what stands beside the pixels do."""
    with open_stored(BytesIO(content)) as image:
        dict(image.info)


def attacks() -> list[Attack]:
    """The attacks on this room."""
    seeds = pictures()
    return [Attack("pictures", seeds, decode), Attack("pictures opened", seeds, look_at)]
