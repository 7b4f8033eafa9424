"""The round trip in the pocket world: a doodle's scene, its caption, the picture, and its true prompt.

What the pocket world paints it knows, so the prompt of its picture is true of it. Where that says the same as
the truth about the doodle, nothing was lost on the way: neither by the captioner nor by the painter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.caption_scores import SCORES, intervals, mean_scores, score_caption
from unprompt.doodles.facts import Kind, SceneFacts, read_places
from unprompt.doodles.paint_config import EXACTLY
from unprompt.doodles.pocket_paint import positions_of, stage_of
from unprompt.doodles.pocket_scene import drawable_words, read_caption
from unprompt.doodles.spots import find_spots
from unprompt.doodles.wording import prompt_of
from unprompt.errors import InputError
from unprompt.progress import Progress, silent

if TYPE_CHECKING:
    from unprompt.doodles.captioners import Captioner
    from unprompt.doodles.drawing import Drawing
    from unprompt.doodles.name import Names
    from unprompt.doodles.scenes import Scene
    from unprompt.pocket.draw import Stage

SIZE = 256  # pixels of the pictures


@dataclass(frozen=True)
class Trip:
    """One way round. `told`: what the picture's true prompt says; None where nothing could be painted.

    `seen`: the facts measured from where the things are in the picture.
    """

    truth: SceneFacts
    caption: str
    prompt: str
    told: SceneFacts | None
    seen: SceneFacts | None


@dataclass(frozen=True)
class RoundTrips:
    """Scores over scenes by the names of caption_scores.SCORES, `exact` among them, and 95% intervals.

    `in_place`: the share of scenes whose truth is also what is seen in the picture, measured from the places
    of its things. `unpainted`: scenes of whose caption nothing could be painted.
    """

    scenes: int
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    in_place: float
    unpainted: int


def is_drawable(facts: SceneFacts) -> bool:
    """Whether the pocket world has a drawing of everything in it."""
    return all(kind.noun in drawable_words() for kind in facts.kinds)


def make_trip(
    drawing: Drawing, truth: SceneFacts, captioner: Captioner, namer: Names | None, seed: int = 0
) -> Trip:
    """One way round, from a drawing to what its picture shows."""
    caption = captioner.caption([drawing])[0].text
    try:
        told = read_caption(prompt_of(caption))
    except InputError:
        return Trip(truth, caption, "", None, None)
    spots = find_spots(drawing, told.all_facts, namer)
    stage = stage_of(told, spots, EXACTLY, seed, SIZE, SIZE)
    shown = facts_on(stage, told.facts, bool(spots))
    return Trip(truth, caption, told.prompt, shown, _measured(stage, told.facts) if spots else shown)


def facts_on(stage: Stage, told: SceneFacts, placed: bool) -> SceneFacts:
    """What a stage shows of a text's facts: its kinds as often as they stand there, and what relates them.

    `placed`: whether things stand where a drawing has them, each once; a layout of words may show one more
    often, as what surrounds something.
    """
    boxes = positions_of(stage)
    kinds = [
        Kind(kind.noun, len(boxes[number]) if placed else kind.count, kind.sky)
        for number, kind in enumerate(told.kinds)
        if number in boxes
    ]
    return SceneFacts(tuple(kinds), told.relations)


def _measured(stage: Stage, told: SceneFacts) -> SceneFacts:
    boxes = positions_of(stage)
    here = [(kind.noun, boxes[number]) for number, kind in enumerate(told.kinds) if number in boxes]
    return read_places([noun for noun, _ in here], [np.asarray(those) for _, those in here])


def grade_round_trip(
    scenes: Iterable[Scene],
    captioner: Captioner,
    namer: Names | None = None,
    progress: Progress = silent,
) -> RoundTrips:
    """Grade the way round of scenes of which the pocket world can draw everything; others are passed over.

    Raises InputError where no scene is left.
    """
    drawable = [scene for scene in scenes if is_drawable(scene.facts)]
    if not drawable:
        raise InputError("the pocket world can draw none of these scenes; compose them of its nouns")
    trips = []
    for number, scene in enumerate(drawable):
        trips.append(make_trip(scene.drawing, scene.facts, captioner, namer, number))
        progress("round trips", number + 1, len(drawable))
    return score_trips(trips)


def score_trips(trips: Sequence[Trip]) -> RoundTrips:
    """The scores of ways round that were made."""
    nothing = SceneFacts(())
    scores = [score_caption(trip.told or nothing, trip.truth) for trip in trips]
    seen = [score_caption(trip.seen or nothing, trip.truth)["exact"] for trip in trips]
    return RoundTrips(
        len(trips),
        {name: mean_scores(scores)[name] for name in SCORES},
        intervals(scores),
        float(np.mean(seen)),
        sum(trip.told is None for trip in trips),
    )
