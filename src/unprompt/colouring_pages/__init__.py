"""Colouring pages: any picture becomes line art, and line art a clean page to print and colour.

    from unprompt import colouring_pages

    colouring_pages.make("photo.jpg", detail="low").save("page.png")

The way of a picture: an extractor gives its ink (how much each pixel is line), `clean` makes ink black and
white without specks, `strokes` traces the middle of its lines into curves, and `paper` puts the drawing on a
sheet. May import networks, data sets, learning, the pocket world and what stands before them.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.colouring_pages.page_config import PageConfig
from unprompt.colouring_pages.paper_config import PaperConfig

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.storage.images import AnyImage


def make(picture: AnyImage, **settings: Any) -> Image.Image:
    """The colouring page of a picture (a path, bytes, a PIL image or an array) as a sheet to print.

    `settings`: those of PageConfig and PaperConfig, such as detail="low", line_width=1.2, paper="letter".
    The sheet has mode 1, or RGB where the small original is on it, and `dpi` pixels an inch, 300 if not said.
    Raises UnreadableImageError, ConfigError for settings and CheckpointError for weights.
    """
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.colouring_pages.page import draw_page

    names = {kind: {field.name for field in fields(kind)} for kind in (PageConfig, PaperConfig)}
    if unknown := sorted(set(settings).difference(*names.values())):
        known = ", ".join(sorted(set().union(*names.values())))
        raise TypeError(f"make() has no keyword '{unknown[0]}'; it has: {known}")
    paths = {name: Path(settings[name]) for name in ("weights", "font") if settings.get(name) is not None}
    settings = {**settings, **paths}
    chosen, paper = (
        kind(**{name: value for name, value in settings.items() if name in names[kind]}) for kind in names
    )
    assert isinstance(chosen, PageConfig)
    assert isinstance(paper, PaperConfig)
    return draw_page(picture, open_extractor(chosen), chosen.detail).sheet(paper).render(paper.dpi)
