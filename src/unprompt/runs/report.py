"""The HTML page about one run: how well it did, what it guessed for which image, what could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unprompt.ensemble.score import Score
from unprompt.errors import ConfigError
from unprompt.html.histograms import bin_similarities
from unprompt.html.kit import render_page, thumbnail_addresses
from unprompt.records import Problem
from unprompt.storage.images import ImageFile

PICTURE = 512  # pixels of the longer side: what Stable Diffusion made, and enough to be shown large


@dataclass(frozen=True)
class ReportImage:
    """One card of the gallery.

    `file` is what the thumbnail is made from; where it is None or unreadable, the card has a neutral tile.
    `truth` and `similarity` are None where the true prompt is not known, `problem` where there was none.
    `from_file` is the prompt that stands in the image's file, "" where there is none.
    """

    image_id: str
    file: ImageFile | None
    guess: str
    truth: str | None
    similarity: float | None
    problem: str | None
    from_file: str = ""


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
    chosen = {*ranked[:third], *ranked[middle_end:], *pick_spread(rest, limit - 2 * third)}
    return [image_id for image_id in ids if image_id in chosen]


def pick_spread(items: Sequence[str], count: int) -> list[str]:
    """The middle item of each of `count` equal stretches of `items`, which has at least `count`."""
    return [items[(2 * stretch + 1) * len(items) // (2 * count)] for stretch in range(count)]


def render_report(report: Report, workers: int = 2) -> str:
    """The page as text; `workers` threads make the thumbnails. An unreadable image gets a neutral tile."""
    addresses = thumbnail_addresses([image.file for image in report.images], workers, PICTURE)
    return render_page(
        "report.html.j2",
        report=report,
        score=report.score,
        cards=list(zip(report.images, addresses, strict=True)),
        histogram=bin_similarities(report.score.similarities) if report.score else None,
        facts=[("Bundle", report.bundle), *report.facts.items()],
    )
