"""Line art and words -> whole new pictures, by an InstructPix2Pix or a web UI that the app was given."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.colouring.svg import SUFFIX, clean_svg, draw_svg
from unprompt.serving.uploads import Upload, open_upload
from unprompt.storage.images import encode_png

if TYPE_CHECKING:
    from unprompt.colouring.whole_picture import WholePainter
    from unprompt.painting.watch import Watch


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


def colour_whole(
    painter: WholePainter,
    upload: Upload,
    words: str,
    seeds: tuple[int, ...],
    limit_mb: float,
    watch: Watch | None = None,
) -> tuple[bytes, ...]:
    """Pictures of a drawing as PNG files, one a seed. Raises what `WholePainter.paint` raises."""
    if upload.name.lower().endswith(SUFFIX):
        picture = draw_svg(clean_svg(upload.content))
    else:
        with open_upload(upload, limit_mb, alpha=True) as opened:
            picture = opened.copy()
    return tuple(encode_png(painter.paint(picture, words, seed, watch)) for seed in seeds)
