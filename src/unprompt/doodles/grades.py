"""Grading captioners on composed scenes whose truth is known, beside plain ways to caption.

template: connected strokes are a thing, and each is what the namer says. constant: the facts that are
commonest among scenes of the drawings that were learnt from. nearest: the caption of the scene of theirs that
looks most alike.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unprompt.doodles.caption_scores import SCORES, cider, intervals, mean_scores, score_caption, word_f1
from unprompt.doodles.captioners import Caption, Captioner, GroupCaptioner, TemplateCaptioner, captioned
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.facts import say_facts
from unprompt.doodles.grade_config import GradeConfig
from unprompt.doodles.ink import picture_of
from unprompt.doodles.name import labels_of
from unprompt.doodles.scenes import Scene, compose_scenes
from unprompt.doodles.scenes_config import ANY, SceneConfig
from unprompt.doodles.way_grades import WayGrades, grade_way
from unprompt.ensemble.score_tables import rounded_or_none, spans_as_json
from unprompt.errors import CheckpointError
from unprompt.html.kit import render_page
from unprompt.progress import Progress, silent
from unprompt.storage.files import read_json
from unprompt.storage.images import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.doodles.name import Names

CAPTIONER = "captioner"
PARTS = {
    "apart": "common nouns, nothing touches",
    "touching": "common nouns, things touch, overlap and stand on each other",
    "any noun": "all nouns for things, nothing touches",
    "pixels": "as apart, but of a picture's pixels, without the strokes",
}
TOLD = {
    "nouns": "F1 of the nouns; something is none",
    "counts": "share of the rightly said nouns whose count is right",
    "relations": "share of the relations between rightly said nouns that is said and right",
    "exact": "everything that is said is right, and nothing is missing",
}
LEARNT = 1000  # scenes among which the nearest is looked for
SIDE = 24  # pixels at which they are compared
PIXELS = 400  # a side of the pictures that have no strokes
AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class Graded:
    """Scenes of each part, by part and captioner their captions and scores, and the whole way's grades."""

    scenes: Mapping[str, Sequence[Scene]]
    captions: Mapping[str, Mapping[str, Sequence[Caption]]]
    scores: Mapping[str, Mapping[str, Sequence[dict[str, float]]]]
    way: WayGrades | None = None

    def words(self, part: str, captioner: str) -> float:
        """The mean F1 of all words of captions, which rewards their grammar too."""
        pairs = zip(self.captions[part][captioner], self.scenes[part], strict=True)
        # Both in the order of reading, so that a caption is not asked to begin at the same end.
        return float(np.mean([word_f1(one.text, say_facts(scene.read())) for one, scene in pairs]))

    def cider(self, part: str, captioner: str) -> float:
        """CIDEr, which does so too."""
        said = [one.text for one in self.captions[part][captioner]]
        return cider(said, [say_facts(scene.read()) for scene in self.scenes[part]])

    def as_dict(self) -> dict[str, Any]:
        """Means and intervals, as JSON can hold them: null where a score does not apply."""
        captions = {
            part: {
                captioner: {
                    "scenes": len(some),
                    **spans_as_json(mean_scores(some), intervals(some)),
                    "words": rounded_or_none(self.words(part, captioner)),
                    "cider": rounded_or_none(self.cider(part, captioner)),
                }
                for captioner, some in found.items()
            }
            for part, found in self.scores.items()
        }
        return {"captions": captions, **(self.way.as_dict() if self.way else {})}


def grade_captioners(
    doodles: Sequence[Doodle],
    namer: Names,
    config: GradeConfig | None = None,
    learnt: Sequence[Doodle] = (),
    device: str = "cpu",
    progress: Progress = silent,
) -> Graded:
    """Score captioners, the namer and the pocket world's pictures on drawings that none of them has seen.

    `learnt`: drawings that they have. Raises CheckpointError, and InputError for drawings without words and
    for words that the namer does not have.
    """
    config = config or GradeConfig()
    captioners = open_captioners(namer, config, device)
    labels_of(doodles, namer.words)  # what cannot be graded is told before all that takes long
    if learnt:
        scenes = list(compose_scenes(learnt, SceneConfig(LEARNT, config.seed + 1, "mixed", 0.3), progress))
        captioners |= {"constant": _Constant(scenes), "nearest": _Nearest(scenes)}
    parts = {
        "apart": SceneConfig(config.count, config.seed),
        "touching": SceneConfig(config.count, config.seed, touch=1.0),
        "any noun": SceneConfig(config.count, config.seed, ANY),
    }
    scenes_by_part = {part: list(compose_scenes(doodles, one, progress)) for part, one in parts.items()}
    shown = {part: [scene.drawing for scene in scenes] for part, scenes in scenes_by_part.items()}
    scenes_by_part["pixels"] = scenes_by_part["apart"]
    shown["pixels"] = [_from_pixels(scene.drawing) for scene in scenes_by_part["apart"]]
    captions: dict[str, dict[str, list[Caption]]] = {}
    scores: dict[str, dict[str, list[dict[str, float]]]] = {}
    for part, drawings in shown.items():
        captions[part], scores[part] = {}, {}
        for name, captioner in captioners.items():
            found: list[Caption] = []
            for first in range(0, len(drawings), AT_ONCE):
                found += captioner.caption(drawings[first : first + AT_ONCE])
                progress(f"{name}: {part}", len(found), len(drawings))
            captions[part][name] = found
            scores[part][name] = [
                score_caption(one.facts, scene.facts)
                for one, scene in zip(found, scenes_by_part[part], strict=True)
            ]
    way = grade_way(
        doodles, namer, captioners[CAPTIONER], config.trips, config.pictures, config.seed, progress
    )
    return Graded(scenes_by_part, captions, scores, way)


def open_captioners(namer: Names, config: GradeConfig, device: str = "cpu") -> dict[str, Captioner]:
    """The captioner, the template, and the others by their folder's or file's name. CheckpointError."""
    from unprompt.doodles.captioners import read_group_network

    found: dict[str, Captioner] = {
        CAPTIONER: GroupCaptioner(read_group_network(config.weights).to(device), namer, config.sure),
        "template": TemplateCaptioner(namer),
    }
    for path in config.others:
        name = path.parent.name if path.stem == "captioner" else path.stem
        while name in found:
            name += "'"
        found[name] = open_captioner(path, namer, config.sure, device)
    return found


def open_captioner(path: Path, namer: Names, sure: float, device: str = "cpu") -> Captioner:
    """A captioner of whatever kind its record says. Raises CheckpointError."""
    from unprompt.doodles import captioners, grid_captioner
    from unprompt.doodles.lstm_captioner import LstmCaptioner
    from unprompt.errors import InputError
    from unprompt.networks import cnn_lstm

    try:
        form = read_json(path.with_suffix(".json")).get("format")
    except InputError as error:
        raise CheckpointError(f"{path} needs its record beside it: {error}") from error
    if form == grid_captioner.FORM.form:
        return grid_captioner.GridCaptioner.load(path, device)
    if form == cnn_lstm.FORM.form:
        return LstmCaptioner.load(path, namer.words, device)
    return GroupCaptioner(captioners.read_group_network(path).to(device), namer, sure)


def _from_pixels(drawing: Drawing) -> Drawing:
    from unprompt.doodles.picture import read_picture

    return read_picture(picture_of(drawing, PIXELS, 3.0))


class _Constant:
    def __init__(self, scenes: Sequence[Scene]) -> None:
        ((facts, times),) = Counter(scene.read() for scene in scenes).most_common(1)
        self._caption = captioned(facts, times / len(scenes))

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        return [self._caption for _ in drawings]


class _Nearest:
    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._facts = [scene.read() for scene in scenes]
        self._looks = np.stack([_small(scene.drawing) for scene in scenes])

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        found = []
        for drawing in drawings:
            alike = self._looks @ _small(drawing)
            best = int(alike.argmax())
            found.append(captioned(self._facts[best], float(np.clip(alike[best], 0, 1))))
        return found


def _small(drawing: Drawing) -> NDArray[np.float32]:
    small = 255 - np.asarray(picture_of(drawing, SIDE, 1.0, 1), np.float32).ravel()
    small -= small.mean()
    found: NDArray[np.float32] = small / max(float(np.linalg.norm(small)), 1e-6)
    return found


# --- what is shown


def table_of(graded: Graded) -> str:
    """The scores in lines for people, with what each score is."""
    lines = [f"{row.what}: {row.says}" for row in rows_of(graded.way)] + [""]
    for part, found in graded.scores.items():
        lines.append(f"{part} ({PARTS[part]})")
        lines.append(f"  {'':14}" + "".join(f"{name:>22}" for name in SCORES) + f"{'words':>9}{'CIDEr':>9}")
        for captioner, some in found.items():
            spans = zip(mean_scores(some).values(), intervals(some).values(), strict=True)
            cells = "".join(_cell(mean, low, high) for mean, (low, high) in spans)
            words, cider = graded.words(part, captioner), graded.cider(part, captioner)
            lines.append(f"  {captioner:14}{cells}{words:9.3f}{cider:9.2f}")
    lines += ["", *(f"{name}: {text}" for name, text in TOLD.items())]
    lines.append("words: F1 of all words; it and CIDEr reward the grammar too and are not to steer by")
    return "\n".join(lines)


def _cell(mean: float, low: float, high: float) -> str:
    if np.isnan(mean):
        return f"{'-':>22}"
    return f"{mean:8.3f} " + (" " * 13 if np.isnan(low) else f"({low:.3f}-{high:.3f})")


class Row(NamedTuple):
    """A number of the whole way, in words."""

    what: str
    says: str


def rows_of(way: WayGrades | None) -> list[Row]:
    """Names, round trips and how pictures follow, with 95% intervals where there are two or more."""
    if way is None:
        return []
    told = {"top_1": "named right", "top_5": "the right name among five"}
    rows = [
        Row(f"{told[name]}, of {way.drawings:,} drawings", _span(share.mean, share.low, share.high))
        for name, share in way.names.items()
    ]
    if way.trips:
        low, high = way.trips.intervals["exact"]
        about = f"round trip, of {way.trips.scenes:,} scenes: the picture's true prompt is what was drawn"
        rows.append(Row(about, _span(way.trips.scores["exact"], low, high)))
    for how, grade in way.followed.items():
        about = f"ink near an edge of the picture, above chance, to follow {how} ({grade.pictures} pictures)"
        rows.append(Row(about, _span(grade.above_chance, grade.low, grade.high)))
    return rows


def _span(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f}" + ("" if np.isnan(low) else f" ({low:.3f} to {high:.3f})")


def grade_page(graded: Graded, config: GradeConfig | None = None) -> str:
    """The scores as one HTML page, with scenes and what each captioner said of them."""
    config = config or GradeConfig()
    tables = [
        {
            "part": part,
            "about": PARTS[part],
            "count": len(graded.scenes[part]),
            "rows": [
                {
                    "captioner": captioner,
                    "cells": [
                        (mean, low, high)
                        for mean, (low, high) in zip(
                            mean_scores(some).values(), intervals(some).values(), strict=True
                        )
                    ],
                    "words": graded.words(part, captioner),
                    "cider": graded.cider(part, captioner),
                }
                for captioner, some in found.items()
            ],
        }
        for part, found in graded.scores.items()
    ]
    parts = [part for part in graded.scenes if part != "pixels"]
    shown = []
    for number in range(config.shown):
        part = parts[number % len(parts)]
        at = number // len(parts)
        if at >= len(graded.scenes[part]):
            break
        scene = graded.scenes[part][at]
        said = [
            {
                "captioner": captioner,
                "text": captions[at].text,
                "right": graded.scores[part][captioner][at]["exact"] == 1,
            }
            for captioner, captions in graded.captions[part].items()
        ]
        picture = encode_png(picture_of(scene.drawing, 320, 2.0, 12))
        address = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
        shown.append({"part": part, "truth": scene.caption, "said": said, "picture": address})
    return render_page(
        "doodle_grade.html.j2", way=rows_of(graded.way), tables=tables, names=SCORES, told=TOLD, shown=shown,
        count=sum(len(scenes) for scenes in graded.scenes.values()),
    )  # fmt: skip
