"""Colouring by words: line art and a sentence go in, a coloured picture comes out.

    from unprompt import colouring

    colouring.paint("dragon.png", "a green dragon with orange wings").save("coloured.png")

Pairs with captions are read by data sets, and the one learning loop trains what colours: a small painter
of regions, or InstructPix2Pix in diffusers' own classes (`instruct_*`, `train_instruct`). Captions for pairs
that have none are measured, or written by a network (`captions`, `write_captions`). May import networks, data
sets, learning, the pocket world, diffusion, the interrogator, colouring pages and what stands before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from unprompt.colouring.paint_config import PaintConfig

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.storage.images import AnyImage


@overload
def paint(
    picture: AnyImage,
    words: str,
    *,
    hints: Sequence[tuple[int, int, str]] = (),
    variants: None = None,
    **settings: Any,
) -> Image.Image: ...


@overload
def paint(
    picture: AnyImage,
    words: str,
    *,
    hints: Sequence[tuple[int, int, str]] = (),
    variants: int,
    **settings: Any,
) -> list[Image.Image]: ...


def paint(
    picture: AnyImage,
    words: str,
    *,
    hints: Sequence[tuple[int, int, str]] = (),
    variants: int | None = None,
    **settings: Any,
) -> Image.Image | list[Image.Image]:
    """Colour line art (a path, bytes, a PIL image or an array) as words say: "a green dragon".

    `hints`: (x, y, colour) for regions whose colour is known, such as (120, 80, "red") or (120, 80,
    "#aa0033"); "paper" leaves one as it is. `variants`: give a list of so many pictures, of this seed and the
    next ones. `settings`: those of PaintConfig, such as seed=3, crayons="8", paper="transparent".

    The picture is RGB and as large as the line art; RGBA where that is transparent, or is to be. Raises
    UnreadableImageError for the picture, InputError for a hint that lies outside, ConfigError for settings
    and CheckpointError for weights. `small_paint.ColourPainter` keeps the regions and says what found no
    place.
    """
    from unprompt.colouring.hints import Hint, read_colour
    from unprompt.colouring.small_paint import open_painter
    from unprompt.errors import ConfigError
    from unprompt.storage.images import image_of

    names = [field.name for field in fields(PaintConfig)]
    if unknown := sorted(set(settings).difference(names)):
        known = ", ".join(("hints", "variants", *names))
        raise TypeError(f"paint() has no keyword '{unknown[0]}'; it has: {known}")
    if variants is not None and variants < 1:
        raise ConfigError(f"variants must be at least 1, got {variants}")
    paths = {name: Path(settings[name]) for name in ("palette", "weights") if settings.get(name) is not None}
    config = PaintConfig(**{**settings, **paths})
    chosen = [Hint(x, y, read_colour(colour)) for x, y, colour in hints]
    image = image_of(picture, alpha=True)
    painter = open_painter(config.weights)
    page = painter.look(image, config.bridge)
    painted = [painter.colour(page, words, one, chosen) for one in config.variants(variants or 1)]
    images = [one.image(config.paper == "transparent") for one in painted]
    return images[0] if variants is None else images
