"""Line art and words -> whole new pictures, by an InstructPix2Pix or a web UI that the app was given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.colouring.svg import SUFFIX, clean_svg, draw_svg
from unprompt.serving.uploads import Upload, open_upload
from unprompt.storage.images import encode_png

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.colouring.whole_picture import WholePainter
    from unprompt.painting.watch import Watch

FINEST = 2000  # pixels of the longer side; larger line art is reduced


@cache
def open_whole_painter(instruct: Path | None, url: str | None, controlnet: str, device: str) -> WholePainter:
    """The painter of an InstructPix2Pix's folder, or else of a web UI's address; opened once.

    Raises what `instruct_paint.open_painter` raises, and ConfigError for a web UI's settings.
    """
    if instruct is not None:
        from unprompt.colouring.instruct_config import InstructPaint
        from unprompt.colouring.instruct_paint import open_painter

        return open_painter(instruct, InstructPaint(device=device))
    from unprompt.colouring.webui_config import WebUIPaint
    from unprompt.colouring.webui_paint import WebUIPainter
    from unprompt.painting.webui_config import find_auth

    return WebUIPainter(WebUIPaint(url=url or "", controlnet=controlnet), find_auth())


def line_art_of(upload: Upload, limit_mb: float) -> Image.Image:
    """Line art's pixels, not too many. Raises UnreadableImageError for what is no picture."""
    drawing = svg_of(upload)
    if drawing is not None:
        return draw_svg(drawing)
    with open_upload(upload, limit_mb, alpha=True) as picture:
        picture.thumbnail((FINEST, FINEST))
    return picture


def svg_of(upload: Upload) -> bytes | None:
    """An upload's SVG, where it is one."""
    return clean_svg(upload.content) if upload.name.lower().endswith(SUFFIX) else None


def colour_whole(
    painter: WholePainter,
    upload: Upload,
    words: str,
    seeds: tuple[int, ...],
    limit_mb: float,
    watch: Watch,
    take: Callable[[bytes], None],
) -> None:
    """Pictures of a drawing, one a seed; `take` is given the PNG file of each as soon as it is done.

    Raises UnreadableImageError for what is no picture, and what `WholePainter.paint` raises.
    """
    picture = line_art_of(upload, limit_mb)
    for seed in seeds:
        take(encode_png(painter.paint(picture, words, seed, watch)))
