"""What the HTML pages share: the templates' environment, thumbnails, and how numbers are written.

A page is one file that asks nothing of the network, and the same content always gives the same bytes.
Prompts, ids and file names are hostile input: the templates escape all of them and their scripts see none.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from unprompt.errors import UnreadableImageError
from unprompt.storage.images import ImageFile, open_file
from unprompt.text.english import counted

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # not allowed in an HTML file

THUMBNAIL = 320  # pixels of the longer side


@cache
def _environment() -> Environment:
    """It keeps the templates that it has compiled."""
    environment = Environment(
        loader=PackageLoader("unprompt", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = write_number
    environment.filters["count_of"] = counted
    return environment


def render_page(template: str, **content: Any) -> str:
    """Fill one of the package's templates; what no HTML file may hold becomes U+FFFD."""
    page = _environment().get_template(template).render(**content)
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", page)


def thumbnail(file: ImageFile, size: int = THUMBNAIL) -> bytes:
    """A JPEG of the image whose longer side has at most `size` pixels. Raises UnreadableImageError."""
    with open_file(file, reduced=True) as image:
        image.thumbnail((size, size))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=82, optimize=True, comment=b"")  # else the file's own comment goes along
    return jpeg.getvalue()


def thumbnail_addresses(
    files: Sequence[ImageFile | None], workers: int, size: int = THUMBNAIL
) -> list[str | None]:
    """Each image's thumbnail as a `data:` address, or None where there is no picture to show."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda file: _address(file, size), files))


def _address(file: ImageFile | None, size: int) -> str | None:
    if file is None:
        return None
    try:
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(file, size)).decode("ascii")
    except UnreadableImageError:
        return None


def write_number(value: float, places: int) -> str:
    """A number with a fixed count of decimals and a true minus sign; never a minus zero."""
    text = f"{value:.{places}f}"
    if not text.strip("-0."):
        return text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")
