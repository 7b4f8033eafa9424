"""Pages of the same pictures by several methods, side by side on one sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from unprompt.colouring_pages.page import draw_page

if TYPE_CHECKING:
    from unprompt.colouring_pages.extract import LineFinder

CELL, GAP, HEAD = 320, 8, 36  # pixels
LINE = 2.0  # width of lines in pixels


def compare_methods(
    pictures: Iterable[Image.Image], extractors: Sequence[LineFinder], detail: str = "middle"
) -> Image.Image:
    """A row for each picture (RGB): itself, then its page by each extractor; with a head for each column.

    One picture is held at a time.
    """
    rows = [
        [_small(image) for image in (picture, *_pages(picture, extractors, detail))] for picture in pictures
    ]
    columns = 1 + len(extractors)
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, HEAD + len(rows) * (CELL + GAP)), (236, 236, 236))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, title in enumerate(["picture", *(extractor.method for extractor in extractors)]):
        draw.text((GAP + column * (CELL + GAP), 8), title, fill=(30, 30, 30), font=font)
    for number, row in enumerate(rows):
        for column, small in enumerate(row):
            place = (GAP + column * (CELL + GAP), HEAD + number * (CELL + GAP))
            sheet.paste((255, 255, 255), (*place, place[0] + CELL, place[1] + CELL))
            sheet.paste(small, (place[0] + (CELL - small.width) // 2, place[1] + (CELL - small.height) // 2))
    return sheet


def _small(image: Image.Image) -> Image.Image:
    small = image.convert("RGB")
    small.thumbnail((CELL, CELL))
    return small


def _pages(picture: Image.Image, extractors: Sequence[LineFinder], detail: str) -> Iterator[Image.Image]:
    for extractor in extractors:
        drawing = draw_page(picture, extractor, detail).drawing
        width = max(1, round(CELL * min(1.0, drawing.size[0] / drawing.size[1])))
        page = drawing.render(width, LINE)
        yield page.crop((0, 0, width, min(CELL, page.height)))  # of thin ones a pixel is some too many
