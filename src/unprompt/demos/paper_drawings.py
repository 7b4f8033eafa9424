"""Drawings that visitors upload or photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unprompt.serving.uploads import Upload, open_upload

if TYPE_CHECKING:
    from unprompt.doodles.drawing import Drawing


def drawing_of(upload: Upload, limit_mb: float) -> Drawing:
    """The strokes of an SVG, or of a picture of a drawing.

    Raises InputError where there is no drawing, and UnreadableImageError for what is no picture.
    """
    if upload.name.lower().endswith(".svg"):
        from unprompt.doodles.svg import drawing_of_svg

        return drawing_of_svg(upload.content)
    from unprompt.doodles.picture import read_picture

    with open_upload(upload, limit_mb, alpha=True) as picture:
        return read_picture(picture)
