"""Texts as outlines, so that a sheet looks the same everywhere, whichever fonts are installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EM = 160  # pixels an em while a character is traced
TOLERANCE = 0.3  # of those pixels, which an outline may be off
NO_CHARACTER = "\U0010fffe"  # never assigned: what a font shows for it, it shows for all that it lacks


@dataclass(frozen=True, eq=False)
class Lettering:
    """A text's outlines in ems: x to the right from where it begins, y down from the line it stands on.

    `rings`: closed polygons (K, 2), to be filled by the even-odd rule. `advance`: how far the text goes.
    `box`: left, top, right and bottom of its ink; zeros where there is none.
    """

    rings: tuple[NDArray[np.float64], ...]
    advance: float
    box: tuple[float, float, float, float]

    def path(self, x: float, y: float, size: float) -> str:
        """The data of an SVG path: the text from (x, y), `size` an em."""
        parts = []
        for ring in self.rings:
            points = " ".join(f"{a:.3f} {b:.3f}" for a, b in ring[:-1] * size + (x, y))
            parts.append(f"M{points}Z")
        return "".join(parts)


def letter(text: str, font: Path | None = None) -> Lettering:
    """Outlines of one line of text.

    Raises ConfigError where `font` is no font file, and for characters that it, or Pillow's own, has not.
    """
    face = _load_font(font)
    if lacking := [character for character in dict.fromkeys(text) if _trace(character, font) is None]:
        where = f"the font {font}" if font else "the font that comes with Pillow"
        raise ConfigError(
            f"{where} has no '{''.join(lacking)}' for the text '{text}'; name a font file that has (font)"
        )
    rings = []
    for index, character in enumerate(text):
        # The pen's way to a character, drawn nearer to the one before it where the font says so.
        start = measure(text[: index + 1], font) - measure(character, font)
        rings += [ring + np.array((start, 0.0)) for ring in _trace(character, font) or ()]
    box = (0.0, 0.0, 0.0, 0.0)
    if rings:
        points = np.concatenate(rings)
        left, top, right, bottom = map(float, (*points.min(0), *points.max(0)))
        box = (left, top, right, bottom)
    return Lettering(tuple(rings), face.getlength(text) / EM, box)


def measure(text: str, font: Path | None = None) -> float:
    """How far a line of text goes, in ems. Raises ConfigError where `font` is no font file."""
    return _load_font(font).getlength(text) / EM


@lru_cache(maxsize=1024)
def _trace(character: str, font: Path | None) -> tuple[NDArray[np.float64], ...] | None:
    """A character's rings in ems, or None where the font has no such character."""
    with needed_for("writing on a page", "pages", ConfigError):
        from skimage.measure import approximate_polygon, find_contours

    face = _load_font(font)
    shown, none = face.getmask(character), face.getmask(NO_CHARACTER)
    if character != " " and shown.size == none.size and bytes(shown) == bytes(none):
        return None
    image = Image.new("L", (int(face.getlength(character)) + EM, 2 * EM + EM // 2))
    origin = EM // 2, EM + EM // 2
    ImageDraw.Draw(image).text(origin, character, fill=255, font=face, anchor="ls")
    return tuple(
        (approximate_polygon(contour, TOLERANCE)[:, ::-1] + 0.5 - origin) / EM  # (K, 2), x before y
        for contour in find_contours(np.asarray(image, np.float64), 127.5)
    )


@lru_cache(maxsize=8)
def _load_font(font: Path | None) -> ImageFont.FreeTypeFont:
    if font is not None:
        try:
            return ImageFont.truetype(str(font), EM, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            raise ConfigError(f"{font} cannot be read as a font: {error}") from error
    face = ImageFont.load_default(EM)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise ConfigError(
            "writing on a page needs a Pillow with FreeType; run: pip install --force-reinstall pillow"
        )
    return face
