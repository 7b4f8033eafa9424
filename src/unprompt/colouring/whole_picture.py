"""Painters that make a whole new picture of a drawing and words, where the small painter fills regions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from unprompt.colouring.line_art import fitting, with_lines
from unprompt.errors import InputError
from unprompt.painting.watch import Watch
from unprompt.storage.images import image_of

if TYPE_CHECKING:
    from unprompt.colouring.instruct_config import InstructPaint
    from unprompt.colouring.webui_config import WebUIPaint
    from unprompt.storage.images import AnyImage

MULTIPLE = 8


class WholePainter(ABC):
    """Each picture has its own seed, and is painted alone."""

    config: InstructPaint | WebUIPaint

    @property
    def multiple(self) -> int:
        """What both sides are made a multiple of."""
        return MULTIPLE

    @property
    @abstractmethod
    def size(self) -> int:
        """The longer side in pixels while it paints."""

    @abstractmethod
    def _painted(self, drawing: Image.Image, words: str, seed: int, watch: Watch) -> Image.Image:
        """What is made of a drawing whose sides are multiples."""

    def paint(
        self, picture: AnyImage, words: str, seed: int | None = None, watch: Watch | None = None
    ) -> Image.Image:
        """The picture coloured as the words say: RGB, of the picture's own size.

        What is transparent is white. `seed`: of the noise (None: the settings'). `watch`: how far it is, and
        the way to end it from another thread. Raises UnreadableImageError for what is no picture, InputError
        for no words, WebUIError for what goes wrong with a web UI, and StoppedError where the watch says so.
        """
        if not words.strip():
            raise InputError("there are no words to colour by")
        drawing = image_of(picture)
        small = drawing.resize(fitting(drawing.size, self.size, self.multiple), Image.Resampling.LANCZOS)
        made = self._painted(small, words, self.config.seed if seed is None else seed, watch or Watch())
        if made.size != drawing.size:
            made = made.resize(drawing.size, Image.Resampling.LANCZOS)
        return with_lines(made, drawing) if self.config.keep_lines else made

    def variants(self, picture: AnyImage, words: str) -> Iterator[Image.Image]:
        """As many as the settings say, of seeds that follow each other; each as soon as it is painted."""
        first = self.config.seed
        for seed in range(first, first + self.config.variants):
            yield self.paint(picture, words, seed)
