"""Grading painters on triples whose colours are known, beside simple ways to colour.

flood: everything gets the first colour that is named. usual: the painter, without any words. nearest: each
region has the colour that lies there in the most alike drawing that was learnt from, and the named colours
are dealt out by size. An InstructPix2Pix can be scored too: a region has the mean colour of its pixels.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.colouring.data import paint_regions
from unprompt.colouring.examples import (
    CHOICES,
    Heard,
    Seen,
    choices_of,
    hear,
    read_drawing,
    see,
    targets_of,
)
from unprompt.colouring.grade_config import GradeConfig
from unprompt.colouring.material import open_image, open_material
from unprompt.colouring.painter import choose, colours_of, settle
from unprompt.colouring.painter_files import read_painter
from unprompt.colouring.palette import PAPER, WHITE
from unprompt.colouring.scores import SCORES, difference_of, intervals, mean_scores, score_drawing
from unprompt.datasets.pairs import Pairs, join_pairs
from unprompt.ensemble.score_tables import spans_as_json
from unprompt.errors import InputError
from unprompt.html.kit import render_page
from unprompt.networks.minilm import PromptEncoder
from unprompt.pocket.closing import NOTHING
from unprompt.progress import Progress, silent
from unprompt.storage.images import ImageFile, encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring.regions import Regions

    Ints = NDArray[np.int64]

PAINTER = "painter"
TOLD = {
    "first": "most of what the largest named colour is about has it",
    "second": "the same of the second",
    "all": "every named colour is where it belongs",
    "unasked": "area that no word is about, with its usual basic colour",
    "paper": "paper that is left white",
    "spilled": "area that no word is about, in a named colour",
    "difference": "CIEDE2000 from what was asked for, over the area that words are about",
}
SIDE = 32  # pixels at which drawings are compared


@dataclass(frozen=True, eq=False)
class Graded:
    """N triples: their scores by painter, the groups that each is in, and its regions' colours (R,)."""

    pairs: Pairs
    scores: Mapping[str, Sequence[dict[str, float]]]
    groups: Sequence[tuple[str, ...]]
    colours: Mapping[str, Sequence[Ints]]

    def of_group(self, painter: str, group: str) -> list[dict[str, float]]:
        """A painter's scores of the triples in one group; "" is all of them."""
        rows = zip(self.scores[painter], self.groups, strict=True)
        return [score for score, groups in rows if not group or group in groups]

    @property
    def group_names(self) -> list[str]:
        """All groups, the most important first."""
        return sorted({group for groups in self.groups for group in groups})

    def as_dict(self) -> dict[str, Any]:
        """Means and intervals, as JSON can hold them: null where a score does not apply."""
        return {
            painter: {
                group or "all": {
                    "triples": len(some),
                    **spans_as_json(mean_scores(some), intervals(some)),
                }
                for group in ("", *self.group_names)
                if (some := self.of_group(painter, group))
            }
            for painter in self.scores
        }


def grade_painters(
    sets: Mapping[str, Pairs], config: GradeConfig | None = None, progress: Progress = silent
) -> Graded:
    """Score the painter and the simple ways on sets of triples by their names, each a group of its own.

    Of wordings that training knew and did not, say, or of families of drawings. Raises InputError for pairs
    without captions.
    """
    config = config or GradeConfig()
    sets = {name: pairs.at(pairs.ids[: config.most]) for name, pairs in sets.items()}
    for name, pairs in sets.items():
        if pairs.captions is None:
            raise InputError(f"{name}: these pairs have no captions: nothing says what the colours should be")
    pairs = join_pairs(sets.values())
    names_of_sets = [name for name, pairs in sets.items() for _ in pairs.ids]
    encoder = PromptEncoder.load()
    network = read_painter(config.weights)
    side = network.config.side
    silent_words = hear([""], encoder)[0]
    nearest = _Nearest(config, encoder, side, progress) if config.learnt else None
    instruct = _Instruct(config.instruct) if config.instruct else None
    extra = [name for name, there in (("nearest", nearest), ("instruct", instruct)) if there]
    names = (PAINTER, "flood", "usual", *extra)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    colours: dict[str, list[Ints]] = {name: [] for name in names}
    groups = []
    for row, heard in enumerate(hear(pairs.captions or (), encoder)):
        page, regions, fills = read_drawing(open_image(pairs.sources[row]), open_image(pairs.targets[row]))
        seen = see(page, regions, side)
        fills = fills[seen.order - 1]
        right = targets_of(fills, heard.mentions)
        areas = regions.areas[seen.order] / page.size
        made = {
            PAINTER: settle(choose(network, seen, heard), areas),
            "flood": _flood(seen, heard),
            "usual": choose(network, seen, silent_words).argmax(1),
        }
        if nearest:
            made["nearest"] = nearest.choose(seen, heard, areas)
        painted = {name: colours_of(chosen, heard.mentions) for name, chosen in made.items()}
        if instruct:
            means = instruct.colours(pairs.sources[row], (pairs.captions or ())[row], regions)
            painted["instruct"] = means[seen.order - 1]
            made["instruct"] = choices_of(painted["instruct"], heard.mentions)
        for name, chosen in made.items():
            difference = difference_of(painted[name], right, areas, heard.mentions)
            shares = score_drawing(chosen, right, areas, heard.basics)
            scores[name].append({**shares, "difference": difference})
            full = np.full(regions.count, NOTHING)  # of regions that are not seen, too
            full[seen.order - 1] = painted[name]
            colours[name].append(full)
        groups.append(_groups_of(pairs.ids[row], right, names_of_sets[row] if len(sets) > 1 else None))
        progress("colouring", row + 1, len(pairs))
    return Graded(pairs, scores, groups, colours)


def _flood(seen: Seen, heard: Heard) -> Ints:
    """Everything but the ground, which is the region that touches the border, in the first named colour."""
    ground = seen.shapes[:, 8] > 0
    return np.where(ground, PAPER, CHOICES if len(heard.slots) else 1)


def _groups_of(image_id: str, right: Ints, of_set: str | None) -> tuple[str, ...]:
    named = len(np.unique(right[right >= CHOICES]))
    what = "scene" if image_id.endswith("-pocket") else "one thing"
    groups = (what, f"{what}, {named} named")
    return groups if of_set is None else (f"in {of_set}", *(f"{one} in {of_set}" for one in groups), *groups)


class _Instruct:
    """An InstructPix2Pix, with diffusers' usual guidances."""

    def __init__(self, folder: Path) -> None:
        from unprompt.colouring.instruct_paint import open_painter

        self._painter = open_painter(folder)

    def colours(self, source: ImageFile, words: str, regions: Regions) -> Ints:
        """The mean colour of each region (R,), 0xRRGGBB; white where there are no words."""
        if not words.strip():
            return np.full(regions.count, WHITE)
        made = np.asarray(self._painter.paint(open_image(source), words).convert("RGB"), np.float64)
        labels = regions.labels.ravel()
        counts = np.bincount(labels, minlength=regions.count + 1)[1:]
        means = [
            np.bincount(labels, channel.ravel(), regions.count + 1)[1:] / counts
            for channel in np.moveaxis(made, 2, 0)
        ]
        red, green, blue = np.rint(means).astype(np.int64)
        found: Ints = red << 16 | green << 8 | blue
        return found


class _Nearest:
    """Colours taken from the most alike drawing that was learnt from."""

    def __init__(self, config: GradeConfig, encoder: Any, side: int, progress: Progress) -> None:
        from unprompt.datasets.pairs import read_pairs

        assert config.learnt is not None
        self._material = open_material(read_pairs(config.learnt), side, encoder, progress)
        self._looks = np.stack([_small(ink) for ink in self._material.ink])

    def choose(self, seen: Seen, heard: Heard, areas: NDArray[np.floating]) -> Ints:
        """A choice for each region (R,)."""
        row = int((self._looks @ _small(seen.ink)).argmax())
        other, (right, _) = self._material.seen(row), self._material.right(row)
        middles, theirs = seen.points.mean(1), other.points.mean(1)
        far = ((middles[:, None] - theirs) ** 2).sum(2) + (
            seen.shapes[:, None, 10] - other.shapes[:, 10]
        ) ** 2
        taken: Ints = right[far.argmin(1)].astype(np.int64)
        taken = np.where(taken >= CHOICES, 1 + taken % (CHOICES - 1), np.maximum(taken, 0))
        # The named colours go to the largest families of colours.
        families = [value for value in np.unique(taken) if value != PAPER]
        families.sort(key=lambda value: -float(areas[taken == value].sum()))
        found = taken.copy()
        for number, family in enumerate(families[: len(heard.slots)]):
            found[taken == family] = CHOICES + number
        return found


def _small(ink: NDArray[np.uint8]) -> NDArray[np.float32]:
    step = len(ink) // SIDE
    small = ink[: step * SIDE, : step * SIDE].reshape(SIDE, step, SIDE, step).mean((1, 3)).ravel()
    small = small - small.mean()
    found: NDArray[np.float32] = (small / max(float(np.linalg.norm(small)), 1e-6)).astype(np.float32)
    return found


# --- what is shown


def table_of(graded: Graded) -> str:
    """The scores in lines for people, with what each score is."""
    wide = max(28, *(len(f"{PAINTER}: {group}  ") for group in graded.group_names))
    lines = [f"{'':{wide}}{'n':>6}" + "".join(f"{name:>11}" for name in SCORES)]
    for painter in graded.scores:
        for group in ("", *graded.group_names) if painter == PAINTER else ("",):
            some = graded.of_group(painter, group)
            means = mean_scores(some)
            cells = "".join(f"{'-':>11}" if np.isnan(value) else f"{value:11.3f}" for value in means.values())
            lines.append(f"{painter + (': ' + group if group else ''):{wide}}{len(some):6}{cells}")
    lines += ["", *(f"{name}: {text}" for name, text in TOLD.items())]
    return "\n".join(lines)


def grade_page(graded: Graded, config: GradeConfig | None = None) -> str:
    """The scores as one HTML page, with drawings: line art, what each painter made of it, and the truth."""
    config = config or GradeConfig()
    pairs, rows = graded.pairs, []
    count = len(pairs)
    for row in np.unique(np.linspace(0, count - 1, min(config.shown, count)).astype(int)).tolist():
        page, regions, fills = read_drawing(open_image(pairs.sources[row]), open_image(pairs.targets[row]))
        caption = (pairs.captions or ())[row]
        pictures = [("line art", _address(page, regions, np.full(regions.count, -1)))]
        pictures += [(name, _address(page, regions, made[row])) for name, made in graded.colours.items()]
        pictures.append(("truth", _address(page, regions, fills)))
        rows.append({"caption": caption, "pictures": pictures})
    tables = [
        {
            "painter": painter,
            "group": group or "all",
            "count": len(some),
            "cells": [
                (mean, low, high)
                for mean, (low, high) in zip(
                    mean_scores(some).values(), intervals(some).values(), strict=True
                )
            ],
        }
        for painter in graded.scores
        for group in (("", *graded.group_names) if painter == PAINTER else ("",))
        if (some := graded.of_group(painter, group))
    ]
    return render_page("colour_grade.html.j2", told=TOLD, names=SCORES, tables=tables, rows=rows, count=count)


def _address(page: NDArray[np.uint8], regions: Regions, colours: Ints) -> str:
    png = encode_png(paint_regions(page, regions, colours))
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
