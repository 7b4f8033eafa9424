"""One picture as a colouring page: its ink found, cleaned and traced, and put on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unprompt.colouring_pages.drawing import LineDrawing
from unprompt.colouring_pages.extract import LineFinder
from unprompt.colouring_pages.methods import resized
from unprompt.colouring_pages.numbers import make_number_sheets
from unprompt.colouring_pages.paper import lay_out, make_booklet
from unprompt.colouring_pages.pdf import pdf_bytes
from unprompt.colouring_pages.regions import regions
from unprompt.colouring_pages.strokes import strokes
from unprompt.errors import InputError
from unprompt.storage.images import AnyImage, image_of

if TYPE_CHECKING:
    from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
    from unprompt.colouring_pages.sheet import Sheet

KEPT = 1024  # pixels of the longest side of what is kept of a picture
NUMBERED = 1600  # pixels of the longest side in which areas are looked for, to be numbered


@dataclass(frozen=True, eq=False)
class Page:
    """A colouring page: its lines, and the picture (RGB, at most 1,024 pixels a side) that they are of.

    `method`: how its lines were found, such as "own lines" or "pix2pix, stage 2".
    """

    drawing: LineDrawing
    picture: Image.Image
    method: str

    @property
    def is_blank(self) -> bool:
        """Whether there was nothing to draw."""
        return not self.drawing.curves

    def sheet(self, paper: PaperConfig) -> Sheet:
        """The page on paper, alone."""
        return next(lay_out([self.drawing], paper, [self.picture]))

    def sheets(self, paper: PaperConfig, numbers: NumbersConfig | None) -> tuple[tuple[Sheet, ...], str]:
        """The page on paper, by `numbers` with its solution; and why it has no numbers, "" where all is well.

        Lines that enclose nothing cannot be numbered: then it is the plain page.
        """
        if numbers is None:
            return (self.sheet(paper),), ""
        try:
            return self.number_sheets(paper, numbers), ""
        except InputError as error:
            return (self.sheet(paper),), str(error)

    def number_sheets(self, paper: PaperConfig, numbers: NumbersConfig) -> tuple[Sheet, Sheet]:
        """The page to paint by numbers, and its solution in colour.

        Raises InputError where there are no lines, or they enclose nothing.
        """
        if self.is_blank:
            raise InputError("the page is blank, with no area to number")
        width, height = self.drawing.size
        scale = NUMBERED / max(width, height)
        lines = self.drawing.render(max(1, round(width * scale)), line_pixels=2.0)
        areas = np.maximum(regions(np.asarray(lines) < 128, frame=True), 0)
        if areas.max() < 2:
            raise InputError("the lines enclose no area that could be numbered")
        picture = self.picture.resize(lines.size, Image.Resampling.LANCZOS)
        return make_number_sheets(self.drawing, areas, np.asarray(picture), paper, numbers)


def draw_page(picture: AnyImage, extractor: LineFinder, detail: str = "middle") -> Page:
    """The colouring page of a picture: a path, bytes, a PIL image or an array.

    `detail`: low, middle or high, as the extractor was opened with. Raises UnreadableImageError.
    """
    image = image_of(picture)
    found = extractor.find(np.asarray(image))
    small = Image.fromarray(resized(np.asarray(image), min(KEPT, max(image.size))))
    return Page(strokes(found.lines(detail)), small, found.method)


def encode_sheets(sheets: Sequence[Sheet], form: str, dpi: int, title: str = "") -> bytes:
    """Sheets as a file: a PDF of all, or the first as "svg" or "png"."""
    if form == "pdf":
        return pdf_bytes(sheets, dpi, title)
    return sheets[0].svg().encode() if form == "svg" else sheets[0].png(dpi)


def make_booklet_pdf(pages: Sequence[Page], paper: PaperConfig, title: str) -> bytes:
    """Pages behind a title page, as a PDF."""
    drawings, pictures = [page.drawing for page in pages], [page.picture for page in pages]
    return pdf_bytes(make_booklet(drawings, replace(paper, title=title), pictures), paper.dpi, title)
