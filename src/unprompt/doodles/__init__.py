"""Doodles: strokes of a pen, what they show, and pictures that follow them.

    from unprompt import doodles

    doodles.paint("cat.svg").image.save("photo.png")

A drawing is captioned, the caption becomes a prompt, and a painter paints it: the pocket world, or a Stable
Diffusion that follows the lines.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unprompt.doodles.paint_drawing import AnyDrawing, Painted


def paint(
    drawing: AnyDrawing,
    prompt: str | None = None,
    *,
    negative_prompt: str | None = None,
    variants: int = 1,
    **settings: Any,
) -> Painted:
    """Paint a picture that follows a drawing (a Drawing, or a file of one).

    `prompt`: what it is to show; None has the drawing described. `negative_prompt`: what it is not to show;
    None takes the style's. `variants`: so many pictures, of seeds that follow each other. `settings`: those
    of `paint_config.DoodlePaint`, such as follow="exactly", seed=-1, painter="controlnet", controlnet=FOLDER.

    The pictures are in `images` of what is returned, the first in `image`; beside them what was said:
    caption, prompt, painter, seeds, and sentences about what is not as it was asked for. Raises InputError
    for a drawing that is none or empty, ConfigError for settings, CheckpointError for models.
    """
    from unprompt.doodles.paint_config import DoodlePaint
    from unprompt.doodles.paint_drawing import paint_file

    names = [field.name for field in fields(DoodlePaint)]
    if unknown := sorted(set(settings).difference(names)):
        known = ", ".join(("negative_prompt", "variants", *names))
        raise TypeError(f"paint() has no keyword '{unknown[0]}'; it has: {known}")
    paths = {
        name: Path(settings[name]) for name in ("controlnet", "adapter") if settings.get(name) is not None
    }
    return paint_file(drawing, prompt, negative_prompt, variants, DoodlePaint(**{**settings, **paths}))
