"""Pictures with prompts in their files, byte by byte as the programs write them."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x768, Model: demo"
PARAMETERS = f"a lighthouse at dusk, (warm light:1.2)\nNegative prompt: blurry, lowres\n{SETTINGS}"


def picture(width: int = 48, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Noise: no two columns alike."""
    shape = (height, width, len(mode))
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), mode)


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """A picture's file, as Pillow writes it."""
    stream = BytesIO()
    (image or picture()).save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def text_chunk(key: str, text: str) -> bytes:
    """tEXt, with the text in UTF-8 where Latin-1 has no letters for it, as programs do."""
    try:
        return chunk(b"tEXt", key.encode() + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"tEXt", key.encode() + b"\0" + text.encode())


def packed_chunk(key: str, text: str) -> bytes:
    """zTXt."""
    return chunk(b"zTXt", key.encode() + b"\0\0" + zlib.compress(text.encode("latin-1")))


def international_chunk(key: str, text: str, packed: bool = False) -> bytes:
    """iTXt, perhaps compressed."""
    content = zlib.compress(text.encode()) if packed else text.encode()
    return chunk(b"iTXt", key.encode() + b"\0" + bytes([packed, 0]) + b"en\0\0" + content)


def png(*chunks: bytes, image: Image.Image | None = None, after_pixels: bool = False) -> bytes:
    """A PNG with more chunks, before its pixels or after."""
    plain = saved("PNG", image)
    place = plain.rindex(b"IEND") - 4 if after_pixels else 33  # 33: signature and IHDR
    return plain[:place] + b"".join(chunks) + plain[place:]


def png_with(**texts: str) -> bytes:
    """A PNG with texts by their keywords; `_` stands for `-` where the keyword has it."""
    return png(*(text_chunk(key, text) for key, text in texts.items()))


def tiff(tags: dict[int, tuple[int, bytes]], inner: dict[int, tuple[int, bytes]], order: str = ">") -> bytes:
    """EXIF: a TIFF with a directory of `tags` (kind, bytes), and the Exif directory `inner`."""

    def directory(entries: dict[int, tuple[int, bytes]], start: int) -> bytes:
        head, body = struct.pack(f"{order}H", len(entries)), b""
        free = start + 2 + 12 * len(entries) + 4
        for tag, (kind, content) in sorted(entries.items()):
            count = 1 if kind == 4 else len(content)
            head += struct.pack(f"{order}HHI", tag, kind, count)
            if len(content) <= 4:
                head += content.ljust(4, b"\0")
            else:
                head += struct.pack(f"{order}I", free + len(body))
                body += content + b"\0" * (len(content) % 2)
        return head + struct.pack(f"{order}I", 0) + body

    first = directory(tags, 8)
    if inner:
        pointer = {0x8769: (4, struct.pack(f"{order}I", 0))}
        length = len(directory({**tags, **pointer}, 8))
        pointer = {0x8769: (4, struct.pack(f"{order}I", 8 + length))}
        first = directory({**tags, **pointer}, 8) + directory(inner, 8 + length)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + mark + struct.pack(f"{order}I", 8) + first


def with_comment(kind: str, comment: bytes, order: str = ">") -> bytes:
    """A JPEG, WebP or AVIF with a UserComment of these bytes."""
    return saved(kind, exif=tiff({}, {0x9286: (7, comment)}, order))


def xmp(description: str = "", comment: str = "", program: str = "") -> bytes:
    """XMP with a dc:description, an exif:UserComment and a CreatorTool."""
    from xml.sax.saxutils import escape

    def listed(name: str, text: str) -> str:
        if not text:
            return ""
        return f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></{name}>'

    tool = f"<xmp:CreatorTool>{escape(program)}</xmp:CreatorTool>" if program else ""
    return (
        '<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"{listed('dc:description', description)}{listed('exif:UserComment', comment)}{tool}"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def hidden(text: str, name: str, image: Image.Image | None = None) -> Image.Image:
    """A picture with a text in its lowest bits, put there pixel by pixel: stealth PNG info."""
    in_alpha, packed = name.startswith("stealth_png"), name.endswith("comp")
    image = image or picture(mode="RGBA" if in_alpha else "RGB")
    body = gzip.compress(text.encode()) if packed else text.encode()
    bits = "".join(f"{byte:08b}" for byte in name.encode()) + f"{8 * len(body):032b}"
    bits += "".join(f"{byte:08b}" for byte in body)
    pixels = np.array(image)
    left = iter(bits)
    for x in range(image.width):
        for y in range(image.height):
            for channel in (3,) if in_alpha else (0, 1, 2):
                bit = next(left, None)
                if bit is None:
                    return Image.fromarray(pixels)
                pixels[y, x, channel] = pixels[y, x, channel] // 2 * 2 + int(bit)
    raise AssertionError("the picture is too small for the text")


def graph(text: str = "a lighthouse at dusk", negative: str = "blurry", **nodes: Any) -> dict[str, Any]:
    """ComfyUI's default graph as it runs it; `nodes` are added, or stand instead, under their names."""
    own = {
        "n3": node(
            "KSampler", seed=7, steps=20, cfg=7.0, sampler_name="euler", scheduler="normal", denoise=1.0,
            model=["n4", 0], positive=["n6", 0], negative=["n7", 0], latent_image=["n5", 0],
        ),
        "n4": node("CheckpointLoaderSimple", ckpt_name="demo.safetensors"),
        "n5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "n6": node("CLIPTextEncode", text=text, clip=["n4", 1]),
        "n7": node("CLIPTextEncode", text=negative, clip=["n4", 1]),
        "n8": node("VAEDecode", samples=["n3", 0], vae=["n4", 2]),
        "n9": node("SaveImage", filename_prefix="ComfyUI", images=["n8", 0]),
    }  # fmt: skip
    return {**own, **nodes}


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """A node as ComfyUI runs it."""
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def comfy_png(content: Any, workflow: Any = None) -> bytes:
    """A PNG by ComfyUI."""
    texts = {"prompt": content, "workflow": workflow}
    return png(*(text_chunk(key, json.dumps(one)) for key, one in texts.items() if one is not None))
