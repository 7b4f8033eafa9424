"""Colouring pages of requests: a picture's bytes in, a file's bytes out."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unprompt.api.base64_pictures import decode
from unprompt.api.contract import PageAnswer, PageRequest
from unprompt.colouring_pages.page_config import PageConfig
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.errors import ConfigError, InputError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unprompt.colouring_pages.page import Page
    from unprompt.colouring_pages.sheet import Sheet


@dataclass(frozen=True)
class PageOrder:
    """A page that is asked for: the picture's bytes and everything about its paper, checked."""

    content: bytes
    page: PageConfig
    paper: PaperConfig
    numbers: NumbersConfig | None
    format: str


def read_order(request: PageRequest, content: bytes) -> PageOrder:
    """A request as an order. Raises ConfigError for settings that do not go together."""
    paper = PaperConfig(
        paper=request.paper,
        orientation=request.orientation,
        dpi=request.dpi,
        margin=request.margin,
        line_width=request.line_width,
        title=request.title,
        name_line=request.name_line,
        original=request.original,
    )
    numbers = NumbersConfig(colours=request.colours) if request.numbers else None
    return PageOrder(content, PageConfig(detail=request.detail), paper, numbers, request.format)


def make_page(order: PageOrder) -> PageAnswer | UnreadableImageError | ConfigError:
    """Draw one order; what is wrong with it is given back, so that it harms no other."""
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.colouring_pages.page import draw_page

    try:
        image = decode(order.content)
        page = draw_page(image, open_extractor(order.page), order.page.detail)
        sheets, numbered = _sheets(page, order)
        return PageAnswer(
            page=b64encode(_encoded(sheets, order)).decode(),
            format=order.format,
            blank=page.is_blank,
            numbered=numbered,
        )
    except (UnreadableImageError, ConfigError) as error:
        return error


def _sheets(page: Page, order: PageOrder) -> tuple[tuple[Sheet, ...], bool]:
    if order.numbers is not None:
        try:
            return page.number_sheets(order.paper, order.numbers), True
        except InputError:  # the lines enclose nothing
            pass
    return (page.sheet(order.paper),), False


def _encoded(sheets: Sequence[Sheet], order: PageOrder) -> bytes:
    from unprompt.colouring_pages.pdf import pdf_bytes

    if order.format == "pdf":
        return pdf_bytes(sheets, order.paper.dpi, order.paper.title)
    if order.format == "svg":
        return sheets[0].svg().encode()
    return sheets[0].png(order.paper.dpi)
