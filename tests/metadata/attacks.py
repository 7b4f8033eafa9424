"""What attacks the reader of prompts in files: PNG's texts, EXIF, graphs of ComfyUI with cycles."""

from __future__ import annotations

import json
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.fuzzing import Attack
from unprompt.metadata.comfyui import read_comfyui
from unprompt.metadata.reading import read_generation_of

PARAMETERS = (
    "a cat, (best:1.2)\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8"
)
GRAPH = {
    "1": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "cfg": 8.0, "positive": ["2", 0],
          "negative": ["3", 0], "model": ["4", 0], "latent_image": ["5", 0], "sampler_name": "euler"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["6", 0], "clip": ["4", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "StringConcatenate", "inputs": {"string_a": "a", "string_b": ["7", 0]}},
    "7": {"class_type": "StringConcatenate", "inputs": {"string_a": "b", "string_b": ["6", 0]}},
}  # fmt: skip
SAMPLER = {"id": 1, "type": "KSampler", "widgets_values": [5, "fixed"]}
ENCODER = {"id": 2, "type": "CLIPTextEncode", "widgets_values": ["a dog"]}
WORKFLOW = {
    "nodes": [
        SAMPLER | {"inputs": [{"name": "positive", "link": 9}]},
        ENCODER | {"outputs": [{"name": "c", "links": [9]}]},
    ],
    "links": [[9, 2, 0, 1, 0, "CONDITIONING"]],
}


def picture(kind: str, **options: object) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (16, 16), (9, 8, 7)).save(stream, kind, **options)
    return stream.getvalue()


def png(**texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
        info.add_itxt(f"{name}2", text, zip=True)
    return picture("PNG", pnginfo=info)


def attacks() -> list[Attack]:
    """The attacks on this room."""
    exif = Image.Exif()
    exif[0x010E] = PARAMETERS
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    graph, workflow = json.dumps(GRAPH), json.dumps(WORKFLOW)
    files = [
        ("a.png", png(parameters=PARAMETERS)),
        ("b.png", png(prompt=graph, workflow=workflow)),
        ("c.png", png(Comment=json.dumps({"prompt": "a", "uc": "b", "seed": 3}), Software="NovelAI")),
        ("d.jpg", picture("JPEG", exif=exif)),
        ("e.webp", picture("WEBP", exif=exif)),
        ("f.jpg", picture("JPEG", comment=PARAMETERS.encode())),
    ]
    texts = [("a.json", graph.encode()), ("b.json", workflow.encode())]

    def read(name: str, content: bytes) -> None:
        read_generation_of(content)

    def read_graph(name: str, content: bytes) -> None:
        text = content.decode("utf-8", "replace")
        read_comfyui(text, None)
        read_comfyui(None, text)

    return [Attack("prompts in files", files, read), Attack("graphs", texts, read_graph)]
