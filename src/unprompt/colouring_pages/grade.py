"""A way to find lines, scored on pairs: of each source a page is made and put beside its target."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from unprompt.colouring_pages.grades import PageScore, mean_score, score_page
from unprompt.colouring_pages.strokes import strokes
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.storage.images import read_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring_pages.extract import LineFinder
    from unprompt.datasets.pairs import Pairs

What = Literal["page", "ink"]
OTHER = "other"


@dataclass(frozen=True, eq=False)
class Graded:
    """Scores of pages by the ids of their pairs, what each source is, and the processor's seconds a page."""

    scores: Mapping[str, PageScore]
    kinds: Mapping[str, str]
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """How many pages there are of each kind of source, and in all."""
        return {**Counter(self.kinds.values()), "all": len(self.kinds)}

    def by_kind(self) -> dict[str, PageScore]:
        """The mean of each kind of source, and of all last."""
        ids: dict[str, list[str]] = {}
        for image_id, kind in self.kinds.items():
            ids.setdefault(kind, []).append(image_id)
        means = {kind: mean_score(self.scores[one] for one in ids[kind]) for kind in sorted(ids)}
        return {**means, "all": mean_score(self.scores.values())}


def grade_pairs(
    pairs: Pairs,
    extractor: LineFinder,
    detail: str = "middle",
    what: What = "page",
    line: float | None = None,
    progress: Progress = silent,
) -> Graded:
    """Score what an extractor makes of the sources of pairs beside their targets, at the targets' size.

    `what`: the page, with lines `line` pixels wide (None: as wide as the target's), or the ink as the
    extractor gives it. Kinds are the words of a caption after ": " up to the next comma ("1F98A: flat,
    night" is flat). Raises InputError where there is no pair, and for sources that cannot be read.
    """
    if not len(pairs):
        raise InputError("there are no pairs to grade on")
    scores, seconds = {}, 0.0
    for number, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        progress("grading", number, len(pairs))
        picture = np.asarray(read_file(source))
        truth = read_file(target).convert("L")
        began = time.process_time()
        made = _made(picture, truth, extractor, detail, what, line)
        seconds += time.process_time() - began
        scores[source.image_id] = score_page(made, truth)
    progress("grading", len(pairs), len(pairs))
    captions = pairs.captions or [""] * len(pairs)
    kinds = dict(zip(pairs.ids, map(kind_of, captions), strict=True))
    return Graded(scores, kinds, seconds / len(pairs))


def kind_of(caption: str) -> str:
    """What a source is, by its caption: "1F98A: flat, night, jpeg" is flat."""
    name, _, rest = caption.partition(": ")
    if not rest:
        return OTHER
    return name if name == "pocket" else rest.split(",")[0]


def line_width(truth: Image.Image) -> float:
    """How wide the lines of a page (L) are in pixels: twice its ink over the length of its rims, about."""
    ink = 1 - np.asarray(truth, np.float64) / 255
    rim = np.abs(np.diff(ink, axis=0)).sum() + np.abs(np.diff(ink, axis=1)).sum()
    # A rim in any direction has 4 / pi times its length in steps along rows and columns.
    return float(2 * ink.sum() / (rim * np.pi / 4)) if rim else 1.0


def _made(
    picture: NDArray[np.uint8],
    truth: Image.Image,
    extractor: LineFinder,
    detail: str,
    what: What,
    line: float | None,
) -> Image.Image:
    found = extractor.find(picture)
    if what == "ink":
        grey = Image.fromarray(np.rint(255 - 255 * found.ink).astype(np.uint8))
        return grey.resize(truth.size, Image.Resampling.BOX)
    drawing = strokes(found.lines(detail))
    width = line_width(truth) if line is None else line
    return drawing.render(truth.width, width).resize(truth.size)


def table_of(graded: Mapping[str, Graded]) -> list[str]:
    """Scores as lines of text: a method and a kind of source each."""
    lines = [f"{'method':10} {'source':18}     n     F1  regions  closed  specks   grey      s"]
    for method, one in graded.items():
        for kind, score in one.by_kind().items():
            lines.append(
                f"{method:10} {kind:18} {one.counts[kind]:5} {score.f1:6.3f} {score.regions:8.3f} "
                f"{score.closed:7.3f} {score.specks:7.2f} {score.grey:6.3f} {one.seconds:6.3f}"
            )
    return lines
