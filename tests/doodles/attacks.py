"""What attacks the readers of drawings: SVG, ndjson, Google's binary, a canvas's JSON, arrays of strokes."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np

from tests.fuzzing import Attack
from unprompt.doodles.read import read_doodles

SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
viewBox="0 0 100 80"><style>.a { stroke: red }</style>
<defs><g id="one"><path d="M1 2l3 4" stroke="#000"/></g></defs>
<g transform="translate(3,4) rotate(30 5 5) scale(2)" stroke="black" fill="none" stroke-width="2">
<path d="M 10 10 C 20 20, 40 20, 50 10 S 5 6 7 8 Q 1 2 3 4 T 9 9 A 25 25 -30 0 1 50 25 h 3 v -4 z"/>
<circle cx="5" cy="6" r="3"/><ellipse cx="5" cy="6" rx="3" ry="1e1"/>
<rect x="1" y="2" width="30" height="4" rx="1"/><line x1="0" y1="0" x2="9%" y2="3mm"/>
<polyline points="0,0 1,1 2,0"/><polygon points="0 0 1 1 2 0"/>
<use xlink:href="#one" x="3" y="4"/><use href="#one" style="display:inline;opacity:.5"/></g></svg>"""
FILLED = SVG.replace(' fill="none"', "").replace('stroke="black"', 'fill="red"')
FILLED = FILLED.replace("<style>.a { stroke: red }</style>", "")
STROKES = [[[0, 10, 20], [5, 6, 7], [0, 16, 33]], [[3], [4], [0]]]
LINE = {
    "word": "cat", "countrycode": "DE", "timestamp": "2017-03-02", "recognized": True, "drawing": STROKES,
    "key_id": "5891796615823360", "caption": "a cat",
}  # fmt: skip
CANVAS = {"strokes": [{"points": [[1, 2], [3.5, 4, 0.5]]}, [[5, 6]], {"points": [{"x": 1, "y": 2}]}]}


def binary() -> bytes:
    """Two drawings as Google's binary files have them."""
    one = struct.pack("<Q2sbIH", 5891796615823360, b"DE", 1, 1488412800, 2)
    one += struct.pack("<H3B3B", 3, 0, 10, 20, 5, 6, 7) + struct.pack("<H1B1B", 1, 3, 4)
    return 2 * one


def attacks(folder: Path) -> list[Attack]:
    """The attacks on this room; files are written into `folder`."""
    line = json.dumps(LINE).encode() + b"\n"
    np.save(folder / "strokes.npy", np.array([[0, 0, 0], [3, 4, 0], [5, 6, 1.0], [7, 8, 1]]))
    np.save(folder / "bitmaps.npy", np.eye(28, dtype=np.uint8)[None] * 255)
    np.savez_compressed(folder / "bitmaps.npz", cat=np.eye(28, dtype=np.uint8).reshape(1, 784) * 255)
    seeds = [
        ("a.svg", SVG.encode()),
        ("b.svg", FILLED.encode()),
        ("cat.ndjson", 3 * line),
        ("cat.ndjson.gz", gzip.compress(3 * line)),
        ("cat.bin", binary()),
        ("canvas.json", json.dumps(CANVAS).encode()),
        *((name, (folder / name).read_bytes()) for name in ("strokes.npy", "bitmaps.npy", "bitmaps.npz")),
    ]

    def read(name: str, content: bytes) -> None:
        path = folder / f"damaged-{name}"
        path.write_bytes(content)
        for doodle in read_doodles(path):
            if doodle.drawing.strokes:
                doodle.drawing.fitted(28)

    return [Attack("drawings", seeds, read)]
