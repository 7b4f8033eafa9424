"""Colouring pages of requests: a picture's bytes in, a file's bytes out."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from unprompt.api.base64_pictures import decode
from unprompt.api.contract import PageAnswer, PageRequest
from unprompt.colouring_pages.page_config import DETAILS, PageConfig
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.errors import ConfigError, UnreadableImageError

if TYPE_CHECKING:
    from unprompt.colouring_pages.extract import LineFinder


@dataclass(frozen=True)
class PageOrder:
    """A page that is asked for: the picture's bytes and everything about its paper, checked."""

    content: bytes
    page: PageConfig
    paper: PaperConfig
    numbers: NumbersConfig | None
    format: str


def read_order(request: PageRequest, content: bytes, device: str) -> PageOrder:
    """A request as an order, drawn on `device`. Raises ConfigError for settings that do not go together."""
    if request.numbers and request.original != "none":
        raise ConfigError(
            "original: a page to paint by numbers has no small picture; leave out original or numbers"
        )
    if request.colours != NumbersConfig.colours and not request.numbers:
        raise ConfigError("colours: belongs to numbers, without which it does nothing; send numbers as true")
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
    return PageOrder(
        content, PageConfig(detail=request.detail, device=device), paper, numbers, request.format
    )


def make_page(order: PageOrder) -> PageAnswer | UnreadableImageError | ConfigError:
    """Draw one order; what is wrong with it is given back, so that it harms no other."""
    from unprompt.colouring_pages.page import draw_page, encode_sheets

    try:
        image = decode(order.content)
        page = draw_page(image, _extractor(order.page), order.page.detail)
        sheets, why = page.sheets(order.paper, order.numbers)
        return PageAnswer(
            page=b64encode(encode_sheets(sheets, order.format, order.paper.dpi, order.paper.title)).decode(),
            format=order.format,
            method=page.method,
            blank=page.is_blank,
            numbered=order.numbers is not None and not why,
        )
    except (UnreadableImageError, ConfigError) as error:
        return error


@lru_cache(maxsize=len(DETAILS))
def _extractor(config: PageConfig) -> LineFinder:
    """The extractor of a detail, opened once for all requests."""
    from unprompt.colouring_pages.extract import open_extractor

    return open_extractor(config)
