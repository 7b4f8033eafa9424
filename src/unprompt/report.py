"""The HTML page about one run: how well it did, what it guessed for which image, what could not be read.

The page is one file that asks nothing of the network, and the same run always gives the same bytes.
Prompts, ids and file names are hostile input: the template escapes all of them and its scripts see none.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from unprompt.errors import ConfigError, UnreadableImageError
from unprompt.images import ImageFile, read_file
from unprompt.records import Problem
from unprompt.score import Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 20  # histogram bars between 0 and 1, so each is 0.05 wide
LONG_PROMPT = 360  # characters; a longer prompt is folded after six lines, until the reader asks for more
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # not allowed in an HTML file


@dataclass(frozen=True)
class ReportImage:
    """One card of the gallery.

    `file` is what the thumbnail is made from; where it is None or unreadable, the card has a neutral tile.
    `truth` and `similarity` are None where the true prompt is not known, `problem` where there was none.
    """

    image_id: str
    file: ImageFile | None
    guess: str
    truth: str | None
    similarity: float | None
    problem: str | None


@dataclass(frozen=True)
class Report:
    """All that the page about a run shows.

    `images` are the ones in the gallery, picked by `choose_images` out of `total`. `baseline` is the score of
    the constant prior vector on the same images. `facts` are label -> text, shown after the bundle's name:
    members and weights, versions. `notes` are sentences that the reader must not miss.
    """

    bundle: str
    images: tuple[ReportImage, ...]
    total: int
    score: Score | None
    baseline: float | None
    problems: tuple[Problem, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """How many similarities lie in [low, high); the last bar also holds 1 itself."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Histogram:
    """Bars over a similarity axis that ends at 1, with the numbers to write at both axes.

    Positions are percentages of the plot, so that the drawing stretches while its letters keep their size.
    """

    bars: tuple[Bar, ...]
    similarity_ticks: tuple[float, ...]
    count_ticks: tuple[int, ...]

    def across(self, similarity: float) -> float:
        """Percent from the left edge; what is off the axis lands on its end."""
        low, high = self.bars[0].low, self.bars[-1].high
        return 100 * min(max((similarity - low) / (high - low), 0), 1)

    def up(self, count: int) -> float:
        """Percent of the plot's height."""
        return 100 * count / self.count_ticks[-1]

    @property
    def fullest(self) -> Bar:
        """The highest bar; of several, the one that lies lowest on the axis."""
        return max(self.bars, key=lambda bar: bar.count)


def choose_images(ids: Sequence[str], score: Score | None, limit: int) -> list[str]:
    """Pick the ids to show: all of them up to `limit`, else best third, worst third and a spread of the rest.

    The spread is even over the ranking, images without a similarity last; with no score it is even over
    `ids`. The answer keeps the order of `ids`. Raises ConfigError for a negative `limit`.
    """
    if limit < 0:
        raise ConfigError(f"limit must be at least 0, got {limit}")
    if len(ids) <= limit:
        return list(ids)
    wanted = set(ids)
    ranked = [image_id for image_id, _ in score.ranked() if image_id in wanted] if score else []
    scored = set(ranked)
    unscored = [image_id for image_id in ids if image_id not in scored]
    third = min(limit // 3, len(ranked) // 2)
    middle_end = len(ranked) - third
    rest = ranked[third:middle_end] + unscored
    chosen = {*ranked[:third], *ranked[middle_end:], *spread(rest, limit - 2 * third)}
    return [image_id for image_id in ids if image_id in chosen]


def spread(items: Sequence[str], count: int) -> list[str]:
    """The middle item of each of `count` equal stretches of `items`, which has at least `count`."""
    return [items[(2 * stretch + 1) * len(items) // (2 * count)] for stretch in range(count)]


def thumbnail(file: ImageFile, size: int = 320) -> bytes:
    """A JPEG of the image whose longer side has at most `size` pixels. Raises UnreadableImageError."""
    image = read_file(file)
    image.thumbnail((size, size))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=82, optimize=True, comment=b"")  # else the file's own comment goes along
    return jpeg.getvalue()


def thumbnail_address(image: ReportImage) -> str | None:
    """The image's thumbnail as a `data:` address, or None where there is no picture to show."""
    if image.file is None:
        return None
    try:
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(image.file)).decode("ascii")
    except UnreadableImageError:
        return None


def bin_similarities(similarities: NDArray[np.float64]) -> Histogram:
    """Count similarities (n,), n > 0, in bars 0.05 wide, from 0 or the lowest one below it up to 1."""
    edges = np.arange(-BINS, BINS) / BINS  # left ends of all the bars there could be
    places = np.searchsorted(edges, np.clip(similarities, -1, 1), side="right") - 1 - BINS  # (n,)
    first = min(0, int(places.min()))
    first -= first % 4  # the axis begins at a multiple of 0.2, where a tick can stand
    counts = np.bincount(places - first, minlength=BINS - first)
    return Histogram(
        bars=tuple(
            Bar(place / BINS, (place + 1) / BINS, int(count)) for place, count in enumerate(counts, first)
        ),
        similarity_ticks=tuple(place / BINS for place in range(first, BINS + 1, 4)),
        count_ticks=round_ticks(int(counts.max())),
    )


def round_ticks(highest: int) -> tuple[int, ...]:
    """0 and up to five round numbers above it, evenly spaced, the last at or above `highest` (at least 1)."""
    magnitude = 10 ** int(math.log10(highest))
    steps = (step * magnitude // 10 for step in (1, 2, 5, 10, 20, 50))
    step = next(step for step in steps if step > 0 and 5 * step >= highest)
    return tuple(range(0, highest + step, step))


def write_number(value: float, places: int) -> str:
    """A number with a fixed count of decimals and a true minus sign; never a minus zero."""
    text = f"{value:.{places}f}"
    if not text.strip("-0."):
        return text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def write_count(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: "1 image", "12,000 images"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def render_report(report: Report, workers: int = 2) -> str:
    """The page as text; `workers` threads make the thumbnails. An unreadable image gets a neutral tile."""
    with ThreadPoolExecutor(workers) as pool:
        addresses = list(pool.map(thumbnail_address, report.images))
    environment = Environment(
        loader=PackageLoader("unprompt", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = write_number
    environment.filters["count_of"] = write_count
    page = environment.get_template("report.html.j2").render(
        report=report,
        score=report.score,
        cards=list(zip(report.images, addresses, strict=True)),
        histogram=bin_similarities(report.score.similarities) if report.score else None,
        long_prompt=LONG_PROMPT,
    )
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", page)
