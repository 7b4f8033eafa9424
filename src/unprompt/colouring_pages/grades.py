"""How good a page is beside the page that it should be, and by itself: lines, regions, specks and greys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt.colouring_pages.skeleton import thin
from unprompt.errors import ConfigError, InputError, agreed, part_of
from unprompt.storage.files import write_table
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Points = NDArray[np.float64]
    Page = Image.Image | Grey

NEAR = 0.011  # of the diagonal that lines which match may be apart; BSDS500 has 0.0075
SPECK = 0.015  # of the diagonal below which what hangs together is a speck
BLACK, WHITE = 64, 192  # between them a pixel is grey
LINE = 128  # below it a pixel is line
MEAN = "mean"


@dataclass(frozen=True)
class PageScore:
    """How good one page is, or the mean of several.

    `f1`, `precision`, `recall`: of thinned lines, one to one, 0 to 1. `chamfer`: how far lines are from the
    nearest line of the other page, mean of both ways in percent of the diagonal. `specks`: parts that are
    smaller than lines. `closed`: the share of the figure that lies in areas which lines close. `regions`: the
    adjusted Rand index of the areas, 1 for the same ones, about 0 for chance. `grey`: the share of pixels
    that are neither black nor white. `black`: the share of pixels in solid areas, wider than three lines.
    """

    f1: float
    precision: float
    recall: float
    chamfer: float
    specks: float
    closed: float
    regions: float
    grey: float
    black: float


def score_page(page: Page, truth: Page, figure: Mask | None = None) -> PageScore:
    """Score a page beside the one that it should be; both grey, of one size, black lines on white.

    `figure`: (H, W) what is shown, for `closed`; None: all that the truth's lines enclose. Raises InputError
    for pages of different sizes.
    """
    made, wanted = _grey(page), _grey(truth)
    if made.shape != wanted.shape:
        sizes = " and ".join(f"{grey.shape[1]} x {grey.shape[0]}" for grey in (made, wanted))
        raise InputError(f"a page and its truth have different sizes, {sizes}; scale one of them")
    first, second = thin(made < LINE), thin(wanted < LINE)
    precision, recall = match_lines(first, second)
    return PageScore(
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        precision=precision,
        recall=recall,
        chamfer=measure_chamfer(first, second),
        specks=count_specks(made < LINE),
        closed=share_closed(made < LINE, ~_outside(wanted < LINE) if figure is None else figure),
        regions=rand_index(label_regions(made < LINE), label_regions(wanted < LINE)),
        grey=float(((made > BLACK) & (made < WHITE)).mean()),
        black=share_black(made < LINE, wanted < LINE),
    )


def score_pages(
    pages: Mapping[str, Page], truths: Mapping[str, Page], figures: Mapping[str, Mask] | None = None
) -> dict[str, PageScore]:
    """The score of each page by its id, in the order of the ids. Raises InputError for one without a
    truth."""
    missing = sorted(pages.keys() - truths.keys())
    if missing:
        raise InputError(
            f"{part_of(len(missing), len(pages), 'page')} {agreed(len(missing), 'have')} no truth, "
            f"first: {missing[0]}"
        )
    figures = figures or {}
    return {name: score_page(pages[name], truths[name], figures.get(name)) for name in sorted(pages)}


def mean_score(scores: Iterable[PageScore]) -> PageScore:
    """The mean of each number. Raises InputError where there are none."""
    rows = [astuple(score) for score in scores]
    if not rows:
        raise InputError("there are no pages to score")
    return PageScore(*(float(value) for value in np.mean(rows, axis=0)))


def write_scores(path: Path, scores: Mapping[str, PageScore]) -> None:
    """Write scores as CSV, a line a page, and their mean last."""
    rows = [*scores.items(), (MEAN, mean_score(scores.values()))]
    header = ("imgId", *(field.name for field in fields(PageScore)))
    write_table(path, header, ((name, *(f"{value:.5f}" for value in astuple(row))) for name, row in rows))


# --- lines


def match_lines(made: Mask, wanted: Mask, near: float = NEAR) -> tuple[float, float]:
    """Precision and recall of thinned lines, each pixel matched with at most one of the other page.

    Pixels match that are each other's nearest and at most `near` of the diagonal apart; then again among
    those left, until there are none. A line that is drawn twice where it should be once so counts half. Of
    two empty pages both are 1.
    """
    first, second = np.argwhere(made), np.argwhere(wanted)
    if not len(first) or not len(second):
        return (1.0, 1.0) if len(first) == len(second) else (0.0, 0.0)
    count = _count_matches(_apart(first), _apart(second), near * float(np.hypot(*made.shape)))
    return count / len(first), count / len(second)


def _apart(points: NDArray[np.int64]) -> Points:
    """Points of a grid moved by up to a thousandth of a pixel, so that no two distances are the same.

    Among equal distances there may be no two points that are each other's nearest.
    """
    y, x = points.T
    shift = np.stack([np.sin(12.9898 * y + 78.233 * x), np.sin(39.3468 * y + 11.135 * x)], axis=1)
    moved: Points = points + 1e-3 * shift
    return moved


def _count_matches(first: Points, second: Points, near: float) -> int:
    with _scoring():
        from scipy.spatial import cKDTree

    count = 0
    while len(first) and len(second):
        tree, other = cKDTree(first), cKDTree(second)
        distance, to_second = other.query(first, distance_upper_bound=near)
        within = np.isfinite(distance)
        # Those with nothing near never will have.
        first, to_second = first[within], to_second[within]
        if not len(first):
            break
        if not within.all():
            tree = cKDTree(first)
        _, to_first = tree.query(second)
        mutual = to_first[to_second] == np.arange(len(first))
        if not mutual.any():
            break
        count += int(mutual.sum())
        taken = np.zeros(len(second), bool)
        taken[to_second[mutual]] = True
        first, second = first[~mutual], second[~taken]
    return count


def measure_chamfer(made: Mask, wanted: Mask) -> float:
    """How far thinned lines are from the nearest of the other page, in percent of the diagonal.

    The mean of both ways; 0 for two empty pages, 100 where only one is empty.
    """
    if not made.any() or not wanted.any():
        return 0.0 if made.any() == wanted.any() else 100.0
    with _scoring():
        from scipy import ndimage

    ways = [
        ndimage.distance_transform_edt(~there)[here].mean()
        for here, there in ((made, wanted), (wanted, made))
    ]
    return float(50 * sum(ways) / np.hypot(*made.shape))


def count_specks(lines: Mask) -> int:
    """Parts of a page that are in no direction as long as SPECK of its diagonal."""
    with _scoring():
        from scipy import ndimage

    labels, _ = ndimage.label(lines, np.ones((3, 3), bool))
    least = SPECK * float(np.hypot(*lines.shape))
    boxes = ndimage.find_objects(labels)
    return sum(max(part.stop - part.start for part in box) < least for box in boxes)


# --- regions


def label_regions(lines: Mask) -> NDArray[np.int64]:
    """The area of each pixel (H, W): areas that lines part, lines themselves belonging to the nearest.

    Areas meet across sides, not across corners, so that a slanted line one pixel wide closes. All of a page
    without white is one area.
    """
    with _scoring():
        from scipy import ndimage

    labels, count = ndimage.label(~lines)
    if not count:
        return np.zeros(lines.shape, np.int64)
    rows, columns = ndimage.distance_transform_edt(lines, return_distances=False, return_indices=True)
    found: NDArray[np.int64] = labels[rows, columns].astype(np.int64)
    return found


def rand_index(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """The adjusted Rand index of two labellings of the same pixels (Hubert and Arabie 1985).

    The share of pairs of pixels on which both agree, taken so that chance is 0 and the same parts are 1.
    """
    one, rows = np.unique(first, return_inverse=True)
    other, columns = np.unique(second, return_inverse=True)
    table = np.bincount(rows.ravel() * len(other) + columns.ravel(), minlength=len(one) * len(other)).reshape(
        len(one), len(other)
    )
    both, in_first, in_second = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    chance = in_first * in_second / _pairs(np.array([first.size]))
    most = (in_first + in_second) / 2
    return 1.0 if most == chance else float((both - chance) / (most - chance))


def _pairs(counts: NDArray[Any]) -> float:
    """How many pairs there are within groups of so many."""
    counts = counts.astype(np.float64)
    return float((counts * (counts - 1)).sum() / 2)


def share_closed(lines: Mask, figure: Mask) -> float:
    """The share of a figure's white pixels that lie in areas closed by lines: none is of the page's outside.

    1 for an empty figure, 0 for one that is all line.
    """
    if not figure.any():
        return 1.0
    white = figure & ~lines
    return float((white & ~_outside(lines)).sum() / white.sum()) if white.any() else 0.0


def share_black(lines: Mask, wanted: Mask) -> float:
    """The share of a page in solid areas wider than three lines as wide as those of the page that it should
    be."""
    with _scoring():
        from scipy import ndimage

    middles = max(1, int(thin(wanted).sum()))
    half = 1.5 * float(wanted.sum()) / middles
    solid = ndimage.distance_transform_edt(lines) > max(half, 1.5)
    if not solid.any():
        return 0.0
    return float((lines & (ndimage.distance_transform_edt(~solid) <= half)).mean())


def _outside(lines: Mask) -> Mask:
    """What can be reached from the page's edge without crossing a line."""
    with _scoring():
        from scipy import ndimage

    labels, _ = ndimage.label(np.pad(~lines, 1, constant_values=True))
    found: Mask = (labels == labels[0, 0])[1:-1, 1:-1]
    return found


def _grey(page: Page) -> Grey:
    """(H, W) uint8. Raises InputError for an array of another shape."""
    grey = np.asarray(page.convert("L") if isinstance(page, Image.Image) else page)
    if grey.ndim != 2 or grey.dtype != np.uint8:
        raise InputError(f"a page is grey, (H, W) uint8, got {grey.shape} {grey.dtype}")
    return grey


def _scoring() -> Any:
    return needed_for("scoring a page", "pages", ConfigError)
