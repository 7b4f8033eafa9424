"""From a drawing to a picture: it is captioned, the caption becomes a prompt, and a painter paints it.

The work of `unprompt doodle paint`, of the page and of `unprompt.doodles.paint`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.paint_config import MOST_VARIANTS, RANDOM, DoodlePaint
from unprompt.doodles.painters import Order, Painter, open_painter, pass_over
from unprompt.doodles.wording import negative_prompt_of, prompt_of
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.painting.seeds import SEEDS, seeds_in_row
from unprompt.painting.watch import Watch

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.doodles.captioners import Captioner
    from unprompt.doodles.name import Namer

AnyDrawing: TypeAlias = "Drawing | str | os.PathLike[str]"


@dataclass(frozen=True, eq=False)
class Painted:
    """Pictures of a drawing, and what was said on the way to them.

    `images`: RGB, one for each of `seeds`. `caption`: "" where the prompt was given. `painter`: what painted
    them. `told`: sentences about what is not as it was asked for.
    """

    images: tuple[Image.Image, ...]
    seeds: tuple[int, ...]
    caption: str
    prompt: str
    negative_prompt: str
    painter: str
    told: tuple[str, ...]

    @property
    def image(self) -> Image.Image:
        """The first picture."""
        return self.images[0]

    def save(self, out: str | os.PathLike[str]) -> list[Path]:
        """Write the pictures as PNG: photo.png, photo-2.png … Raises ConfigError for another ending."""
        files = PictureFiles(out)
        for image in self.images:
            files.write(image)
        return files.written


class PictureFiles:
    """Where pictures go, one after the other: photo.png, photo-2.png … `written`: those that are there."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        """Raises ConfigError for a name that does not end in .png."""
        self._out = Path(out)
        if self._out.suffix.lower() != ".png":
            raise ConfigError(f"{out} has to end in .png, as that is what is written")
        self.written: list[Path] = []

    def write(self, image: Image.Image) -> None:
        """Write the next picture."""
        from unprompt.storage.files import write_bytes
        from unprompt.storage.images import encode_png

        number = len(self.written) + 1
        path = self._out.with_stem(f"{self._out.stem}-{number}") if number > 1 else self._out
        write_bytes(path, encode_png(image))
        self.written.append(path)


class DoodlePainter:
    """What is needed from a drawing to a picture, each part opened when it is first asked for, and kept."""

    def __init__(
        self,
        config: DoodlePaint | None = None,
        captioner: Captioner | None = None,
        namer: Namer | None = None,
        painter: Painter | None = None,
    ) -> None:
        """`captioner`, `namer` and `painter`: in place of those that the settings and the package give."""
        self.config = config or DoodlePaint()
        self._captioner = captioner
        self._namer = namer
        self._painter = painter

    @cached_property
    def namer(self) -> Namer | None:
        """What names drawings; None where no network for it is here."""
        from unprompt.doodles.name import Namer
        from unprompt.networks.devices import choose_device

        try:
            return self._namer or Namer.load(device=choose_device(self.config.device))
        except CheckpointError:
            return None

    @cached_property
    def captioner(self) -> Captioner:
        """What describes drawings. Raises CheckpointError where there is none."""
        from unprompt.doodles.captioners import GroupCaptioner, TemplateCaptioner
        from unprompt.doodles.name import Namer
        from unprompt.networks.devices import choose_device

        if self._captioner is not None:
            return self._captioner
        device = choose_device(self.config.device)
        try:
            return GroupCaptioner.load(device=device)
        except CheckpointError:
            return TemplateCaptioner(self._namer or Namer.load(device=device))

    @cached_property
    def painter(self) -> Painter:
        """What paints. Raises what `open_painter` raises."""
        return self._painter or open_painter(self.config, self.namer)

    def describe(self, drawing: Drawing) -> tuple[str, str]:
        """A drawing's caption, and the prompt that is made of it. InputError for an empty drawing."""
        check_drawn(drawing)
        caption = self.captioner.caption([drawing])[0].text
        return caption, prompt_of(caption, self.config.style)

    def paint(
        self,
        drawing: Drawing,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        variants: int = 1,
        config: DoodlePaint | None = None,
        watch: Watch | None = None,
        take: Callable[[Image.Image], None] = pass_over,
    ) -> Painted:
        """Pictures of a drawing, of seeds that follow each other.

        `prompt`: None has the drawing described. `negative_prompt`: None takes the style's. `config`: other
        settings than this painter's, for what does not decide what is loaded. `watch`: how far it is, and the
        way to end it from another thread. `take`: is given each picture as soon as it is done, so that what
        goes wrong later costs only what is not done yet. Raises InputError for an empty drawing and for a
        prompt of which a painter can paint nothing, ConfigError for numbers that make no sense, StoppedError
        where the watch was told to stop.
        """
        config = config or self.config
        check_drawn(drawing)
        if not 1 <= variants <= MOST_VARIANTS:
            raise ConfigError(f"variants must be from 1 to {MOST_VARIANTS}, got {variants}")
        caption = ""
        if prompt is None:
            caption, _ = self.describe(drawing)
            prompt = prompt_of(caption, config.style)
        prompt = " ".join(prompt.split())
        if not prompt:
            raise InputError(
                "the prompt is empty; say what the picture is to show, or leave it to the caption"
            )
        if negative_prompt is None:
            negative_prompt = negative_prompt_of(config.style)
        first = secrets.randbelow(SEEDS) if config.seed == RANDOM else config.seed
        seeds = seeds_in_row(first, variants)
        order = Order(drawing, prompt, negative_prompt, seeds, config, watch or Watch(), take)
        made = self.painter.paint(order)
        name = self.painter.name
        return Painted(tuple(made.images), seeds, caption, prompt, negative_prompt, name, tuple(made.told))


def check_drawn(drawing: Drawing) -> None:
    """Raise InputError for a drawing in which there is nothing."""
    if not drawing.strokes:
        raise InputError("the drawing is empty: draw something first")


def open_drawing(source: AnyDrawing) -> Drawing:
    """A drawing itself, or that of a file of any kind; raises what `read.read_drawing` raises."""
    if isinstance(source, Drawing):
        return source
    from unprompt.doodles.read import read_drawing

    return read_drawing(Path(source))


def paint_file(
    source: AnyDrawing,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    variants: int = 1,
    config: DoodlePaint | None = None,
    take: Callable[[Image.Image], None] = pass_over,
) -> Painted:
    """Pictures of one drawing, by what the package and the settings give; see `DoodlePainter.paint`."""
    drawing = open_drawing(source)
    check_drawn(drawing)
    return DoodlePainter(config).paint(drawing, prompt, negative_prompt, variants, take=take)
