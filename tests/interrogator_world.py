"""All that an interrogator needs, tiny, in the files of the real ones: CLIP, BLIP, lists, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.tiny_captioners import save_tiny_blip
from tests.tiny_clip import write_tiny_clip
from unprompt.interrogator.vocabulary import package_entries

SLICES = {
    "artists": slice(0, 40, 4),
    "flavors": slice(100, 160),
    "mediums": slice(0, 12),
    "movements": slice(0, 12),
    "negative": slice(0, 8),
}


def write_world(folder: Path) -> Path:
    """Write clip/, blip/, lists/ and images/ with five pictures."""
    write_tiny_clip(folder / "clip")
    save_tiny_blip(folder / "blip")
    write_lists(folder / "lists")
    write_pictures(folder / "images", 5)
    return folder


def write_lists(folder: Path) -> None:
    """Slices of clip-interrogator's lists, none of which has an entry twice; the sites are the package's."""
    folder.mkdir(parents=True)
    for kind, some in SLICES.items():
        entries = list(dict.fromkeys(filter(None, package_entries(kind)[some])))
        (folder / f"{kind}.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")


def write_pictures(folder: Path, count: int) -> None:
    """Pictures of large coloured squares, of different shapes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        squares = random.integers(0, 256, (2 + number % 3, 3 + number % 2, 3), dtype=np.uint8)
        picture = Image.fromarray(np.kron(squares, np.ones((12, 12, 1), np.uint8)))
        picture.save(folder / f"p{number}.png")
